"""Files of a whole list, read back by what people read them with: the same names, types and values."""

import asyncio
import importlib.util
import io
import os
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from traceback import format_exception

import pyarrow as pa
import pytest
from asgi_listener import listening
from demo_feeds import BARS, NOTES, Note
from filled_store import bar
from forkserver import run
from litestar.exceptions import LitestarException
from pyarrow import parquet

from catchment.store.export import AT_A_TIME

BAR, NOTE = "/v1/demo/bars", "/v1/demo/notes"
MANY = 2 * AT_A_TIME + 1
MOMENT = datetime(2026, 1, 2, 3, 4, 5, 600000, tzinfo=UTC)
PRICES = ["0.1", "-0.1", "99999999999999999999", "-99999999999999999999.999999999999999999", "1E-18", "0", "12.50"]


KINDS = {
    ("pandas", "csv"): ("str", "float64", "int64"),
    ("pandas", "ndjson"): ("datetime64[us]", "float64", "int64"),
    ("pandas", "parquet"): ("object", "object", "int64"),  # `date` and `Decimal` of Python
    ("polars", "csv"): ("Date", "Float64", "Int64"),
    ("polars", "ndjson"): ("String", "String", "Int64"),
    ("polars", "parquet"): ("Date", "Decimal(precision=38, scale=18)", "Int64"),
    ("duckdb", "csv"): ("DATE", "DOUBLE", "BIGINT"),
    ("duckdb", "ndjson"): ("DATE", "VARCHAR", "BIGINT"),
    ("duckdb", "parquet"): ("DATE", "DECIMAL(38,18)", "BIGINT"),
}
"""By reader and form: what `date`, `close` and `volume` are taken for. Of text a reader guesses; Parquet says it."""


def read(client, path: str) -> pa.Table:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    return parquet.read_table(io.BytesIO(answer.content))


@pytest.fixture
def prices(store):
    """One bar a price, in the order of their days."""
    for day, price in enumerate(PRICES, 1):
        store.put(BARS, bar("IBM", f"2026-01-{day:02}", price, None if day == 2 else price, volume=2**63 - day))
    return store


@pytest.fixture
def notes(store):
    store.put(NOTES, Note("=1+1, \u00e9\n", -1.5, True, MOMENT, ["a", "=b"]), nr=1)
    store.put(NOTES, Note("", 1e300, False, None, []), nr=2)
    store.put(NOTES, Note(None, None, None, None, [""]), nr=3)
    return store


def test_columns_have_the_types_of_their_fields(prices, notes, client):
    exact = pa.decimal128(38, 18)
    table = read(client, f"{BAR}.parquet?sort=date")
    kinds = [("symbol", pa.string()), ("date", pa.date32()), ("open", exact), ("close", exact), ("volume", pa.int64())]
    assert [(field.name, field.type) for field in table.schema] == [("_key", pa.string()), *kinds]
    days = [date(2026, 1, day) for day in range(1, len(PRICES) + 1)]
    assert (table["date"].to_pylist(), table["open"].to_pylist()) == (days, [*map(Decimal, PRICES)])
    assert table["close"].to_pylist()[1] is None
    assert table["volume"].to_pylist() == [2**63 - day for day in range(1, len(PRICES) + 1)]
    table = read(client, f"{NOTE}.parquet")
    assert table.schema.field("at").type == pa.timestamp("us", tz="UTC")
    assert table.drop(["_key"]).to_pylist() == [
        {"text": "=1+1, \u00e9\n", "score": -1.5, "ok": True, "at": MOMENT, "tags": ["a", "=b"]},
        {"text": "", "score": 1e300, "ok": False, "at": None, "tags": []},
        {"text": None, "score": None, "ok": None, "at": None, "tags": [""]},
    ]


@pytest.mark.parametrize("price", ["1E-19", "100000000000000000000", "-0.1234567890123456789", "-1E+20"])
def test_exact_numbers_that_are_too_long_for_readers_stay_exact_as_text(prices, client, price):
    prices.put(BARS, bar("ZZZ", "2026-02-01", "1", price))
    table = read(client, f"{BAR}.parquet?sort=symbol")
    assert (table.schema.field("open").type, table.schema.field("close").type) == (pa.decimal128(38, 18), pa.string())
    assert Decimal(table["close"].to_pylist()[-1]) == Decimal(price)
    assert read(client, f"{BAR}.parquet?symbol=IBM").schema.field("close").type == pa.decimal128(38, 18)


def test_a_file_of_then_is_what_was_then_in_the_order_and_with_the_fields_asked_for(store, client):
    for revision, close in enumerate(("1", "2"), 1):
        store.put(BARS, bar("IBM", "2026-01-01", close=close), revision=revision)
        store.put(BARS, bar("AAPL", "2026-01-01", close=close), revision=revision)
    table = read(client, f"{BAR}.parquet?as_of=1&sort=-symbol&fields=symbol,close")
    assert table.column_names == ["_key", "symbol", "close"]
    assert table["symbol"].to_pylist() == ["IBM", "AAPL"]
    assert table["close"].to_pylist() == [Decimal(1), Decimal(1)]
    assert read(client, f"{BAR}.parquet?volume__lt=0").num_rows == 0


@pytest.fixture
def many_notes(store):
    """As many as fill two groups of rows, and one more."""
    store.put_all(NOTES, [Note(f"{number} {'x' * 9000}", None, None, None, []) for number in range(MANY)])
    return store


def test_it_is_written_a_group_of_rows_at_a_time_whoever_writes_meanwhile(many_notes, asgi):
    async def listen():
        async with listening(asgi, f"{NOTE}.parquet", accept="*/*") as answer:
            found = await answer.piece() + await answer.piece()
            assert len(found) > 4  # the first group is out before the rest is read
            many_notes.put(NOTES, Note("late", None, None, None, []), nr=10**6, revision=2)
            while (piece := await answer.piece()) is not None:
                found += piece
            return found

    file = parquet.ParquetFile(io.BytesIO(asyncio.run(listen())))
    assert (file.num_row_groups, file.metadata.num_rows) == (3, MANY)


def test_a_client_that_leaves_ends_it(many_notes, asgi):
    async def listen():
        async with listening(asgi, f"{NOTE}.parquet", accept="*/*", takes=2) as answer:
            await answer.full()
        return b"".join(answer.taken)

    assert not asyncio.run(listen()).endswith(b"PAR1")


def test_head_reads_nothing_and_a_known_one_is_not_sent_again(prices, client):
    answer = client.request("HEAD", f"{BAR}.parquet")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-disposition"] == 'attachment; filename="demo-bars.parquet"'
    assert client.get(f"{BAR}.parquet", headers={"if-none-match": answer.headers["etag"]}).status_code == 304


def test_what_has_no_place_in_its_column_ends_the_file_in_the_middle(prices, asgi):
    """An older declaration wrote it: nobody takes what came for the whole, and the log says where to look."""
    prices.db.execute('UPDATE demo_bars SET _doc = replace(_doc, \'"volume":\', \'"volume":"many","x":\')')

    async def listen():
        async with listening(asgi, f"{BAR}.parquet", accept="*/*") as answer:
            await answer.ended()

    with pytest.raises(LitestarException) as broken:
        asyncio.run(listen())
    assert "StoreError: a stored value has no place in its column" in "".join(format_exception(broken.value))


# -- without the library -------------------------------------------------------------------------------------------


def test_where_the_library_is_missing_it_says_what_to_install(prices, client, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # as where the extra is not installed
    answer = client.get(f"{BAR}.parquet")
    assert (answer.status_code, answer.json()["type"]) == (501, "/problems/not-installed")
    assert 'pip install "catchment[parquet]"' in answer.json()["detail"]
    assert client.get(f"{BAR}.csv").status_code == 200


WATCHED = """
import atexit, sys
atexit.register(lambda: print("pandas" in sys.modules, file=sys.stderr))
from catchment.cli import main
main()
"""
WITHOUT = "import sys; sys.modules['pyarrow'] = None; from catchment.cli import main; main()"


def test_the_command_writes_the_form_that_the_files_ending_names(prices, client, tmp_path):
    here, command, values = Path(__file__).parent, ["export", "demo_feeds:app/bars", "-o"], os.environ | prices.values
    file = tmp_path / "bars.parquet"
    done = run(here, [*command, str(file)], values)
    assert (done.code, done.out) == (0, ""), done.err
    assert file.read_bytes() == client.get(f"{BAR}.parquet").content
    refused = subprocess.run(
        [sys.executable, "-c", WITHOUT, *command, str(tmp_path / "other.parquet")],
        cwd=here, env=values, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (refused.returncode, "catchment[parquet]" in refused.stderr) == (2, True), refused.stderr
    assert [path.name for path in tmp_path.glob("*.parquet*")] == ["bars.parquet"]


# -- read back -----------------------------------------------------------------------------------------------------


def with_pandas(path):
    import pandas as pd

    read = {"csv": pd.read_csv, "ndjson": lambda path: pd.read_json(path, lines=True)}
    table = read.get(path.suffix[1:], pd.read_parquet)(path)
    return {name: str(kind) for name, kind in table.dtypes.items()}, table["volume"].tolist(), table["close"].tolist()


def with_polars(path):
    import polars as pl

    read = {"csv": lambda path: pl.read_csv(path, try_parse_dates=True), "ndjson": pl.read_ndjson}
    table = read.get(path.suffix[1:], pl.read_parquet)(path)
    return {name: str(kind) for name, kind in table.schema.items()}, table["volume"].to_list(), table["close"].to_list()


def with_duckdb(path):
    import duckdb

    read = {"csv": duckdb.read_csv, "ndjson": lambda path: duckdb.read_json(path, format="newline_delimited")}
    table = read.get(path.suffix[1:], duckdb.read_parquet)(str(path))
    kinds = dict(zip(table.columns, map(str, table.types), strict=True))
    rows = table.project("volume, close").fetchall()
    return kinds, [row[0] for row in rows], [row[1] for row in rows]


def exact(value):
    """A number as it was written; None for none, which pandas has as NaN."""
    return None if value is None or Decimal(str(value)).is_nan() else Decimal(str(value))


WITH = {"pandas": with_pandas, "polars": with_polars, "duckdb": with_duckdb}


@pytest.mark.once
@pytest.mark.parametrize("form", ["csv", "ndjson", "parquet"])
@pytest.mark.parametrize("reader", WITH)
def test_what_people_read_files_with_finds_names_types_and_values(reader, form, store, client, tmp_path):
    if importlib.util.find_spec(reader) is None:
        pytest.skip(f"{reader} is not installed; `./run bench export` installs it")
    for day, close in ((1, "133.25"), (2, None), (3, "-0.5")):
        store.put(BARS, bar("IBM", f"2026-01-0{day}", "134.75", close, volume=2**40 + day))
    path = tmp_path / f"bars.{form}"
    path.write_bytes(client.get(f"{BAR}.{form}?sort=date").content)
    kinds, volumes, closes = WITH[reader](path)
    assert list(kinds) == ["_key", "symbol", "date", "open", "close", "volume"]
    assert volumes == [2**40 + day for day in (1, 2, 3)]
    found = [*map(exact, closes)]
    assert found == [Decimal("133.25"), None, Decimal("-0.5")]
    assert tuple(kinds[name] for name in ("date", "close", "volume")) == KINDS[reader, form]
