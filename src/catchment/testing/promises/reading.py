"""What is answered: the same bytes as on SQLite, by the API and by the pages, whatever was collected and written."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from ..histories import drawn_history
from ..life import Life, living
from ..questions import ASKED, drawn_of, everywhere
from ..values import REFUSED, TEXTS, VALUES
from .same import Look, differences
from .trying import New

__all__ = ["PROMISES"]


def equal_values_are_taken_refused_sorted_and_answered_alike(new: New) -> None:
    """NUL, lone surrogates, NaN, 2^63, 0.1 and 0.10, long keys, deep documents, zones, order of text and of null."""
    rows = [row for _, row in VALUES]

    def history(life: Life) -> None:
        life.collect(*rows)
        told = {str(raw)[:30] for *_, raw in life.rejects()}  # a long one is told by its beginning
        assert told == {row.decode()[:30] for row in REFUSED}, life.rejects()
        life.collect(*rows[::-1], *rows[:3], shelf="two")
        life.collect(*rows[: len(rows) // 2])

    _same(new, history, lambda life: ((path, life.get(path)) for path in ASKED))


def every_text_is_compared_alike(new: New) -> None:
    """With every other one, whatever the language of the machine."""
    operators = ("", "__ne", "__gt", "__lt", "__startswith", "__contains")
    asked = [(text, operator) for text in TEXTS for operator in operators]

    def history(life: Life) -> None:
        life.collect(*({"id": str(number), "text": text} for number, text in enumerate(TEXTS)))

    _same(new, history, lambda life: ((str(one), life.get(f"?text{one[1]}={_quoted(one[0])}")) for one in asked))


def _quoted(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode())


def a_random_history_gives_the_same_bytes(new: New) -> None:
    """What is collected, written by people, erased and replayed: lists, pages, versions, differences, statistics,
    exports, problems and what people look at.
    """
    drawn = random.Random(20261122)  # noqa: S311 (the same one each time)
    deeds = drawn_history(drawn, 24)
    questions = [drawn_of(drawn) for _ in range(30)]

    def history(life: Life) -> None:
        for deed in deeds:
            deed.do(life)

    _same(new, history, everywhere, questions)


def _same(new: New, history: Callable[[Life], None], look: Look, drawn: Sequence[str] = ()) -> None:
    """Lives a history on the engine and on SQLite: all that is told of it is the same."""
    with (
        tempfile.TemporaryDirectory(prefix="catchment-same-") as folder,
        living(new()) as one,
        living(f"sqlite:///{Path(folder) / 'same.sqlite'}") as other,
    ):
        for life in (one, other):
            history(life)
        found = [str(difference) for difference in differences(one, other, look, drawn)]
        assert not found, "\n".join(found)


PROMISES: tuple[Callable[[New], None], ...] = (
    equal_values_are_taken_refused_sorted_and_answered_alike,
    every_text_is_compared_alike,
    a_random_history_gives_the_same_bytes,
)
