"""Records that several partitions serve: one of them has the record, the others are noted, so that none retires it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..errors import MergeOutdated
from ..merge import Change, Changes
from .engines import Connection
from .lease import Lease
from .stage import Stage

__all__ = ["Shared"]

_AGAIN = "ON CONFLICT (collection, key, partition) DO UPDATE SET hash = excluded.hash, raw = excluded.raw"


@dataclass(frozen=True)
class Shared:
    """The notes of one collection, inside the transaction of a partition's commit. name: as its commits have it."""

    sql: Connection
    name: str
    table: str
    lease: Lease

    def hand_over(self, changes: Changes) -> Changes:
        """The changes without those records that this partition drops and another one serves: they go to that one.

        What it last said of one may be something else than what is stored; then its answer is merged anew next time.
        MergeOutdated where such a record is not what it was.
        """
        if not changes.gone or not self._any:
            return changes
        kept = list[Change]()
        for change in changes.gone:
            if found := self._other(change.key):
                self._give(change, *found)
            else:
                kept.append(change)
        return replace(changes, gone=kept)

    @property
    def _any(self) -> bool:
        """Whether partitions of this collection share a record at all."""
        there = "SELECT 1 FROM _shared WHERE collection = ? LIMIT 1"
        return self.sql.execute(there, (self.name,)).fetchone() is not None

    def _give(self, change: Change, partition: str, content: bytes, raw: bytes) -> None:
        told = raw if content == change.expected else b""
        give = f'UPDATE "{self.table}" SET _partition = ?, _raw = ? WHERE _key = ? AND _hash = ?'  # noqa: S608
        if self.sql.execute(give, (partition, told, change.key, change.expected)).rowcount != 1:
            raise MergeOutdated(f"{self.lease.label}: {change.key} changed meanwhile")
        self._forget(change.key, partition)
        if not told:
            self.sql.execute(
                "UPDATE _partition SET digest = '', etag = '', last_modified = '' WHERE feed = ? AND key = ?",
                (self.name, partition),
            )

    def _other(self, key: str) -> tuple[str, bytes, bytes] | None:
        found: tuple[str, bytes, bytes] | None = self.sql.execute(
            "SELECT partition, hash, raw FROM _shared WHERE collection = ? AND key = ? ORDER BY partition LIMIT 1",
            (self.name, key),
        ).fetchone()
        return found

    def note(self, changes: Changes, stage: Stage) -> None:
        """Notes what this partition serves of others, and what they serve of what it takes; before rows are updated.

        MergeOutdated where such a record is not there, or not another one's, any more.
        """
        self._share(changes.shared, stage)
        here = self.lease.partition.key
        copy = (
            "INSERT INTO _shared SELECT ?, _key, _partition, _hash, _raw"  # noqa: S608 (declared names)
            f' FROM "{self.table}" WHERE _key = ? AND _partition <> ? {_AGAIN}'
        )
        for key in changes.taken:
            self.sql.execute(copy, (self.name, key, here))
            self._forget(key, here)
        if sum(self._forget(key, here) for key in changes.left) != len(changes.left):
            raise MergeOutdated(f"{self.lease.label}: a record became its own meanwhile")

    def _share(self, shared: Sequence[Change], stage: Stage) -> None:
        here = self.lease.partition.key
        note = (
            "INSERT INTO _shared SELECT ?, _key, ?, _hash, ?"  # noqa: S608 (declared names)
            f' FROM "{self.table}" WHERE _key = ? AND _hash = ? AND _partition <> ? {_AGAIN}'
        )
        entries = stage.read([change.slot for change in shared])
        for change, (entry, _) in zip(shared, entries, strict=True):
            if self.sql.execute(note, (self.name, here, entry.raw, change.key, entry.hash, here)).rowcount != 1:
                raise MergeOutdated(f"{self.lease.label}: {change.key} is another's no more")

    def _forget(self, key: str, partition: str) -> int:
        return self.sql.execute(
            "DELETE FROM _shared WHERE collection = ? AND key = ? AND partition = ?", (self.name, key, partition)
        ).rowcount
