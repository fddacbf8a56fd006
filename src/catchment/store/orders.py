"""What operators ask the collector for: orders that outlive whoever gave them, and the feeds that they paused.

An order waits in the ledger until a collector takes it. Of equal orders only one waits: whoever gives it a second time
is told of the first. A collector that dies with an order leaves it to the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from ..clock import render_moment
from .audit import Entry, note
from .engines import Connection, Database, Workers, mapped, transaction

__all__ = ["VERBS", "Order", "Orders", "Paused", "Rejected", "Verb", "Wanted", "collecting", "give", "listed", "paused"]

Verb = Literal["start", "collect", "retry", "pause", "resume", "replay", "readmit"]
VERBS: tuple[Verb, ...] = get_args(Verb)
"""Ask for all of a feed now · ask for one partition again · ask for what ended incomplete · leave a feed alone · no
longer · derive it again from the archive · the same of the partition that a reject is in."""

TRIES = 3
"""So often an order is taken whose collectors all die with it."""
_KEPT = timedelta(days=90)
"""How long it is told what was done; the audit has for ever who asked for it."""
_COLUMNS = "id, feed, verb, partition, reject, principal, key_id, at, taken_at, done_at, good, result"


@dataclass(frozen=True, slots=True)
class Order:
    """What an operator asked for. partition: its key, "" for the whole feed. reject: its id; 0 where it is about none.

    taken_at, done_at: None until a collector has it, and until it is done. good: whether it was done as asked.
    result: what came of it, in a line.
    """

    id: int
    collection: str
    verb: Verb
    partition: str
    reject: int
    principal: str
    key_id: str
    at: str
    taken_at: str | None
    done_at: str | None
    good: bool | None
    result: str


@dataclass(frozen=True, slots=True)
class Paused:
    """A feed that an operator has left alone. principal: a user's UUID, "" for somebody at this machine."""

    collection: str
    at: str
    principal: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """An order before it is given."""

    collection: str
    verb: Verb
    partition: str = ""
    reject: int = 0


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that became no record, as it is known whatever generation its reject is of. digest: of its bytes."""

    collection: str
    partition: str
    digest: str


# -- who gives them ------------------------------------------------------------------------------------------------


def give(database: Database, wanted: Wanted, entry: Entry, now: datetime) -> Order | None:
    """The order as it waits from now on, or waited already; None where its feed is paused, and so nothing is asked.

    A pause holds at once, and is lifted at once. entry: of the audit; it is there exactly if the order is.
    """
    with closing(database.open()) as connection, transaction(connection, durable=True) as sql:
        sql.execute("DELETE FROM _order WHERE done_at < ?", (render_moment(now - _KEPT),))
        if wanted.verb in ("start", "collect", "retry") and _is_paused(sql, wanted.collection):
            return None
        number = _noted(sql, wanted, entry, now)
        if wanted.verb == "pause":
            _pause(sql, number, wanted.collection, entry.principal, now)
        elif wanted.verb == "resume":
            sql.execute("DELETE FROM _paused WHERE feed = ?", (wanted.collection,))
        note(sql, replace(entry, action=f"order-{wanted.verb}", object=_object(wanted)), now)
        return _order(sql.execute(f"SELECT {_COLUMNS} FROM _order WHERE id = ?", (number,)).fetchone())  # noqa: S608 (columns above)


def _noted(sql: Connection, wanted: Wanted, entry: Entry, now: datetime) -> int:
    """The id of the order that waits."""
    place = (wanted.collection, wanted.verb, wanted.partition, wanted.reject)
    sql.execute(
        "INSERT INTO _order (feed, verb, partition, reject, principal, key_id, at) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        (*place, entry.principal, entry.key_id, render_moment(now)),
    )
    (number,) = sql.execute(
        "SELECT id FROM _order WHERE feed = ? AND verb = ? AND partition = ? AND reject = ? AND taken = 0", place
    ).fetchone()
    return int(number)


def _pause(sql: Connection, number: int, collection: str, principal: str, now: datetime) -> None:
    """Nobody has to take it: it is done."""
    at = render_moment(now)
    sql.execute("INSERT INTO _paused VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (collection, at, principal))
    sql.execute("UPDATE _order SET taken = id, taken_at = ?, done_at = ?, good = 1 WHERE id = ?", (at, at, number))


def _is_paused(sql: Connection, collection: str) -> bool:
    return sql.execute("SELECT 1 FROM _paused WHERE feed = ?", (collection,)).fetchone() is not None


def _object(wanted: Wanted) -> str:
    below = [wanted.partition, str(wanted.reject or "")]
    return "/".join(filter(None, [wanted.collection, *below]))


# -- who looks at them ---------------------------------------------------------------------------------------------


def listed(sql: Connection, names: Sequence[str], *, before: int | None = None, limit: int = 50) -> list[Order]:
    """The orders of these collections, newest first, from before the one of that id."""
    with mapped():
        rows = sql.execute(
            f"SELECT {_COLUMNS} FROM _order WHERE feed IN ({_marks(names)}) AND id < ? ORDER BY id DESC LIMIT ?",  # noqa: S608 (marks)
            (*names, 2**62 if before is None else before, limit),
        ).fetchall()
    return [_order(row) for row in rows]


def paused(sql: Connection, names: Sequence[str]) -> list[Paused]:
    """Those of these collections that an operator paused, by their names."""
    with mapped():
        rows = sql.execute(
            f"SELECT feed, at, principal FROM _paused WHERE feed IN ({_marks(names)}) ORDER BY feed",  # noqa: S608 (marks)
            names,
        ).fetchall()
    return [Paused(*row) for row in rows]


def collecting(sql: Connection, alive: Callable[[str], bool]) -> list[str]:
    """The apps of which a process that is alive collects what becomes due."""
    with mapped():
        rows = sql.execute("SELECT app, owner FROM _collecting ORDER BY app").fetchall()
    return sorted({app for app, owner in rows if alive(owner)})


# -- who does them -------------------------------------------------------------------------------------------------


class Orders:
    """Orders as a collector takes them, on its connection."""

    def __init__(self, connection: Connection, workers: Workers) -> None:
        self._connection = connection
        self._workers = workers

    def paused(self, name: str) -> bool:
        """Whether an operator paused this feed."""
        with mapped():
            return _is_paused(self._connection, name)

    def take(self, names: Sequence[str], now: datetime) -> Order | None:
        """The oldest order of these feeds that nobody does; None without one. One that killed its takers is closed."""
        with mapped():
            rows = self._connection.execute(
                "SELECT id, taken_by, tries FROM _order"  # noqa: S608 (marks)
                f" WHERE done_at IS NULL AND feed IN ({_marks(names)}) ORDER BY id",
                names,
            ).fetchall()
        for number, owner, tries in rows:
            if owner is not None and owner != self._workers.me and self._workers.alive(owner):
                continue
            if tries >= TRIES:
                self.done(number, f"given up: it was begun {tries} times and never ended", now, good=False)
            elif (order := self._take(number, tries, now)) is not None:
                return order
        return None

    def _take(self, number: int, tries: int, now: datetime) -> Order | None:
        """The order, ours; None where another worker was quicker."""
        with transaction(self._connection, durable=True) as sql:
            row = sql.execute(
                "UPDATE _order SET taken = id, taken_by = ?, taken_at = ?, tries = tries + 1"  # noqa: S608 (columns above)
                f" WHERE id = ? AND tries = ? AND done_at IS NULL RETURNING {_COLUMNS}",
                (self._workers.me, render_moment(now), number, tries),
            ).fetchone()
        return _order(row) if row else None

    def done(self, number: int, result: str, now: datetime, *, good: bool) -> None:
        """Notes what came of an order."""
        with transaction(self._connection, durable=True) as sql:
            sql.execute(
                "UPDATE _order SET done_at = ?, good = ?, result = ?, taken = id WHERE id = ?",
                (render_moment(now), int(good), result, number),
            )

    def rejected(self, number: int) -> Rejected | None:
        """The row that a reject is about; None where there is no such reject any more."""
        with mapped():
            row = self._connection.execute(
                "SELECT feed, partition, digest FROM _reject WHERE id = ?", (number,)
            ).fetchone()
        return Rejected(*row) if row else None

    def refused(self, row: Rejected) -> str | None:
        """Why a row became no record, as of the last answer; None where that has it no more, or it is one by now."""
        with mapped():
            found = self._connection.execute(
                "SELECT reason FROM _reject WHERE feed = ? AND partition = ? AND digest = ? AND count > 0",
                (row.collection, row.partition, row.digest),
            ).fetchone()
        return found[0] if found else None

    def begin(self, app: str, now: datetime) -> None:
        """Says that this worker collects what becomes due of an app; what the dead said is taken back."""
        with transaction(self._connection, durable=False) as sql:
            owners = sql.execute("SELECT DISTINCT owner FROM _collecting WHERE app = ?", (app,)).fetchall()
            dead = [(app, owner) for (owner,) in owners if not self._workers.alive(owner)]
            sql.executemany("DELETE FROM _collecting WHERE app = ? AND owner = ?", dead)
            sql.execute(
                "INSERT INTO _collecting VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                (app, self._workers.me, render_moment(now)),
            )

    def end(self, app: str) -> None:
        """Says that it no longer does."""
        with transaction(self._connection, durable=False) as sql:
            sql.execute("DELETE FROM _collecting WHERE app = ? AND owner = ?", (app, self._workers.me))


def _order(row: Sequence[Any]) -> Order:
    *first, good, result = row
    return Order(*(*first, None if good is None else bool(good), result))


def _marks(names: Sequence[str]) -> str:
    return ", ".join("?" * len(names)) or "NULL"
