"""The store's SQL in PostgreSQL's words."""

import pytest

from catchment.store.engines.words import spelled

SPELLED = {
    "marks are numbered": ("SELECT ? WHERE a = ?", "SELECT $1 WHERE a = $2", ()),
    "numbered marks stay": ("SELECT ?2, ?1, ?2", "SELECT $2, $1, $2", ()),
    "names are numbered, each once": ("SELECT :b, :a WHERE x = :b", "SELECT $1, $2 WHERE x = $1", ("b", "a")),
    "texts and names are left alone": (
        """SELECT '?', ':a', "?:b", 'it''s ?', ?""",
        """SELECT '?', ':a', "?:b", 'it''s ?', $1""",
        (),
    ),
    "casts are left alone": ("SELECT x::text", "SELECT x::text", ()),
    "texts are joined": ("SELECT group_concat(d, ',')", "SELECT string_agg(d, ',')", ()),
    "texts are found": ('instr("name", ?) > 0', 'strpos("name", $1) > 0', ()),
    "a member is its own text": ("_doc -> '$.a'", "CAST(CAST(_doc AS json) -> 'a' AS text)", ()),
}


@pytest.mark.parametrize(("sql", "wanted", "names"), SPELLED.values(), ids=SPELLED.keys())
def test_a_statement_is_spelled_for_postgresql(sql, wanted, names):
    assert (spelled(sql).sql, spelled(sql).names) == (wanted, names)


def test_values_come_in_the_order_of_their_marks():
    assert spelled("SELECT :b, :a, :b").bound({"a": 1, "b": 2, "c": 3}) == [2, 1]
    assert spelled("SELECT ?, ?").bound((1, 2)) == (1, 2)
