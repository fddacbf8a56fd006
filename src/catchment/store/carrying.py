"""What the next generation takes over as it is: the present rows of partitions that are not derived again.

They are copied before the switch, some a transaction, so that nobody waits for it however many they are. Whoever
collects goes on meanwhile: the present generation's revisions say what has to be copied once more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Collection as Keys
from dataclasses import dataclass

from ..errors import StoreError
from ..failpoints import failpoint
from ..partitions import Partition
from ..record import Stored
from . import counting
from .engines import Connection, Taken, mapped, part, transaction
from .ledger import encode_params
from .tables import Collection, own_names

__all__ = ["AT_A_TIME", "Carrying"]

AT_A_TIME = 500
"""Rows that are copied, removed or looked at before a transaction ends; and at most copied in the switch."""

ROUNDS = 20
"""How often what changed while it was copied is copied again before the switch does it, however much it is."""


class Carrying:
    """Copies partitions of the present generation. first: the revision that their states have in the next one.

    fence: called inside every transaction; raises where the next generation is no longer ours to write.
    """

    def __init__(
        self,
        connection: Connection,
        present: Collection,
        following: Collection,
        first: int,
        fence: Callable[[Connection], None],
    ) -> None:
        self._connection = connection
        self._present, self._following = present, following
        self._fence = fence
        names = (*own_names(present), *(column.name for column in present.columns), "_doc")
        ends = ("_until", "_until_revision", "_gone")
        self._rows = _Copy(connection, present.table, following.table, names, first, following)
        self._versions = _Copy(connection, present.versions, following.versions, (*names, *ends), first)
        self._revision = self._rounds = 0
        self._copied: set[str] = set()
        self._upto: dict[str, int] = {}
        self._sharing: set[str] = set()
        self._leases: dict[str, list[int]] = {}

    def carry(self, partitions: Sequence[Partition]) -> None:
        """Copies what is not copied yet, or has changed since.

        Raises:
            StoreError: a key of theirs is also one of what was derived.
        """
        self._rounds += 1
        with transaction(self._connection, durable=False) as sql:
            work = self._work(self._stale(sql, partitions))
        goes_on = True
        while goes_on:
            with transaction(self._connection, durable=False) as sql:
                self._fence(sql)
                try:
                    with part(sql):
                        goes_on = _some(work)
                except Taken as error:
                    # One partition may have handed a record to another between the two: the next round sees that.
                    if self._rounds >= ROUNDS or self._now(sql) == self._revision:
                        raise self._refused() from error
                    return
            failpoint("rows.carried")

    def end(self, sql: Connection, partitions: Sequence[Partition]) -> bool:
        """Inside the transaction of the switch: whether the rows are those of now. What little is not, is copied."""
        stale = self._stale(sql, partitions)
        many = {item.key for item in stale} - self._upto.keys()
        if self._rounds < ROUNDS and (many or sum(self._rows.count(item.key) for item in stale) > AT_A_TIME):
            return False
        try:
            with mapped():
                sum(self._work(stale))
        except Taken as error:
            raise self._refused() from error
        sql.executemany(
            "INSERT INTO _partition (feed, key, params) VALUES (?, ?, ?)"
            " ON CONFLICT (feed, key) DO UPDATE SET model = ''",  # merged by no declaration of this generation
            [(self._following.name, item.key, encode_params(item)) for item in partitions],
        )
        if self._copied:  # they may have been filled from another state: then all are filled again
            sql.execute("DELETE FROM _filled WHERE feed = ?", (self._following.name,))
        return True

    def _refused(self) -> StoreError:
        return StoreError(
            f"{self._present.name}: a partition that is not derived again has keys of one that is",
            hint="replay the whole collection",
        )

    # -- what to copy ----------------------------------------------------------------------------------------------

    def _now(self, sql: Connection) -> int:
        name = self._present.name
        return int(sql.execute("SELECT revision FROM _collection WHERE name = ?", (name,)).fetchone()[0])

    def _stale(self, sql: Connection, partitions: Sequence[Partition]) -> list[Partition]:
        """Those that are not copied as they stand now; that is the noted revision from here on."""
        self._copied -= self._handed_over(sql)
        if (revision := self._now(sql)) != self._revision:
            self._copied -= self._changed(sql)
            self._revision = revision
        return [item for item in partitions if item.key not in self._copied]

    def _changed(self, sql: Connection) -> set[str]:
        """Partitions whose rows are others than at the noted revision: of its commits, and what they took from."""
        name, since = self._present.name, self._revision
        commits = "SELECT DISTINCT partition FROM _commit WHERE collection = ? AND generation = ? AND revision > ?"
        ended = f'SELECT DISTINCT _partition FROM "{self._present.versions}" WHERE _until_revision > ?'  # noqa: S608
        found = sql.execute(commits, (name, self._present.generation, since)).fetchall()
        found += sql.execute(ended, (since,)).fetchall()
        return {key for (key,) in found}

    def _handed_over(self, sql: Connection) -> set[str]:
        """Partitions whose records may be another one's, or were, since this was asked last: a record that several
        serve goes from one to another without a revision, by an attempt of one.
        """
        name = self._present.name
        shared = sql.execute("SELECT DISTINCT partition FROM _shared WHERE collection = ?", (name,)).fetchall()
        if not shared and not self._sharing:
            return set()
        leases = "SELECT key, lease_token, lease_owner IS NULL FROM _partition WHERE feed = ?"
        before, self._leases = self._leases, {key: state for key, *state in sql.execute(leases, (name,))}
        touched = {key for key, state in self._leases.items() if before.get(key) != state}
        sharing, self._sharing = self._sharing, {key for (key,) in shared}
        return touched | sharing | self._sharing if touched else set()

    def _work(self, stale: Sequence[Partition]) -> Iterator[int]:
        """Copies these as they stand now; yields how many rows each step was about. Versions that are there stay: they
        do not change.
        """
        upto = {item.key: self._upto.pop(item.key, 0) for item in stale}
        for key in upto:
            yield from self._rows.clear(key)
        yield from self._versions.clear_all({key for key, revision in upto.items() if not revision})
        for key in upto:
            yield from self._rows.copy(key)
        yield from self._versions.copy_ended(upto, self._revision)
        self._copied |= upto.keys()
        self._upto |= dict.fromkeys(upto, self._revision)


def _some(work: Iterator[int]) -> bool:
    """Takes steps for one transaction; whether there are more."""
    done = 0
    for rows in work:
        done += rows
        if done >= AT_A_TIME:
            return True
    return False


@dataclass(frozen=True)
class _Copy:
    """The statements for one table. columns: of both. Every step is of at most `AT_A_TIME` rows.

    counted: the collection whose counters follow these rows; None for versions.
    """

    connection: Connection
    present: str
    following: str
    columns: tuple[str, ...]
    first: int
    counted: Collection | None = None

    @property
    def _insert(self) -> str:
        """All but which rows. Of their revisions only the last state is left: that of the generation's first."""
        revisions = ("_revision", "_until_revision")
        values = ", ".join(str(self.first) if name in revisions else f'"{name}"' for name in self.columns)
        names = ", ".join(f'"{name}"' for name in self.columns)
        return f'INSERT INTO "{self.following}" ({names}) SELECT {values} FROM "{self.present}"'  # noqa: S608

    def count(self, partition: str) -> int:
        count = f'SELECT count(*) FROM "{self.present}" WHERE _partition = ?'  # noqa: S608
        return int(self.connection.execute(count, (partition,)).fetchone()[0])

    def clear(self, partition: str) -> Iterator[int]:
        """Removes what stands in the place of a partition."""
        some = f'SELECT _id FROM "{self.following}" WHERE _partition = ? LIMIT {AT_A_TIME}'  # noqa: S608
        remove = f'DELETE FROM "{self.following}" WHERE _id IN ({some})'  # noqa: S608
        while True:
            self._count(self.following, f"_id IN ({some})", (partition,), sign=-1)
            if not (removed := self.connection.execute(remove, (partition,)).rowcount):
                return
            yield removed

    def _count(self, table: str, where: str, values: Sequence[Stored], *, sign: int) -> None:
        if self.counted:
            counting.move(self.connection, self.counted, table, where, values, sign=sign)

    def copy(self, partition: str) -> Iterator[int]:
        """Copies a partition's rows."""
        some = f'SELECT _id FROM "{self.present}" WHERE _partition = ? AND _id > ? ORDER BY _id LIMIT {AT_A_TIME}'  # noqa: S608
        last = 0
        while found := self.connection.execute(some, (partition, last)).fetchall():
            between = (partition, last, last := found[-1][0])
            which = "_partition = ? AND _id > ? AND _id <= ?"
            self.connection.execute(f"{self._insert} WHERE {which}", between)
            self._count(self.present, which, between, sign=1)
            yield len(found)

    def clear_all(self, partitions: Keys[str]) -> Iterator[int]:
        """Removes what stands in the place of these partitions; all rows are looked at."""
        remove = f'DELETE FROM "{self.following}" WHERE _id = ?'  # noqa: S608
        for looked in self._walk(self.following) if partitions else ():
            self.connection.executemany(remove, [(id_,) for id_, partition, _ in looked if partition in partitions])
            yield len(looked)

    def copy_ended(self, upto: Mapping[str, int], revision: int) -> Iterator[int]:
        """Copies versions that ended until this revision, of partitions of which those are there that ended `upto`."""
        since = min(upto.values(), default=revision)
        for looked in self._walk(self.present) if not since else self._ended_since(since):
            wanted = [
                id_ for id_, partition, ended in looked if partition in upto and upto[partition] < ended <= revision
            ]
            marks = ", ".join("?" * len(wanted)) or "NULL"
            self.connection.execute(f"{self._insert} WHERE _id IN ({marks})", wanted)
            yield len(looked)

    def _ended_since(self, revision: int) -> Iterator[list[tuple[int, str, int]]]:
        """As `_walk`, of those that ended after a revision: there are few, and an index has them."""
        ended = f'SELECT _id, _partition, _until_revision FROM "{self.present}" WHERE _until_revision > ?'  # noqa: S608
        found = self.connection.execute(ended, (revision,)).fetchall()
        yield from (found[start : start + AT_A_TIME] for start in range(0, len(found), AT_A_TIME))

    def _walk(self, table: str) -> Iterator[list[tuple[int, str, int]]]:
        """All versions of a table: number, partition, and at which revision they ended."""
        some = f'SELECT _id, _partition, _until_revision FROM "{table}" WHERE _id > ? ORDER BY _id LIMIT {AT_A_TIME}'  # noqa: S608
        last = 0
        while found := self.connection.execute(some, (last,)).fetchall():
            last = found[-1][0]
            yield found
