"""Stored records whose fields are filled from another collection, and that collection as it is looked up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import cached_property
from typing import Any

from ..clock import parse_moment, render_moment
from ..feed import Feed
from ..merge import Pile
from . import counting
from .engines import mapped, transaction
from .marks import Mark, check_mark
from .records import LOOKUP, Records, all_done, document, raise_revision
from .stage import Stage
from .statements import Statements
from .tables import Collection

__all__ = ["Filled", "Source"]


class Source:
    """A collection that is looked up, as it was at a moment: of what is derived again, when that was said."""

    def __init__(self, records: Records, feed: Feed, at: datetime) -> None:
        self._connection, beside = records.of
        self._collection = Collection(beside.app, feed)
        self._at = render_moment(at)

    def mark(self, model: str) -> Mark:
        """Where the collection stands now. model: of the declaration that fills from it."""
        name = self._collection.name
        with mapped():
            row = self._connection.execute(
                "SELECT generation, revision, (SELECT max(collected_at) FROM _partition WHERE feed = name)"
                " FROM _collection WHERE name = ?",
                (name,),
            ).fetchone()
        return Mark(name, row[0], row[1], parse_moment(row[2]) if row[2] else None, model)

    def collected(self) -> dict[str, datetime]:
        """Partition -> when it had last been collected well."""
        with mapped():
            rows = self._connection.execute(
                "SELECT key, moment FROM (SELECT key, CASE WHEN collected_at <= :at THEN collected_at ELSE"
                " (SELECT max(ended_at) FROM _attempt a WHERE a.feed = p.feed AND a.partition = p.key"
                " AND verdict IN ('complete', 'unchanged') AND ended_at <= :at) END AS moment"
                " FROM _partition p WHERE feed = :feed) AS found WHERE moment IS NOT NULL",
                {"at": self._at, "feed": self._collection.name},
            ).fetchall()
        return {key: parse_moment(moment) for key, moment in rows}

    def placed(self, key: str) -> tuple[str, str] | None:
        """Partition and JSON of the record of that key; None where there was none."""
        with mapped():
            row = self._connection.execute(self._now, (key,)).fetchone()
            if row is None or row[2] > self._at:
                row = self._connection.execute(self._then, (key, self._at, self._at)).fetchone()
        return row[:2] if row else None

    @cached_property
    def _now(self) -> str:
        return f'SELECT _partition, _doc, _said_at FROM "{self._collection.table}" WHERE _key = ?'  # noqa: S608

    @cached_property
    def _then(self) -> str:
        table = self._collection.versions
        return f'SELECT _partition, _doc FROM "{table}" WHERE _key = ? AND _said_at <= ? AND _until > ?'  # noqa: S608


class Filled:
    """A collection's stored records, to be filled again."""

    def __init__(self, records: Records) -> None:
        self._connection, self._collection = records.of

    def partitions(self) -> list[str]:
        """The partitions that have records."""
        sql = f'SELECT DISTINCT _partition FROM "{self._collection.table}" ORDER BY _partition'  # noqa: S608
        with mapped():
            return [key for (key,) in self._connection.execute(sql)]

    def stored(self, partition: str) -> Iterator[tuple[str, bytes, str]]:
        """Key, hash and JSON of a partition's records, a few at a time."""
        sql = (
            f'SELECT _id, _key, _hash, _doc FROM "{self._collection.table}"'  # noqa: S608
            f" WHERE _partition = ? AND _id > ? ORDER BY _id LIMIT {LOOKUP}"
        )
        last, rows = 0, list[tuple[Any, ...]]([(0,)])
        while rows:
            with mapped():
                rows = self._connection.execute(sql, (partition, last)).fetchall()
            yield from ((key, content, doc) for _, key, content, doc in rows)
            last = rows[-1][0] if rows else last

    def noted(self) -> Mark | None:
        """What all stored records were last filled from."""
        with mapped():
            row = self._connection.execute(
                "SELECT source, generation, revision, at, model FROM _filled WHERE feed = ?", (self._collection.name,)
            ).fetchone()
        if row is None:
            return None
        source, generation, revision, at, model = row
        return Mark(source, generation, revision, parse_moment(at) if at else None, model)

    def note(self, mark: Mark) -> None:
        """Notes that all stored records are filled from there. MergeOutdated when it stands elsewhere by now."""
        at = render_moment(mark.at) if mark.at else None
        with transaction(self._connection, durable=False) as sql:
            check_mark(sql, mark)
            sql.execute(
                "INSERT INTO _filled (feed, source, generation, revision, at, model) VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (feed) DO UPDATE SET source = excluded.source, generation = excluded.generation,"
                " revision = excluded.revision, at = excluded.at, model = excluded.model",
                (self._collection.name, mark.name, mark.generation, mark.revision, at, mark.model),
            )

    def commit(
        self, run: int, partition: str, changes: Pile, stage: Stage, mark: Mark, same: int, now: datetime
    ) -> None:
        """Stores a partition's records that were filled anew, at once. The exchange that they came from stays.

        same: records that were compared and are filled as before.
        Raises:
            MergeOutdated: a record, or what it was filled from, is not what it was.
        """
        at, said, name = render_moment(now), render_moment(mark.at or now), self._collection.name
        with transaction(self._connection, durable=False) as sql:
            check_mark(sql, mark)
            (attempt,) = sql.execute(
                "INSERT INTO _attempt (run, feed, partition, pass, started_at, ended_at, verdict, reason, received,"
                " changed, same) VALUES (?, ?, ?, 0, ?, ?, 'complete', ?, ?, ?, ?) RETURNING id",
                (run, name, partition, at, at, f"filled from {mark.name}", len(changes) + same, len(changes), same),
            ).fetchone()
            revision = raise_revision(sql, name, partition, attempt=attempt, model=mark.model, at=at)
            sql.execute("UPDATE _attempt SET revision = ? WHERE id = ?", (revision, attempt))
            ended = ((said, revision, change.key, change.expected) for change in changes)
            all_done(sql.executemany(self._keep, ended), len(changes), partition)
            waiting = zip(changes, stage.read(change.slot for change in changes), strict=True)
            rows = (
                (
                    *(entry.hash, said, revision, attempt, *entry.values),
                    *(document(change, entry), change.key, change.expected),
                )
                for change, (entry, _) in waiting
            )
            all_done(sql.executemany(self._update, rows), len(changes), partition)
            counting.follow(sql, self._collection, revision)

    @cached_property
    def _keep(self) -> str:
        """As `Statements.keep`: said at, until_revision, key, hash. A record's time goes never back."""
        table, versions, names = (
            self._collection.table,
            self._collection.versions,
            Statements.of(self._collection).names,
        )
        return (
            f'INSERT INTO "{versions}" ({names}, _until, _until_revision, _gone)'  # noqa: S608
            f" SELECT {names}, CASE WHEN _said_at > ?1 THEN _said_at ELSE ?1 END, ?2, 0"
            f' FROM "{table}" WHERE _key = ?3 AND _hash = ?4'
        )

    @cached_property
    def _update(self) -> str:
        """Hash, said at, revision, attempt, the fields, document; key, expected hash."""
        names = [column.name for column in self._collection.columns]
        sets = ", ".join(f'"{name}" = ?{number}' for number, name in enumerate(names, 5))
        last = len(names) + 5
        return (
            f'UPDATE "{self._collection.table}" SET _version = _version + 1, _hash = ?1,'  # noqa: S608
            " _said_at = CASE WHEN _said_at > ?2 THEN _said_at ELSE ?2 END, _revision = ?3, _attempt = ?4,"
            f" {sets}, _doc = ?{last} WHERE _key = ?{last + 1} AND _hash = ?{last + 2}"
        )
