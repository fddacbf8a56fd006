"""The digest of a declaration: another one exactly where a body would become something else, and one everywhere."""

from __future__ import annotations

import functools
import subprocess
import sys
import textwrap

import pytest

from catchment import CONTENT, FIRST, RETIRE, Feed, Get, Upstream, items
from catchment.decode import model_digest

START = """
from __future__ import annotations
import functools
from catchment import Record

class Thing(Record):
    id: str
    size: int = 0

def clean(text):
    return text.strip()

def rows(body, partition):
    return [{"id": clean(row["id"])} for row in body if row["kind"] in {"a", "b", "c", "d"}]

def unused():
    return 1

def made(name):
    def read(body, partition):
        return body[name]
    return read

def cut(name, body, partition):
    return body[name]
"""


def digest(source: str = START, **options) -> str:
    """The digest of a feed that is declared in a module of that text; texts among the options are its expressions."""
    names: dict = {"__name__": "feeds"}
    exec(compile(textwrap.dedent(source), "feeds.py", "exec"), names)  # noqa: S102 (our own text)
    given = {"rows": "rows", "key": ("id",)} | options
    for name in ("rows", "shape", "refuse"):
        if isinstance(given.get(name), str):
            given[name] = eval(given[name], names)  # noqa: S307 (our own text)
    upstream = given.pop("upstream", Upstream("shop", "https://shop.example"))
    request = given.pop("request", Get("/"))
    return model_digest(Feed(given.pop("name", "things"), names["Thing"], upstream, request=request, **given))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("size: int = 0", "size: float = 0", id="a field's type"),
        pytest.param("size: int = 0", "weight: int = 0", id="a field's name"),
        pytest.param("size: int = 0", "size: int = 1", id="a field's default"),
        pytest.param('row["kind"] in', 'row["sort"] in', id="code"),
        pytest.param('{"a", "b", "c", "d"}', '{"a", "b", "c", "e"}', id="a set of constants"),
        pytest.param("text.strip()", "text.lstrip()", id="a function called in a comprehension"),
    ],
)
def test_another_record_or_other_code_is_another_model(old, new):
    assert START.count(old) == 1
    assert digest(START.replace(old, new)) != digest()


@pytest.mark.parametrize(
    "options",
    [
        {"key": CONTENT},
        {"key": ("id", "size")},
        {"missing": RETIRE},
        {"conflict": FIRST},
        {"volatile": ("size",)},
        {"strict": False},
        {"rows": items()},
        {"rows": items("rows")},
        {"shape": "lambda row, partition: row"},
        {"refuse": "lambda thing: ''"},
    ],
    ids=str,
)
def test_another_declaration_is_another_model(options):
    assert digest(**options) != digest()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("made('a')", "made('b')", id="closure"),
        pytest.param("functools.partial(cut, 'a')", "functools.partial(cut, 'b')", id="partial"),
        pytest.param("lambda b, p, name='a': b[name]", "lambda b, p, name='b': b[name]", id="default"),
        pytest.param("lambda b, p: b['a']", "lambda b, p: b['b']", id="constant"),
    ],
)
def test_what_a_function_was_made_with_is_part_of_it(one, other):
    assert digest(rows=one) != digest(rows=other)
    assert digest(rows=one) == digest(rows=one)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("return 1", "return 2", id="a function that is not used"),
        pytest.param("def clean", "\n\n# moved down, and a remark\n\ndef clean", id="place"),
    ],
)
def test_what_decides_nothing_changes_nothing(old, new):
    assert digest(START.replace(old, new)) == digest()


def test_how_it_is_asked_and_served_changes_nothing():
    other = Upstream("other", "https://other.example")
    assert digest(upstream=other, request=Get("/else"), name="more", sort=("-id",), public=True) == digest()


IN_ANOTHER_PROCESS = """
import sys
sys.path.insert(0, {folder!r})
from test_model_digest import digest
print(digest(), digest(rows="made('a')"), digest(rows="functools.partial(cut, 'a')"))
"""


@pytest.mark.parametrize("seed", ["0", "1", "2"])
def test_the_digest_is_one_in_every_process(seed, request):
    code = IN_ANOTHER_PROCESS.format(folder=str(request.path.parent))
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [digest(), digest(rows="made('a')"), digest(rows="functools.partial(cut, 'a')")]


def test_functions_that_call_themselves_and_each_other_come_to_an_end():
    def odd(body, partition):
        return even(body, partition)

    def even(body, partition):
        return odd(body, partition) or even(body, partition)

    around = "def around(body, partition):\n    return around(body, partition)\n"
    assert digest(START + around, rows="around") != digest(rows=odd) == digest(rows=odd)


def test_where_an_object_lies_in_memory_changes_nothing():
    objects = [object() for _ in range(2)]
    one, other = (functools.partial(lambda given, body, partition: [], item) for item in objects)
    assert digest(rows=one) == digest(rows=other)


TABLES = """
import re
from decimal import Decimal
FACTORS = {"kg": 1000, "g": [1, Decimal("1.0")]}
KINDS = {"b", "a"}
SPLIT = re.compile("[,;]")
UNIT = "kg"
def half(value):
    return value / 2
HANDLERS = {"half": half}
class Other:
    pass
unused_table = {"x": 1}
def rows(body, partition):
    return [{"id": SPLIT.split(row[UNIT])[0], "size": FACTORS["kg"]} for row in body if row["kind"] in KINDS
            and HANDLERS and Other]
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param('"kg": 1000', '"kg": 1001', id="a value of a table"),
        pytest.param('Decimal("1.0")', 'Decimal("1.5")', id="a value in a table's value"),
        pytest.param('{"b", "a"}', '{"b", "c"}', id="a set"),
        pytest.param('"[,;]"', '"[,:]"', id="a pattern"),
        pytest.param('UNIT = "kg"', 'UNIT = "g"', id="a text"),
        pytest.param("value / 2", "value / 3", id="a function in a table"),
    ],
)
def test_a_table_of_the_module_that_a_function_reads_is_part_of_the_model(old, new):
    assert TABLES.count(old) == 1
    assert digest(START + TABLES.replace(old, new)) != digest(START + TABLES)


def test_a_table_that_no_function_reads_is_not():
    assert digest(START + TABLES.replace('{"x": 1}', '{"x": 2}')) == digest(START + TABLES)


def test_a_set_has_no_order():
    assert digest(START + TABLES.replace('{"b", "a"}', '{"a", "b"}')) == digest(START + TABLES)
