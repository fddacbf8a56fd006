"""Ways through all providers in the order of a list, without reading them all: each gives keys, a chunk at a time.

With a chunk comes the rank up to which the way has gone: whoever it has not given yet ranks behind. A rank is a
place made ascending: what descends is negative.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from typing import Any

import sqlalchemy as sa

from catchment.web import View

from .judging import Expression, bayesian, mean, wilson
from .ranking import Prior
from .search import after

__all__ = ["Effort", "Rank", "Way", "by_name", "by_price", "by_score"]

Rank = tuple[Any, ...]
Way = Iterator[tuple[list[str], Rank]]
"""Keys, and the rank of the last of them."""

LARGEST, LARGEST_SCORED = 2048, 1024
"""Keys in any chunk, and in any by score; the first ones are smaller."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is done at once. None of it changes what is found.

    few: so many candidates are sorted without walking. patience: so many are tested on a walk before anything longer
    is counted, which may show a shorter way. chunk: keys in the first chunk of a walk; scored: of one by
    score, where most are tested in vain. heavy: as many of those with most reviews are sorted at once, since hardly
    two of them have as many reviews. together: of so many numbers of reviews the first few are asked for at once;
    first: so many of each.
    """

    few: int = 10_000
    patience: int = 8_192
    chunk: int = 64
    scored: int = 256
    heavy: int = 1024
    together: int = 8
    first: int = 32


def by_name(view: View, place: Sequence[Any], effort: Effort) -> Way:
    """By name, from behind a place on."""
    table = view.tables("providers").current.c
    steps = [(table["name_key"], False), (table["_key"], False)]
    turns = _Turns(view, sa.select(table["name_key"], table["_key"]), steps)
    for rows in turns.chunks(effort.chunk, place):
        yield [row[-1] for row in rows], tuple(rows[-1])


def by_price(view: View, below: int | None, place: Sequence[Any], effort: Effort) -> Way:
    """By cost, the dearest first, then by mean, from behind a place on. below: a cost that all are under."""
    rated = view.tables("reviews").rollups[0].c
    value = mean(rated["_count"], rated["_whole"])
    question = sa.select(value, rated["cost_in_pence"], rated["_mean"], rated["provider"])
    question = question.where(*_there(rated["cost_in_pence"], below))
    if place:
        begun = [(rated["cost_in_pence"], True), (value, True), (rated["provider"], False)]
        question = question.where(rated["cost_in_pence"] <= place[0], after(begun, place))
    steps = [(rated["cost_in_pence"], True), (rated["_mean"], True), (rated["provider"], False)]
    for rows in _Turns(view, question, steps).chunks(effort.chunk):
        shown, cost, _, key = rows[-1]
        yield [row[-1] for row in rows], (-cost, -shown, key)


def _there(cost: Expression, below: int | None) -> list[Expression]:
    """The rows of those who are still there; they alone have a cost."""
    return [cost.is_not(None) if below is None else cost < below]


@dataclass(frozen=True)
class _Turns:
    """The rows of a question in the order of these steps, which are its last columns."""

    view: View
    question: sa.Select[Any]
    steps: Sequence[tuple[Expression, bool]]

    def chunks(self, size: int, place: Sequence[Any] = (), **values: Any) -> Iterator[list[Any]]:
        """The rows from behind a place on. values: of what the question leaves open."""
        while True:
            behind = {f"place_{number}": value for number, value in enumerate(place)}
            ask = self._onward if place else self._begin
            rows = ask(size=size, **behind, **values)
            if rows:
                yield rows
            if len(rows) < size:
                return
            place, size = rows[-1][-len(self.steps) :], min(2 * size, LARGEST)

    @cached_property
    def _begin(self) -> Callable[..., list[Any]]:
        return self._prepared(self.question)

    @cached_property
    def _onward(self) -> Callable[..., list[Any]]:
        place = [sa.bindparam(f"place_{number}", type_=term.type) for number, (term, _) in enumerate(self.steps)]
        first, down = self.steps[0]
        # The first half is what the index finds, the second is exact.
        found = first <= place[0] if down else first >= place[0]
        return self._prepared(self.question.where(found, after(self.steps, place)))

    def _prepared(self, question: sa.Select[Any]) -> Callable[..., list[Any]]:
        ordered = question.order_by(*(term.desc() if descends else term for term, descends in self.steps))
        return self.view.prepared(ordered.limit(sa.bindparam("size", type_=sa.Integer)))


# -- by score -------------------------------------------------------------------------------------------------------


def by_score(
    view: View,
    skill: str | None,
    prior: Prior | None,
    below: int | None,
    behind: Rank,
    effort: Effort,
    *,
    share: int = 1,
) -> Way:
    """By score, the best first, then by cost; of all reviews, or of those of a skill. Ranks: -score, cost, key.

    A score is made of the number of reviews and their sum: for one number it falls with the sum, as an index has it.
    So there is a stream for each number, and they are merged.

    Args:
        prior: for the Bayesian score; None: Wilson's.
        below: a cost that all are under. behind: the rank after which it begins, () for the first.
        share: the prior has this part of its weight: of so many skills each is scored with its share.
    """
    scored = _Scored.of(view, skill, prior, below, behind, effort, share)
    heavy, most = scored.heavy()
    streams = heapq.merge(heavy, scored.merged(most))
    size = effort.scored
    while rows := list(islice(streams, size)):
        yield [rank[-1] for rank in rows], rows[-1]
        size = min(2 * size, LARGEST_SCORED)


@dataclass(frozen=True)
class _Scored:
    """The rows of a roll-up with their scores. mine: which of them; there: and who is still there and not before."""

    view: View
    table: sa.Table
    mine: list[tuple[str, str]]
    prior: Prior | None
    below: int | None
    behind: Rank
    effort: Effort
    share: int

    @classmethod
    def of(cls, view: View, skill: str | None, *others: Any) -> _Scored:
        total, by_skill, _ = view.tables("reviews").rollups
        if skill is None:
            return cls(view, total, [], *others)
        return cls(view, by_skill, [("skill_key", skill)], *others)

    def _mine(self, table: Any) -> list[Expression]:
        return [table.c[name] == value for name, value in self.mine]

    def _score(self, number: Expression, hundredths: Expression) -> Expression:
        if self.prior is None:
            return wilson(number, hundredths)
        if self.share == 1:
            return bayesian(number, hundredths, self.prior)
        # A part of the weight for each review is the whole weight for as many times the reviews.
        return bayesian(number * self.share, hundredths * self.share, self.prior)

    @cached_property
    def _question(self) -> sa.Select[Any]:
        row = self.table.c
        score, cost = self._score(row["_count"], row["_whole"]), row["cost_in_pence"]
        question = sa.select(-score, row["_whole"], cost, row["provider"])
        question = question.where(*self._mine(self.table), *_there(cost, self.below))
        if not self.behind:
            return question
        steps = [(-score, False), (cost, False), (row["provider"], False)]
        return question.where(after(steps, self.behind))

    def heavy(self) -> tuple[Iterable[Rank], int]:
        """The ranks of those with most reviews in their order, and the largest number of reviews of all others."""
        number = self.table.c["_count"]
        numbers = sa.select(number).where(*self._mine(self.table)).order_by(number.desc())
        edge = self.view.select(numbers.offset(self.effort.heavy).limit(1))
        if not edge:
            rows = self.view.select(self._question)
            return sorted((score, cost, key) for score, _, cost, key in rows), -1
        rows = self.view.select(self._question.where(number > edge[0][0]))
        return sorted((score, cost, key) for score, _, cost, key in rows), edge[0][0]

    def merged(self, most: int) -> Iterator[Rank]:
        """The ranks of those with up to so many reviews, in their order. A stream opens when its best could come."""
        closed = deque(sorted((best, number) for number, best in self._best(most)))
        waiting: list[tuple[Rank, int, Iterator[Rank]]] = []
        while closed or waiting:
            if closed and (not waiting or (closed[0][0], -1, "") < waiting[0][0]):
                numbers = [closed.popleft()[1] for _ in range(min(len(closed), self.effort.together))]
                for number, stream in self._streams(numbers):
                    if first := next(stream, None):
                        heapq.heappush(waiting, (first, number, stream))
                continue
            rank, number, stream = heapq.heappop(waiting)
            yield rank
            if following := next(stream, None):
                heapq.heappush(waiting, (following, number, stream))

    def _best(self, most: int) -> list[tuple[int, float]]:
        """The numbers of reviews that somebody has, up to a largest one, each with the best score that has it."""
        if most < 0:
            return []
        one, other, third = (self.table.alias() for _ in range(3))
        begin = sa.select(sa.func.max(one.c["_count"]).label("number"))
        numbers = begin.where(*self._mine(one), one.c["_count"] <= most).cte(recursive=True)
        fewer = sa.select(sa.func.max(other.c["_count"])).where(
            *self._mine(other), other.c["_count"] < numbers.c["number"]
        )
        numbers = numbers.union_all(sa.select(fewer.scalar_subquery()).where(numbers.c["number"].is_not(None)))
        best = sa.select(sa.func.max(third.c["_whole"])).where(
            *self._mine(third), third.c["_count"] == numbers.c["number"]
        )
        found = sa.select(numbers.c["number"], best.scalar_subquery().label("whole")).subquery()
        score = self._score(found.c["number"], found.c["whole"])
        return self.view.select(sa.select(found.c["number"], -score).where(found.c["number"].is_not(None)))

    @property
    def _steps(self) -> list[tuple[Expression, bool]]:
        row = self.table.c
        return [(row["_whole"], True), (row["cost_in_pence"], False), (row["provider"], False)]

    @cached_property
    def _of_one_number(self) -> _Turns:
        number = sa.bindparam("number", type_=sa.Integer)
        return _Turns(self.view, self._question.where(self.table.c["_count"] == number), self._steps)

    @cached_property
    def _begun(self) -> Callable[..., list[Any]]:
        """The first rows of several numbers, each row behind its number."""
        order = [term.desc() if descends else term for term, descends in self._steps]
        number = self.table.c["_count"]
        parts = [
            self._question.add_columns(number)
            .where(number == sa.bindparam(f"number_{place}", type_=sa.Integer))
            .order_by(*order)
            .limit(self.effort.first)
            .subquery()
            for place in range(self.effort.together)
        ]
        return self.view.prepared(sa.select(sa.union_all(*(sa.select(part) for part in parts)).subquery()))

    def _streams(self, numbers: Sequence[int]) -> Iterator[tuple[int, Iterator[Rank]]]:
        """The streams of some numbers, whose first rows are asked for at once: a question has its price."""
        named = dict.fromkeys(range(self.effort.together), -1) | dict(enumerate(numbers))
        begun: dict[int, list[Any]] = {number: [] for number in numbers}
        for *row, number in self._begun(**{f"number_{place}": number for place, number in named.items()}):
            begun[number].append(row)
        for number, rows in begun.items():
            yield number, self._stream(number, rows)

    def _stream(self, number: int, rows: Sequence[Any]) -> Iterator[Rank]:
        """The ranks of one number. rows: the first ones."""
        further: Iterable[Sequence[Any]] = ()
        if len(rows) == self.effort.first:
            further = self._of_one_number.chunks(self.effort.chunk, rows[-1][-len(self._steps) :], number=number)
        for some in chain([rows], further):
            yield from ((score, cost, key) for score, _, cost, key in some)
