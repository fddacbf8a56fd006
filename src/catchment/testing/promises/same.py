"""What two databases tell of the same history: nothing that differs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from ..asked import Said
from ..life import Life
from ..questions import everywhere

__all__ = ["Difference", "Look", "differences"]

Look = Callable[[Life], Iterable[tuple[str, Said]]]
"""Gives what is asked, and what is answered."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that two databases tell otherwise. of: a path, or what else is looked at."""

    of: str
    one: object
    other: object

    def __str__(self) -> str:
        if isinstance(self.one, Said) and isinstance(self.other, Said):
            return f"{self.of}: {_apart(self.one, self.other)}"
        return f"{self.of}: {self.one} is {self.other}"


def _apart(one: Said, other: Said) -> str:
    """Where two answers begin to differ."""
    if one.status != other.status or one.body == other.body:
        return " is ".join(
            f"{this.status} {dict(set(this.headers) - set(that.headers))} {this.body[:200]!r}"
            for this, that in ((one, other), (other, one))
        )
    longest = min(len(one.body), len(other.body))
    place = next((at for at in range(longest) if one.body[at] != other.body[at]), longest)
    near = slice(max(0, place - 120), place + 120)
    return f"{one.body[near]!r} is {other.body[near]!r}"


def differences(
    one: Life,
    other: Life,
    look: Look = everywhere,
    drawn: Sequence[str] = (),
    count: Callable[[int], object] = lambda _: None,
) -> Iterator[Difference]:
    """All that is told otherwise of the two: what came of each deed, rejects, what contradicts itself, every answer.

    drawn: questions beside those of `look`. count: is told the status of each answer.
    """
    for name, what in _LOOKS.items():
        if what(one) != what(other):
            yield Difference(name, what(one), what(other))
    if found := one.contradictions():
        yield Difference("contradictions", found, [])
    answers = (chain(((path, life.ask(path)) for path in drawn), look(life)) for life in (one, other))
    for (path, said), (also, also_said) in zip(*answers, strict=True):
        count(said.status)
        if (path, said) != (also, also_said):
            yield Difference(path if path == also else f"{path} and {also}", said, also_said)


_LOOKS: Mapping[str, Callable[[Life], object]] = {
    "what was done": lambda life: life.told,
    "rejects": Life.rejects,
    "contradictions": Life.contradictions,
}
