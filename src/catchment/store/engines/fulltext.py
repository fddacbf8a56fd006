"""Full text on SQLite: which rows have other words is noted by triggers, and followed before the commit.

A trigger may not write into a virtual table where the schema is not trusted, so it notes the row's number alone. That
holds for whoever writes the rows, in whatever way: who commits has the words follow in the same transaction.
"""

from __future__ import annotations

from .interface import Connection, Words

__all__ = ["DUE", "drop", "follow", "make", "merge", "of"]

DUE = "_words_due"
_ADDED = "_added"
"""How the name of the trigger ends that notes a new row."""
_TRIGGER = "SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND name = ? AND tbl_name = ?"


def make(sql: Connection, table: str, words: Words) -> None:
    """Has the words of a table's fields be found from now on; those that stand under the name of none are removed."""
    there = sql.execute(_TRIGGER, (words.name + _ADDED, table)).fetchone()
    if there and sql.columns(words.name) == [*words.fields]:
        return
    names = ", ".join(f'"{name}"' for name in words.fields)
    differ = " OR ".join(f'old."{name}" IS NOT new."{name}"' for name in words.fields)
    sql.execute(f"CREATE TABLE IF NOT EXISTS {DUE} (words TEXT NOT NULL, row INTEGER NOT NULL)")
    sql.execute(f'DROP TABLE IF EXISTS "{words.name}"')
    sql.execute(f'CREATE VIRTUAL TABLE "{words.name}" USING fts5({names}, tokenize = "unicode61 remove_diacritics 0")')
    sql.execute(f'INSERT INTO "{words.name}" (rowid, {names}) SELECT _id, {names} FROM "{table}"')  # noqa: S608
    for end, when, row in (
        (_ADDED, f'INSERT ON "{table}"', "new"),
        ("_removed", f'DELETE ON "{table}"', "old"),
        ("_changed", f'UPDATE ON "{table}" WHEN {differ}', "new"),
    ):
        note = f"INSERT INTO {DUE} VALUES ('{words.name}', {row}._id)"  # noqa: S608 (declared names)
        sql.execute(f'DROP TRIGGER IF EXISTS "{words.name}{end}"')
        sql.execute(f'CREATE TRIGGER "{words.name}{end}" AFTER {when} BEGIN {note}; END')


def of(sql: Connection, table: str) -> Words | None:
    """The words of a table's fields; None where none are looked for in it."""
    return next((Words(name, tuple(sql.columns(name))) for name in _names(sql, table)), None)


def _names(sql: Connection, table: str) -> list[str]:
    rows = sql.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?", (table,)).fetchall()
    return [name.removesuffix(_ADDED) for (name,) in rows if name.endswith(_ADDED)]


def drop(sql: Connection, table: str) -> None:
    """Removes the words of a table's fields."""
    for name in _names(sql, table):
        sql.execute(f'DROP TABLE IF EXISTS "{name}"')
        sql.execute(f"DELETE FROM {DUE} WHERE words = ?", (name,))  # noqa: S608 (our own word)


def follow(sql: Connection) -> None:
    """Before a commit: has the words follow the rows that this transaction wrote."""
    if not sql.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (DUE,)).fetchone():
        return
    for (name,) in sql.execute(f"SELECT DISTINCT words FROM {DUE}").fetchall():  # noqa: S608 (our own word)
        (table,) = sql.execute("SELECT tbl_name FROM sqlite_master WHERE name = ?", (name + _ADDED,)).fetchone()
        names = ", ".join(f'"{column}"' for column in sql.columns(name))
        due = f"(SELECT row FROM {DUE} WHERE words = ?)"  # noqa: S608 (our own word)
        sql.execute(f'DELETE FROM "{name}" WHERE rowid IN {due}', (name,))  # noqa: S608 (declared names)
        sql.execute(
            f'INSERT INTO "{name}" (rowid, {names}) SELECT _id, {names} FROM "{table}" WHERE _id IN {due}',  # noqa: S608
            (name,),
        )
        sql.execute(f"DELETE FROM {DUE} WHERE words = ?", (name,))  # noqa: S608 (our own word)


def merge(sql: Connection) -> None:
    """Has nothing that was removed stand in an index: until then it is only marked there."""
    found = sql.execute("SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL TABLE % USING fts5%'").fetchall()
    for (name,) in found:
        sql.execute(f'INSERT INTO "{name}" ("{name}") VALUES (\'optimize\')')  # noqa: S608 (declared names)
