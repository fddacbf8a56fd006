import pytest
from demo_feeds import BARS, NOTES, bars, notes

from catchment.errors import QueryError
from catchment.store import query
from catchment.store.cursors import Position, open_cursor, seal_cursor
from catchment.store.query import OPERATORS, AsOf, Order, Query, Term, parse

KEY = b"k" * 32

BAD = {
    "underscored integer": "volume=1_000",
    "padded integer": "volume= 12",
    "signed integer": "volume=+5",
    "arabic digit": "volume=\u0665",
    "exponent integer": "volume=1e3",
    "leading zero": "volume=012",
    "empty integer": "volume=",
    "over 64 bit": "volume=9223372036854775808",
    "under 64 bit": "volume=-9223372036854775809",
    "far over 64 bit": "volume=" + "9" * 4000,
    "decimal NaN": "open=NaN",
    "decimal infinity": "open=Infinity",
    "decimal exponent": "open=1e5",
    "decimal point alone": "open=.5",
    "short date": "date=2023-1-5",
    "no such day": "date=2023-02-30",
    "ordinal date": "date=2023-W01-1",
    "date with time": "date=2023-01-01T00:00:00Z",
    "NUL": "symbol=a\0b",
    "bad in the list": "volume__in=1,x",
    "long list": "volume__in=" + ",".join(["1"] * 201),
    "long value": "symbol=" + "a" * 4097,
    "unknown field": "symbool=IBM",
    "unknown operator": "symbol__like=IBM",
    "operator of another kind": "volume__contains=1",
    "dunder without operator": "symbol__=IBM",
    "own column": "_key=x",
    "sql in name": 'symbol" OR 1=1 --=x',
    "isnull with a number": "close__isnull=1",
    "sort unknown": "sort=price",
    "sort twice the same": "sort=date,-date",
    "sort empty": "sort=",
    "sort nine": "sort=symbol,date,open,close,volume,a,b,c,d",
    "fields unknown": "fields=price",
    "limit 0": "limit=0",
    "limit 1001": "limit=1001",
    "limit text": "limit=ten",
    "limit arabic": "limit=\u0665",
    "limit fraction": "limit=1.5",
    "count": "count=maybe",
    "as_of text": "as_of=yesterday",
    "as_of without zone": "as_of=2024-01-01T00:00:00",
    "as_of too many digits": "as_of=" + "1" * 19,
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_what_no_field_can_hold_is_refused(text):
    name, _, value = text.rpartition("=") if text.count("=") > 1 else text.partition("=")
    with pytest.raises(QueryError) as caught:
        parse([(name, value)], BARS.columns)
    assert caught.value.status == 400
    assert caught.value.parameter == name


BAD_MOMENTS = {
    "no zone": "2024-01-01T00:00:00",
    "space": "2024-01-01 00:00:00Z",
    "unescaped plus": "2024-01-01T00:00:00 01:00",
    "no such hour": "2024-01-01T25:00:00Z",
    "leap second": "2024-12-31T23:59:60Z",
    "beyond time": "0001-01-01T00:00:00+23:59",
    "year zero": "0000-01-01T00:00:00Z",
    "basic format": "20240101T000000Z",
}


@pytest.mark.parametrize("text", BAD_MOMENTS.values(), ids=BAD_MOMENTS.keys())
def test_a_moment_is_exact(text):
    with pytest.raises(QueryError):
        parse([("at__gte", text)], NOTES.columns)


@pytest.mark.parametrize("text", ["1e999", "nan", "0x10", "1_0", ""])
def test_a_number_is_finite_and_plain(text):
    with pytest.raises(QueryError):
        parse([("score", text)], NOTES.columns)


GOOD = {
    "volume__gte=-9223372036854775808": Term("volume", "gte", (-(2**63),)),
    "volume__eq=0": Term("volume", "", (0,)),
    "open=133.250": Term("open", "", ("p500313325",)),
    "open__lt=-0.5": Term("open", "lt", ("n49994~",)),
    "date=2024-02-29": Term("date", "", ("2024-02-29",)),
    "symbol__in=IBM,AAPL": Term("symbol", "in", ("IBM", "AAPL")),
    "close__isnull=true": Term("close", "isnull", (1,)),
}


@pytest.mark.parametrize(("text", "expected"), GOOD.items(), ids=GOOD.keys())
def test_a_value_becomes_what_is_stored(text, expected):
    assert parse([tuple(text.split("="))], BARS.columns).terms == (expected,)


MOMENTS = {
    "2024-01-01": "2024-01-01T00:00:00.000000Z",
    "2024-01-01T02:00:00+02:00": "2024-01-01T00:00:00.000000Z",
    "2024-01-01T00:00:00.5Z": "2024-01-01T00:00:00.500000Z",
}


@pytest.mark.parametrize(("text", "expected"), MOMENTS.items(), ids=MOMENTS.keys())
def test_a_moment_is_kept_in_utc(text, expected):
    assert parse([("as_of", text)], NOTES.columns).as_of == AsOf(moment=expected)


def test_unknown_parameters_name_the_nearest():
    with pytest.raises(QueryError, match=r"the nearest is symbol__contains"):
        parse([("symbol__contain", "x")], BARS.columns)
    with pytest.raises(QueryError, match=r"the nearest is limit"):
        parse([("limits", "1")], BARS.columns)


def test_repeated_parameters_are_refused():
    with pytest.raises(QueryError, match="given twice"):
        parse([("symbol", "IBM"), ("symbol", "IBM")], BARS.columns)


def test_more_than_fifty_filters_are_refused():
    columns = [*BARS.columns, *NOTES.columns]
    pairs = [(f"{column.name}{op.suffix}", "1") for column in columns for op in query.fits(column)]
    pairs = [pair for pair in pairs if pair[0].partition("__")[0] in ("symbol", "text", "volume", "score", "open")]
    pairs = [pair for pair in pairs if not pair[0].endswith("isnull")]
    assert len(pairs) < 50
    parse(pairs, columns)
    many = [type(columns[0])(f"f{number}", "text", nullable=False) for number in range(51)]
    with pytest.raises(QueryError, match="more than 50"):
        parse([(column.name, "x") for column in many], many)


def test_the_order_of_parameters_does_not_matter():
    one = parse([("symbol", "IBM"), ("volume__gt", "3")], BARS.columns)
    assert one.normal == parse([("volume__gt", "3"), ("symbol", "IBM")], BARS.columns).normal
    assert one.normal != parse([("volume__gte", "3"), ("symbol", "IBM")], BARS.columns).normal


def test_operators_are_named_once_and_use_every_value():
    assert len({operator.name for operator in OPERATORS}) == len(OPERATORS)
    assert all("?" in operator.sql and "@" in operator.sql for operator in OPERATORS)


def test_own_order_is_the_feeds():
    assert parse([], bars.columns, bars.sort).order == (Order("date"), Order("symbol"))
    assert parse([("sort", "-at,text")], notes.columns).order == (Order("at", descending=True), Order("text"))


# -- cursors -------------------------------------------------------------------------------------------------------

WALK = Query(order=(Order("date"),))
SEALED = seal_cursor(Position(("2024-01-01",), "k"), WALK, "demo/bars", generation=1, revision=5, key=KEY)


def opened(asked, *, collection="demo/bars", generation=1, horizon=0, key=KEY):
    return open_cursor(asked, collection, generation=generation, horizon=horizon, key=key)


def with_cursor(cursor=SEALED, **changes):
    return Query(**({"order": WALK.order, "cursor": cursor} | changes))


def test_a_cursor_opens_where_it_was_sealed():
    assert opened(with_cursor(limit=7)) == Position(("2024-01-01",), "k")
    assert opened(WALK) is None


OTHERS = {
    "filter": (with_cursor(terms=(Term("symbol", "", ("IBM",)),)), {}),
    "order": (with_cursor(order=(Order("date", descending=True),)), {}),
    "as_of": (with_cursor(as_of=AsOf(revision=3)), {}),
    "collection": (with_cursor(), {"collection": "demo/notes"}),
    "key": (with_cursor(), {"key": b"x" * 32}),
    "first character": (with_cursor("A" + SEALED[1:] if SEALED[0] != "A" else "B" + SEALED[1:]), {}),
    "last character": (with_cursor(SEALED[:-1] + ("A" if SEALED[-1] != "A" else "B")), {}),
    "padding": (with_cursor(SEALED + "="), {}),
    "longer": (with_cursor(SEALED + "AAAA"), {}),
    "shorter": (with_cursor(SEALED[:-4]), {}),
    "no base64": (with_cursor("%%%"), {}),
    "not ascii": (with_cursor("\u00e9" * 8), {}),
    "tag alone": (with_cursor("AAAAAAAAAAAAAAAAAAAAAA"), {}),
}


@pytest.mark.parametrize(("asked", "place"), OTHERS.values(), ids=OTHERS.keys())
def test_a_cursor_is_good_for_its_own_walk_alone(asked, place):
    with pytest.raises(QueryError) as caught:
        opened(asked, **place)
    assert (caught.value.status, caught.value.kind) == (400, "bad-cursor")


@pytest.mark.parametrize("place", [{"generation": 2}, {"horizon": 6}], ids=["generation", "horizon"])
def test_a_cursor_of_what_is_gone_names_the_oldest(place):
    with pytest.raises(QueryError, match="oldest usable revision is") as caught:
        opened(with_cursor(), **place)
    assert (caught.value.status, caught.value.kind) == (410, "history-gone")


def test_lists_have_no_order():
    with pytest.raises(QueryError, match="unknown field tags"):
        parse([("sort", "tags")], NOTES.columns)
