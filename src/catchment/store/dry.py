"""A store that keeps nothing: for looking at what an upstream answers, and what it would change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from ..app import App
from ..decode import Reject
from ..merge import Changes, Known, Room
from ..partitions import STAMP
from ..settings import Settings
from ..spool import Content
from .archive import Archive, Exchange
from .engines import Connection, mapped, private, transaction
from .erasing import NO_BURN, Burn
from .lease import Counts, Lease, Outcome
from .ledger import Ledger
from .marks import Mark
from .orders import Orders
from .records import Origin, Records
from .schema import LEDGER
from .stage import Stage
from .store import Store
from .tables import Collection

__all__ = ["DryStore"]

Rows = list[dict[str, str | None]]


class DryStore(Store):
    """Reads what is stored and spends the budget; the ledger and the archive of its run are gone when it is closed."""

    keeps = False

    def __init__(self, settings: Settings, apps: Sequence[App]) -> None:
        super().__init__(settings, apps)
        self._derived.close()
        self._derived = self.database.read()  # whatever would be written is an error
        self._folder = TemporaryDirectory(prefix="catchment-dry-")
        run = private(Path(self._folder.name))
        self._dry, self._dry_paid = run.open(), run.open()
        _begin(self._dry, self._derived)
        self.archive = Archive(self._dry_paid)
        self.ledger = Ledger(self._dry, self.workers)
        self.orders = Orders(self._derived, self.workers)
        self._last: dict[tuple[str, str], str] = {}
        self._sources = {f"{app.name}/{name}" for app in apps for feed in app.feeds for name in feed.partitions.feeds}
        self._rows: dict[str, Rows] = {}

    def records(self, collection: Collection) -> Records:
        return _Unkept(self._derived, collection, self)

    def body(self, exchange: Exchange) -> Content:
        return Archive(self._dry).whole(exchange).answer.content

    def burn_pass(self, collection: Collection, lease: Lease) -> None:
        """Nothing of a dry run stays."""

    def note(self, lease: Lease, outcome: Outcome, now: datetime, model: str = "") -> None:
        """Ends an attempt in the ledger of this run."""
        with transaction(self._dry, durable=False) as sql:
            Ledger.check(sql, lease)
            Ledger.close(sql, lease, outcome, now, records=outcome.counts.received, model=model)

    def look(self, collection: Collection, lease: Lease, stage: Stage) -> None:
        """Remembers the last record of an answer; of a feed that others take their partitions from, all of them."""
        every = stage.read(range(len(stage)) if collection.name in self._sources else range(len(stage))[-1:])
        found = [entry for entry, _ in every]
        self._last[lease.feed, lease.partition.key] = f"{{{found[-1].doc}" if found else ""
        if collection.name in self._sources:
            names = [column.name for column in collection.columns]
            rows = [dict(zip(names, map(_text, entry.values), strict=True)) for entry in found]
            stamps = [entry.hash.hex() for entry in found]
            known = self._rows.setdefault(collection.name, [])
            known += [row | {STAMP: stamp} for row, stamp in zip(rows, stamps, strict=True)]

    def rows_of(self, name: str) -> Rows:
        """What this run has seen of a collection that others take their partitions from."""
        return self._rows.get(name, [])

    def last(self) -> dict[tuple[str, str], str | None]:
        """Collection and partition of all that was asked -> the last record of the answer as JSON.

        "" where it was read and had none, None where none could be read.
        """
        asked = self._dry.execute("SELECT feed, partition FROM _attempt WHERE verdict IS NOT NULL").fetchall()
        return {place: self._last.get(place) for place in asked}

    def close(self) -> None:
        super().close()
        self._dry.close()
        self._dry_paid.close()
        self._folder.cleanup()


class _Unkept(Records):
    """The stored records of a collection; what would be committed is compared and forgotten."""

    def __init__(self, connection: Connection, collection: Collection, store: DryStore) -> None:
        super().__init__(connection, collection)
        self._store = store

    def rows(self, fields: Sequence[str]) -> Rows:
        seen = [{name: row[name] for name in fields} for row in self._store.rows_of(self._collection.name)]
        places = {_place(row) for row in seen}
        return [*seen, *(row for row in super().rows(fields) if _place(row) not in places)]

    def known(self, partition: str, room: Room | None = None) -> Known:
        """The same without the bytes of rows: each is looked at, also one that is known already."""
        return replace(super().known(partition, room), by_raw={}, times={})

    def doubt(self, lease: Lease, outcome: Outcome, stage: Stage, now: datetime) -> Outcome:
        outcome = replace(outcome, counts=Counts(received=len(stage)))
        self._store.note(lease, outcome, now)
        self._store.look(self._collection, lease, stage)
        return outcome

    def commit(  # noqa: PLR0913 (as what is kept)
        self,
        lease: Lease,
        outcome: Outcome,
        changes: Changes,
        stage: Stage,
        origins: Sequence[Origin],  # noqa: ARG002 (as what is kept)
        rejects: Iterable[Reject],  # noqa: ARG002
        *,
        model: str,
        now: datetime,
        mark: Mark | None = None,  # noqa: ARG002
        burn: Burn = NO_BURN,  # noqa: ARG002
    ) -> Outcome:
        back = len(self._last_versions(changes))
        counts = replace(outcome.counts, new=len(changes.new) - back, back=back)
        outcome = replace(outcome, counts=counts)
        self._store.note(lease, outcome, now, model)
        self._store.look(self._collection, lease, stage)
        return outcome


def _place(row: Mapping[str, str | None]) -> tuple[str | None, ...]:
    return tuple(value for name, value in row.items() if name != STAMP)


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _begin(connection: Connection, kept: Connection) -> None:
    """Makes the ledger of this run from the stored one, without what tells that an answer is known already."""
    names = [column.name for column in LEDGER.tables["_partition"].columns]
    connection.create(list(LEDGER.sorted_tables))
    quoted = ", ".join(f'"{name}"' for name in names)
    with mapped():
        connection.insert("_partition", names, kept.execute(f"SELECT {quoted} FROM _partition"))  # noqa: S608 (our own names)
    connection.execute(
        "UPDATE _partition SET lease_owner = NULL, lease_until = NULL, etag = '', last_modified = '', digest = ''"
    )
