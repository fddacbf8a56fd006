"""Words are found on PostgreSQL as they are on SQLite."""

import pytest
import sqlalchemy as sa

from catchment.store.engines import WORDS, Words, transaction
from catchment.store.query import read_words

FIELDS = ("title", "plot")
QUERY = 'SELECT rowid FROM "film__words" WHERE "film__words" MATCH ? ORDER BY rowid'


@pytest.fixture
def sql(database):
    columns = [sa.Column(field, sa.Text) for field in FIELDS]
    film = sa.Table("film", sa.MetaData(), sa.Column("_id", sa.BigInteger, primary_key=True), *columns)
    film.info[WORDS] = Words("film__words", FIELDS)
    connection = database.open()
    with transaction(connection, durable=True) as begun:
        begun.create([film])
        begun.insert("film", ("_id", *FIELDS), [(1, "Winter", "A wolf comes home"), (2, "The wolf", None)])
        begun.create([film])
    yield connection
    connection.close()


def found(sql, text: str) -> list[int]:
    return [row for (row,) in sql.execute(QUERY, (read_words(text),)).fetchall()]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("WOLF", [1, 2]),
        ('"wolf comes" winter', [1]),
        ('"comes wolf"', []),
        ("wolf or winter", []),
        ("wol*", []),
        ("-wolf !", [1, 2]),
        ("x' OR 1=1 --", []),
    ],
)
def test_what_people_write_are_words_and_no_operators(sql, text, rows):
    assert found(sql, text) == rows


def test_words_follow_the_rows_and_go_with_them(sql):
    with transaction(sql, durable=True):
        sql.execute("UPDATE film SET title = 'Spring' WHERE _id = 1")
        sql.execute("DELETE FROM film WHERE _id = 2")
        sql.rename([("film", "cinema")])
        sql.execute("INSERT INTO cinema VALUES (3, 'Lynx', 'of spring')")
    assert (found(sql, "wolf"), found(sql, "spring"), found(sql, "winter")) == ([1], [1, 3], [])
    with transaction(sql, durable=True):
        sql.drop("cinema")
    assert not [name for name in sql.tables() if "__words" in name]
