"""The raw bodies of an app as files: what its upstream answered last, from the archive, byte for byte."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import quote

import msgspec
from xxhash import xxh3_64_hexdigest

from .app import App, RawFiles
from .errors import UsageError
from .feed import Feed
from .partitions import Partition
from .spool import Content, blocks
from .store.store import Store

__all__ = ["export_raw"]

BOM = b"\xef\xbb\xbf"


def export_raw(app: App, store: Store, folder: Path) -> int:
    """How many bodies were written into the folder, each as it was answered last, and all of them in one file.

    Where two partitions have one name, each stands in a folder of its own, named by its first value; where that tells
    them not apart, or by case alone, a digest stands behind it. A file that is there is replaced; nobody is asked.

    Raises:
        UsageError: the app names no files, nothing is collected yet, or the folder cannot be written.
    """
    if app.raw is None:
        raise UsageError(f"app {app.name} names no files for its raw bodies", hint="App(raw=RawFiles(…)) names them")
    count = 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _replacing(folder / app.raw.whole) as whole:
            for name, body in _bodies(app, app.raw, store):
                _write(folder / name, body)
                whole.write((b",\n" if count else b"{\n") + msgspec.json.encode(name) + b": ")
                _put(body, whole, mark=False)
                count += 1
            whole.write(b"\n}\n")
            if not count:
                raise UsageError(f"nothing of {app.name} is collected yet", hint=f"run catchment collect {app.name}")
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror}", hint="name another folder") from error
    return count


def _bodies(app: App, raw: RawFiles, store: Store) -> Iterator[tuple[str, Content]]:
    """Names and bodies, in the order of feeds and partitions."""
    places = [
        (feed, state.partition, raw.name(feed.name, state.partition))
        for feed in app.feeds
        for _, state in sorted(store.ledger.states(app.collection(feed)).items())
    ]
    places = [place for place in places if place[2]]
    for (feed, partition, _), path in zip(places, _paths(places, raw.whole), strict=True):
        if body := _newest(app, feed, partition, store):
            yield path, body


def _paths(places: Sequence[tuple[Feed, Partition, str]], whole: str) -> list[str]:
    """A path for each, no two of which are one, nor on a disk where case does not count."""
    times = Counter(name for _, _, name in places)
    plain = [_path(name, partition, alone=times[name] == 1) for _, partition, name in places]
    taken = Counter(path.casefold() for path in (*plain, whole))
    taken.update({path.rpartition("/")[0].casefold() for path in plain})
    return [
        path if taken[path.casefold()] == 1 else f"{path}-{_digest(feed, partition)}"
        for (feed, partition, _), path in zip(places, plain, strict=True)
    ]


def _digest(feed: Feed, partition: Partition) -> str:
    return xxh3_64_hexdigest(f"{feed.name} {partition.key}".encode())


def _newest(app: App, feed: Feed, partition: Partition, store: Store) -> Content:
    """The last answer that was data; an error in words is none, whatever its status."""
    for exchange in store.archive.newest(app.collection(feed), partition.key):
        content = exchange.answer.content
        if content and feed.reader(exchange.answer, partition).kind == "data":
            return content
    return b""


def _path(name: str, partition: Partition, *, alone: bool) -> str:
    parts = [name] if alone else [partition.params[0][1] if partition.params else "_", name]
    return "/".join(f"_{part}" if part.startswith(".") else part for part in (quote(item, safe=" ") for item in parts))


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes the path's place once it is whole; what was there stays if it never is."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _write(path: Path, body: Content) -> None:
    path.parent.mkdir(exist_ok=True)
    with _replacing(path) as file:
        _put(body, file)


def _put(body: Content, file: IO[bytes], *, mark: bool = True) -> None:
    """Writes a body. mark: with its mark of byte order, if it has one."""
    for number, block in enumerate(blocks(body)):
        file.write(block if mark or number else bytes(block).removeprefix(BOM))
