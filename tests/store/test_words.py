"""Words are found in what stands in the rows, by whatever way they were written, and only once that is committed."""

import contextlib

import pytest
import sqlalchemy as sa

from catchment.errors import DeclarationError, QueryError
from catchment.record import Column, check_search
from catchment.store.engines import WORDS, Words, database_of, transaction
from catchment.store.engines.sqlite import File
from catchment.store.query import read_words

FIELDS = ("title", "plot")


def table(name: str = "film", fields: tuple[str, ...] = FIELDS) -> sa.Table:
    columns = [sa.Column(field, sa.Text) for field in FIELDS]
    made = sa.Table(name, sa.MetaData(), sa.Column("_id", sa.Integer, primary_key=True), *columns)
    made.info[WORDS] = Words("film__words", fields)
    return made


@pytest.fixture
def sql(tmp_path):
    connection = File(tmp_path / "words.sqlite").open()
    with transaction(connection, durable=False) as begun:
        begun.create([table()])
        begun.insert("film", ("_id", *FIELDS), [(1, "Winter", "A wolf comes home"), (2, "The wolf", None)])
    yield connection
    connection.close()


def found(sql, text: str) -> list[int]:
    query = 'SELECT rowid FROM "film__words" WHERE "film__words" MATCH ? ORDER BY rowid'
    return [row for (row,) in sql.execute(query, (read_words(text),))]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("wolf", [1, 2]),
        ("WOLF winter", [1]),
        ('"wolf comes"', [1]),
        ('"comes wolf"', []),
        ('"comes home', [1]),
        ("wolf OR winter", []),
        ("wol*", []),
        ("title:wolf", []),
        ("-wolf !", [1, 2]),
        ("wolf NEAR(home)", []),
        ("x' OR 1=1 --", []),
    ],
)
def test_what_people_write_are_words_and_no_operators(sql, text, rows):
    assert found(sql, text) == rows


@pytest.mark.parametrize("text", ["", " ", '""', "!?*", "a\0b", "a " * 51], ids=repr)
def test_what_holds_no_word_or_too_many_is_refused(text):
    with pytest.raises(QueryError) as refused:
        read_words(text)
    assert (refused.value.status, refused.value.parameter) == (400, "q")


def test_case_counts_in_no_letter_whatever_the_database_knows_of_letters(new_database):
    """The tests' PostgreSQL has the locale C, which knows the case of ASCII alone."""
    with contextlib.closing(database_of(new_database()).open()) as sql:
        with transaction(sql, durable=False) as begun:
            begun.create([table()])
            begun.insert("film", ("_id", *FIELDS), [(1, "ÜBER den Dächern", "Éloge"), (2, "über", "ЗИМА")])
        assert [found(sql, text) for text in ("über", "Über", "éloge", "ÉLOGE", "зима")] == [
            [1, 2],
            [1, 2],
            [1],
            [1],
            [2],
        ]


def test_words_follow_the_rows_in_the_same_transaction(sql):
    with transaction(sql, durable=False):
        sql.execute("UPDATE film SET title = 'Spring' WHERE _id = 1")
        sql.execute("DELETE FROM film WHERE _id = 2")
        sql.execute("INSERT INTO film VALUES (3, 'Lynx', 'of spring')")
    assert (found(sql, "wolf"), found(sql, "spring"), found(sql, "winter")) == ([1], [1, 3], [])
    with contextlib.suppress(ZeroDivisionError), transaction(sql, durable=False):
        sql.execute("UPDATE film SET title = 'Autumn'")
        raise ZeroDivisionError
    assert found(sql, "autumn") == []


def test_words_of_what_was_there_before_and_of_other_fields_are_made(sql):
    with transaction(sql, durable=False):
        sql.create([table(fields=("plot",))])
    assert (found(sql, "winter"), found(sql, "wolf")) == ([], [1])


def test_a_table_takes_its_words_along_under_another_name_and_out_of_the_world(sql):
    with transaction(sql, durable=False):
        sql.rename([("film", "cinema")])
        sql.execute("INSERT INTO cinema VALUES (3, 'Lynx', NULL)")
    assert found(sql, "lynx") == [3]
    with transaction(sql, durable=False):
        sql.drop("cinema")
    assert not [name for name in sql.tables() if "__words" in name]


def test_a_word_that_is_erased_stands_in_no_file(sql, tmp_path):
    with transaction(sql, durable=True):
        sql.overwrites()
        sql.execute("UPDATE film SET title = 'Xylophone'")
    with transaction(sql, durable=True):
        sql.execute("DELETE FROM film")
    assert sql.write_anew()
    assert b"ylophone" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


@pytest.mark.parametrize("names", [("size",), ("none",), ("rank",), ("text", "text")], ids=str)
def test_only_fields_of_text_are_searched(names):
    known = [Column("text", "text", nullable=False), Column("size", "integer", nullable=False)]
    with pytest.raises(DeclarationError, match="feed films: search"):
        check_search("feed films", names, [*known, Column("rank", "text", nullable=False)])
