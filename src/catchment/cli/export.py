"""The command that writes files: a whole list, or what an upstream answered."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..app import load_app
from ..errors import UsageError, choices
from .arguments import DataFlag, find_apps, one_of, read_settings, split_target
from .completion import collections
from .manual import manual

if TYPE_CHECKING:
    from ..store.export import Export
    from ..store.reader import Reader

__all__ = ["exports"]

exports = typer.Typer()


@exports.command(
    **manual(
        "Look",
        (
            "one symbol, as it was known then",
            "catchment export stocks/bars --where symbol=IBM --as-of 2026-03-31 -o bars.csv",
        ),
        ("lines of JSON into a pipe", "catchment export police/stops --format ndjson --where sort=-datetime"),
        ("the bytes that the upstream answered", "catchment export episodes --raw answers"),
    )
)
def export(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="APP/FEED: a list. APP: the raw bodies of its feeds.",
            show_default=False,
            autocompletion=collections,
        ),
    ],
    *,
    form: Annotated[
        str,
        typer.Option("--format", help="csv, ndjson or parquet.", show_default="the ending of --output, else csv"),
    ] = "",
    where: Annotated[
        list[str] | None,
        typer.Option("--where", metavar="NAME=VALUE", help="As in the list's address: a filter, sort=, fields=."),
    ] = None,
    as_of: Annotated[str, typer.Option("--as-of", help="As it was: a moment, a date or a revision.")] = "",
    hidden: Annotated[bool, typer.Option("--hidden", help="Also the fields that are hidden from readers.")] = False,
    output: Annotated[str, typer.Option("-o", "--output", help="The file; standard output without it.")] = "",
    raw: Annotated[
        str,
        typer.Option("--raw", metavar="DIR", help="The folder of raw bodies.", show_default="DATA_DIR, else ./data"),
    ] = "",
    data: DataFlag = "",
) -> None:
    """Write all records of a list into a file, of one revision.

    The file is there when it is whole. Of an app: what its upstream answered last, byte for byte, under the file names
    of the app. Nothing is asked.
    """
    if raw or not split_target(target)[1]:
        _write_raw(target, raw, data)
    else:
        _write_list(target, form, _pairs(where or [], as_of), data, output, hidden=hidden)


def _write_raw(target: str, raw: str, data: str) -> None:
    from ..raw import export_raw
    from ..store.store import Store

    app, settings = load_app(target), read_settings(data)
    folder = Path(raw or settings.get("DATA_DIR", "data"))
    with Store(settings, [app]) as store:
        count = export_raw(app, store, folder)
    typer.echo(f"{count} raw bodies of {app.name} are in {folder}")


def _write_list(target: str, form: str, asked: list[tuple[str, str]], data: str, output: str, *, hidden: bool) -> None:
    from ..serve.data import visible_columns
    from ..serve.export import columns_shown, query_of_export
    from ..serve.forms import FORMATS
    from ..store.export import Export

    chosen = FORMATS[one_of("--format", form or _form_of(output, tuple(FORMATS)), tuple(FORMATS))]
    chosen.check()
    with closing(_reader(target, data)) as reader:
        collection = reader.collections[_name(target, reader)]
        columns = visible_columns(collection, moderates=hidden)
        query = query_of_export(asked, collection, columns)
        begun = Export.begin(reader, collection, query)
        _write(chosen.make(columns_shown(query, columns), begun), output)
        _tell(begun, output)


def _reader(target: str, data: str) -> Reader:
    from ..store.reader import Reader
    from ..store.tables import collections_of

    return Reader.of(read_settings(data), [item for app in find_apps([target]) for item in collections_of(app)])


def _name(target: str, reader: Reader) -> str:
    """The collection that the target names, of those of its app."""
    known = {name.partition("/")[2]: name for name in reader.collections}
    feed = split_target(target)[1]
    if feed not in known:
        raise UsageError(f"{target} names no collection", hint=f"write APP/FEED; {choices(feed, list(known))}")
    return known[feed]


def _form_of(output: str, known: Sequence[str]) -> str:
    """The form that the file's ending names; CSV where it names none."""
    ending = Path(output).suffix.removeprefix(".").lower()
    return ending if ending in known else "csv"


def _pairs(where: list[str], as_of: str) -> list[tuple[str, str]]:
    pairs = []
    for text in [*where, *([f"as_of={as_of}"] if as_of else [])]:
        name, sign, value = text.partition("=")
        if not (sign and name):
            raise UsageError(f"--where {text} is no NAME=VALUE", hint="e.g. --where symbol=IBM")
        pairs.append((name, value))
    return pairs


def _write(pieces: Iterator[bytes], output: str) -> None:
    """Writes beside the file and renames at the end: nobody takes a half for the whole."""
    if not output:
        for piece in pieces:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return
    file = Path(output)
    beside = file.with_name(f"{file.name}.part")
    try:
        with beside.open("wb") as into:
            for piece in pieces:
                into.write(piece)
        beside.replace(file)
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error.strerror}", hint="name another by -o") from error
    finally:
        beside.unlink(missing_ok=True)


def _tell(export: Export, output: str) -> None:
    sys.stderr.write(f"{export.collection.name} at revision {export.state.revision}{output and f' in {output}'}\n")
