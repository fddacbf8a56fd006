"""What lies beside the records for a person to look at: rejects, drift, orders, and the audit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..clock import render_moment
from ..drift import Drift, DriftKind, Seen, drifted, jumped, seen_in
from . import orders
from .audit import Asked, Tried, find
from .engines import Connection, mapped
from .orders import Order, Paused

__all__ = ["Desk", "Noted", "Reason", "Rejected", "known_fields", "note_drift"]

RAW_SHOWN = 200
"""Bytes of a rejected row that a list shows."""


@dataclass(frozen=True, slots=True)
class Reason:
    """How many rejects a collection has for one reason, at one place of its rows. partitions: in how many."""

    collection: str
    reason: str
    path: str
    count: int
    partitions: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that became no record. raw: its bytes as text, what is no UTF-8 escaped; cut: there is more of it.

    key: where it could be read. count: how often the last answer has it.
    """

    id: int
    collection: str
    partition: str
    key: str | None
    reason: str
    path: str
    raw: str
    cut: bool
    count: int
    first_attempt: int
    last_attempt: int
    at: str


@dataclass(frozen=True, slots=True)
class Noted:
    """A drift, and when and where it was noted."""

    id: int
    collection: str
    partition: str
    attempt: int
    kind: DriftKind
    field: str
    detail: str
    at: str


class Desk:
    """Questions about all that, on one connection. names: of collections, as `stocks/bars`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def reasons(self, names: Sequence[str]) -> list[Reason]:
        """Why rows of the last answers became no records: the most frequent reason first."""
        with mapped():
            rows = self._connection.execute(
                "SELECT feed, reason, path, sum(count), count(DISTINCT partition) FROM _reject"  # noqa: S608 (marks)
                f" WHERE count > 0 AND feed IN ({_marks(names)}) GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3",
                names,
            ).fetchall()
        return [Reason(*row) for row in rows]

    def rejects(self, names: Sequence[str], *, after: int = 0, limit: int = 50) -> list[Rejected]:
        """The rejects of the last answers by their ids, from behind `after`, shortened."""
        return self._rejects(
            f"count > 0 AND feed IN ({_marks(names)}) AND id > ? ORDER BY id LIMIT ?", (*names, after, limit), RAW_SHOWN
        )

    def reject(self, names: Sequence[str], number: int) -> Rejected | None:
        """One reject with all its bytes, also of an earlier answer; None where these collections have none such."""
        found = self._rejects(f"feed IN ({_marks(names)}) AND id = ?", (*names, number), None)
        return found[0] if found else None

    def _rejects(self, where: str, values: Sequence[object], shown: int | None) -> list[Rejected]:
        names = "id, feed, partition, key, reason, path, raw, count, first_attempt, last_attempt, at"
        with mapped():
            rows = self._connection.execute(f"SELECT {names} FROM _reject WHERE {where}", values).fetchall()  # noqa: S608
        return [_rejected(row, shown) for row in rows]

    def drift(self, names: Sequence[str], *, before: int | None = None, limit: int = 50) -> list[Noted]:
        """The drift noted, newest first, from before the one of that id."""
        with mapped():
            rows = self._connection.execute(
                "SELECT id, feed, partition, attempt, kind, field, detail, at FROM _drift"  # noqa: S608 (marks)
                f" WHERE feed IN ({_marks(names)}) AND id < ? ORDER BY id DESC LIMIT ?",
                (*names, 2**62 if before is None else before, limit),
            ).fetchall()
        return [Noted(*row) for row in rows]

    def audit(self, asked: Asked, *, before: int | None = None, limit: int = 50) -> list[Tried]:
        """Who tried what, newest first, from before the one of that id."""
        return find(self._connection, asked, before=before, limit=limit)

    def orders(self, names: Sequence[str], *, before: int | None = None, limit: int = 50) -> list[Order]:
        """What operators asked for, newest first, from before the one of that id."""
        return orders.listed(self._connection, names, before=before, limit=limit)

    def paused(self, names: Sequence[str]) -> list[Paused]:
        """Those of these collections that an operator has left alone."""
        return orders.paused(self._connection, names)

    def collecting(self, alive: Callable[[str], bool]) -> list[str]:
        """The apps of which somebody who is alive collects what becomes due."""
        return orders.collecting(self._connection, alive)

    def drift_since(self, name: str, since: datetime) -> list[Noted]:
        """The drift of one collection that was noted from then on, newest first."""
        return [item for item in self.drift([name], limit=1000) if item.at >= render_moment(since)]


def _marks(names: Sequence[str]) -> str:
    return ", ".join("?" * len(names)) or "NULL"


def _rejected(row: Sequence[Any], shown: int | None) -> Rejected:
    number, collection, partition, key, reason, path, raw, *seen = row
    cut = shown is not None and len(raw) > shown
    text = raw[:shown].decode(errors="backslashreplace")
    return Rejected(number, collection, partition, key, reason, path, text, cut, *seen)


def known_fields(sql: Connection, feed: str) -> dict[str, Seen]:
    """What is known of the fields of an upstream's rows, by name."""
    rows = sql.execute("SELECT name, kinds, steady, gone FROM _field WHERE feed = ?", (feed,)).fetchall()
    return {
        name: Seen(frozenset(filter(None, kinds.split("|"))), bool(steady), bool(gone))
        for name, kinds, steady, gone in rows
    }


def note_drift(
    sql: Connection,
    place: tuple[str, str, int],
    drift: Sequence[Drift],
    sample: Sequence[bytes],
    received: int | None,
    now: datetime,
) -> None:
    """Inside the transaction that ends an attempt: notes what is not as it was.

    Args:
        place: feed, partition, attempt. drift: found already. sample: rows that may show more. received: how many rows
            a merged answer had.
    """
    feed, partition, attempt = place
    known = known_fields(sql, feed) if sample or drift else {}
    found, fresh = drifted(known, seen_in(sample), len(sample)) if sample else ([], {})
    if found and _is_first_run(sql, feed, attempt):
        found = []  # partitions may differ in their fields: what is found while all are new is news to nobody
    if received is not None and (jump := jumped(_received_before(sql, place), received)):
        found.append(jump)
    drift = [item for item in drift if not item.told_as or item.told_as not in known]
    fresh = {**fresh, **{item.told_as: Seen(frozenset(), steady=False) for item in drift if item.told_as}}
    at = render_moment(now)
    sql.executemany(
        "INSERT INTO _drift (feed, partition, attempt, kind, field, detail, at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(feed, partition, attempt, item.kind, item.field, item.detail, at) for item in (*drift, *found)],
    )
    sql.executemany(
        "INSERT INTO _field (feed, name, kinds, steady, gone) VALUES (?, ?, ?, ?, ?) ON CONFLICT (feed, name)"
        " DO UPDATE SET kinds = excluded.kinds, steady = excluded.steady, gone = excluded.gone",
        [(feed, name, "|".join(sorted(seen.kinds)), int(seen.steady), int(seen.gone)) for name, seen in fresh.items()],
    )


def _is_first_run(sql: Connection, feed: str, attempt: int) -> bool:
    """Whether no earlier run has merged an answer of this feed."""
    found = sql.execute(
        "SELECT 1 FROM _attempt WHERE feed = ? AND verdict = 'complete'"
        " AND run < (SELECT run FROM _attempt WHERE id = ?) LIMIT 1",
        (feed, attempt),
    ).fetchone()
    return found is None


def _received_before(sql: Connection, place: tuple[str, str, int]) -> int:
    """How many rows the partition's complete answer before this attempt had."""
    row = sql.execute(
        "SELECT received FROM _attempt WHERE feed = ? AND partition = ? AND id < ? AND verdict = 'complete'"
        " ORDER BY id DESC LIMIT 1",
        place,
    ).fetchone()
    return row[0] if row else 0
