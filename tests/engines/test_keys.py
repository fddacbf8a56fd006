"""Every key begins with a column by which its table could be spread over machines (docs/design-notes.md says which)."""

import pytest

from catchment.app import SHIPPED, load_app
from catchment.store.engines import Layout
from catchment.store.schema import LEDGER
from catchment.store.tables import collections_of, tables_of

NUMBERED = {"_run", "_attempt", "_exchange", "_drift", "_audit", "_taken"}
"""Of which each row stands for itself, found by the number that it was given."""

SPREAD = {
    **dict.fromkeys(NUMBERED, "id"),
    **dict.fromkeys(("_partition", "_filled", "_field", "_order", "_paused", "_reject"), "feed"),
    **dict.fromkeys(("_shared", "_erased", "_commit"), "collection"),
    **dict.fromkeys(("_budget", "_slot"), "upstream"),
    **dict.fromkeys(("_collecting", "_kept", "_spelling"), "app"),
    "_body": "digest",
    "_idempotency": "principal",
    "_api_key": "id",
    "_collection": "name",
    "_meta": "name",
    "_schema": "version_num",
    "_session": "digest",
}
STANDING = {"_order": [("id",)], "_reject": [("id",)]}
"""Keys that would have to go."""


def keys(layout):
    """All that is unique in a table: its columns, in their order."""
    unique = [index.fields for index in layout.indexes if index.unique]
    return [fields for fields in (layout.key, *layout.ones, *unique) if fields]


@pytest.mark.parametrize("table", LEDGER.sorted_tables, ids=lambda table: table.name)
def test_a_key_of_the_ledger_begins_with_what_it_would_be_spread_by(table):
    others = [key for key in keys(Layout.of(table)) if key[0] != SPREAD[table.name]]
    assert others == STANDING.get(table.name, [])


@pytest.mark.parametrize("name", SHIPPED)
def test_a_key_of_a_collection_has_the_records_key_or_is_known_to_stand_in_the_way(name):
    for collection in collections_of(load_app(name)):
        for table in tables_of(collection):
            layout = Layout.of(table)
            others = [key for key in keys(layout) if key[0] not in ("_key", "_group")]
            once = f"{collection.indexes}__only"  # what an owner may write once is held by its own columns
            known = [("_id",)] if "_id" in layout.names else []
            known += [index.fields for index in layout.indexes if index.name == once]
            assert sorted(others) == sorted(known), table.name
