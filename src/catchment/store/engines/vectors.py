"""Full text on PostgreSQL: the words of a table's rows stand in a table beside it, which a trigger keeps up."""

from __future__ import annotations

from .interface import Words

__all__ = ["FOLDING", "making"]

FOLDING = "und-x-icu"
"""The collation that knows the case of every letter. A database's own may be C, which knows that of ASCII alone."""

_LONGEST = 250_000
"""Characters of a row's fields that are taken in: no more than a tsvector holds."""


def making(table: str, words: Words, *, folds: bool) -> tuple[str, ...]:
    """The statements that make the words of a table, in the place of those that were made of other fields.

    folds: whether the server has `FOLDING`.
    """
    name, fields = f'"{words.name}"', ",".join(words.fields)
    texts = (", ".join(f'{row}"{field}"' for field in words.fields) for row in ("", "NEW."))
    collation = f' COLLATE "{FOLDING}"' * folds
    said = (f"lower(left(concat_ws(' ', {text}), {_LONGEST}){collation})" for text in texts)
    old, new = (f"to_tsvector('simple', {text})" for text in said)
    follow = (
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"  # noqa: S608 (declared names)
        f" IF TG_OP <> 'INSERT' THEN DELETE FROM {name} WHERE rowid = OLD._id; END IF;"
        f" IF TG_OP <> 'DELETE' THEN INSERT INTO {name} VALUES (NEW._id, {new}); END IF; RETURN NULL; END $$"
    )
    trigger = f'CREATE OR REPLACE TRIGGER {name} AFTER INSERT OR UPDATE OR DELETE ON "{table}"'
    return (
        f"DROP TABLE IF EXISTS {name}",
        f"CREATE TABLE {name} (rowid bigint PRIMARY KEY, found tsvector NOT NULL)",
        f"CREATE INDEX ON {name} USING gin (found)",
        f"COMMENT ON TABLE {name} IS '{fields}'",
        f'INSERT INTO {name} SELECT _id, {old} FROM "{table}"',  # noqa: S608
        follow,
        f"{trigger} FOR EACH ROW EXECUTE FUNCTION {name}()",
    )
