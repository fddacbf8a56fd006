"""What every chart is, however it is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .drawing import Picture

__all__ = ["Chart"]


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn. picture: None where there is nothing. rows: address ("" for none) and texts, as the table behind.
    notes: what has to be known besides. api: where the same is found as JSON. others: charts of other things: words,
    address, whether it is this one.
    """

    title: str
    picture: Picture | None
    heads: Sequence[str]
    rows: Sequence[tuple[str, Sequence[str]]]
    api: str
    notes: Sequence[str] = ()
    others: Sequence[tuple[str, str, bool]] = ()
