"""The steps by which a ledger that an older catchment wrote becomes the present one, each a revision of Alembic."""
