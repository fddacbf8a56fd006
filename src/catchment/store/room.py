"""Room for as many values as there may be: in memory while they are few, then in a scratch file."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, MutableMapping
from itertools import count
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import msgspec

from .engines import Connection, mapped, scratch

__all__ = ["BATCH", "FEW", "Pile", "Room"]

FEW = 40_000
"""Values of a dictionary, or of a list, that are kept in memory."""

BATCH = 1_000
"""Values that are written and read together."""

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")


class Room:
    """Where the dictionaries and lists of one comparison are. A context manager: they go with it.

    few: of each, so many stay in memory.
    """

    def __init__(self, few: int = FEW) -> None:
        self.few = few
        self._scratch: Connection | None = None
        self._numbers = count()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._scratch is not None:
            self._scratch.close()

    def table(self, columns: str) -> tuple[Connection, str]:
        """A new table in the scratch file, by its name."""
        if self._scratch is None:
            self._scratch = scratch()
            self._scratch.execute("BEGIN")  # never committed: with the connection the file is gone
        name = f"t{next(self._numbers)}"
        self._scratch.execute(f"CREATE TABLE {name} ({columns})")
        return self._scratch, name

    def pile(self, kind: type[T], few: int | None = None) -> Pile[T]:
        """An empty list of values of that type."""
        return Pile(self, kind, self.few if few is None else few)

    def spilled(self, held: MutableMapping[K, V]) -> MutableMapping[K, V]:
        """The dictionary, out of memory from now on. Its keys and values are bytes, texts or integers."""
        return _Spilled(self, held)


class Pile(Generic[T]):
    """A list that only grows."""

    def __init__(self, room: Room, kind: type[T], few: int) -> None:
        self._room = room
        self._few = few
        self._unpack = msgspec.msgpack.Decoder(list[kind]).decode  # type: ignore[valid-type]  # known when it runs
        self._memory: list[T] = []
        self._batch: list[T] = []
        self._written = 0
        self._table: tuple[Connection, str] | None = None
        self._read: tuple[int, list[T]] = (-1, [])

    def __len__(self) -> int:
        return len(self._memory) + self._written * BATCH + len(self._batch)

    def append(self, value: T) -> int:
        """The place of a value that is added."""
        place = len(self._memory)
        if place < self._few:
            self._memory.append(value)
            return place
        if len(self._batch) == BATCH:
            self._spill()
        self._batch.append(value)
        return place + self._written * BATCH + len(self._batch) - 1

    def fill(self) -> None:
        """Has what comes from now on be written, however few there are in memory."""
        self._few = min(self._few, len(self._memory))

    def _spill(self) -> None:
        if self._table is None:
            self._table = self._room.table("number INTEGER PRIMARY KEY, entries BLOB")
        sql, name = self._table
        with mapped():
            packed = msgspec.msgpack.encode(self._batch)
            sql.execute(f"INSERT INTO {name} VALUES (?, ?)", (self._written, packed))  # noqa: S608 (our own name)
        self._written += 1
        self._batch = []

    def __iter__(self) -> Iterator[T]:
        yield from self._memory
        for number in range(self._written):
            yield from self._unspilled(number)
        yield from self._batch

    def __getitem__(self, place: int) -> T:
        """The last batch read is kept, since places are mostly asked for in their order."""
        if place < len(self._memory):
            return self._memory[place]
        number, place = divmod(place - self._few, BATCH)
        if number == self._written:
            return self._batch[place]
        if self._read[0] != number:
            self._read = (number, self._unspilled(number))
        return self._read[1][place]

    def _unspilled(self, number: int) -> list[T]:
        assert self._table is not None
        sql, name = self._table
        with mapped():
            row = sql.execute(f"SELECT entries FROM {name} WHERE number = ?", (number,)).fetchone()  # noqa: S608
        return self._unpack(row[0])


class _Spilled(MutableMapping[K, V]):
    """A dictionary in the scratch file, in the order in which its keys came."""

    def __init__(self, room: Room, held: MutableMapping[K, V]) -> None:
        self._sql, name = room.table("key PRIMARY KEY, value")
        self._insert = f"INSERT INTO {name} VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"  # noqa: S608
        self._find = f"SELECT value FROM {name} WHERE key = ?"  # noqa: S608
        self._every = f"SELECT key, value FROM {name} ORDER BY rowid"  # noqa: S608
        self._delete = f"DELETE FROM {name} WHERE key = ?"  # noqa: S608
        self._count = f"SELECT count(*) FROM {name}"  # noqa: S608
        self._fresh: dict[K, V] = {}
        self._write(held)

    def _write(self, held: MutableMapping[K, V]) -> None:
        with mapped():
            self._sql.executemany(self._insert, held.items())

    def _settled(self) -> Connection:
        """The connection, with all that was put here written."""
        if self._fresh:
            self._write(self._fresh)
            self._fresh = {}
        return self._sql

    def get(self, key: Any, default: Any = None) -> Any:
        if key in self._fresh:
            return self._fresh[key]
        row = self._sql.execute(self._find, (key,)).fetchone()
        return default if row is None else row[0]

    def __getitem__(self, key: K) -> V:
        if (value := self.get(key)) is None:
            raise KeyError(key)
        found: V = value
        return found

    def __contains__(self, key: object) -> bool:
        return self.get(key) is not None

    def __setitem__(self, key: K, value: V) -> None:
        self._fresh[key] = value
        if len(self._fresh) == BATCH:
            self._settled()

    def __delitem__(self, key: K) -> None:
        if not self._settled().execute(self._delete, (key,)).rowcount:
            raise KeyError(key)

    def __len__(self) -> int:
        (number,) = self._settled().execute(self._count).fetchone()
        return int(number)

    def __iter__(self) -> Iterator[K]:
        return (key for key, _ in self.items())

    def items(self) -> ItemsView[K, V]:
        return _Items(self)

    def pairs(self) -> Iterator[tuple[K, V]]:
        """Keys and values in their order."""
        rows = self._settled().execute(self._every)
        while some := rows.fetchmany(BATCH):
            yield from some


class _Items(ItemsView[K, V]):
    def __init__(self, of: _Spilled[K, V]) -> None:
        super().__init__(of)
        self._of = of

    def __iter__(self) -> Iterator[tuple[K, V]]:
        return self._of.pairs()
