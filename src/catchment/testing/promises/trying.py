"""What promises are tried with."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ...clock import monotonic
from ...errors import CatchmentError
from ...store.engines import mapped

__all__ = ["New", "raises", "until"]

E = TypeVar("E", bound=CatchmentError)
T = TypeVar("T")
_PATIENCE_S = 60.0

New = Callable[[], str]
"""Gives the URL of a new, empty database of the engine."""


def raises(error: type[E], step: Callable[[], object]) -> E:
    """The error of that kind that a step raises. AssertionError where it raises none."""
    try:
        with mapped():
            step()
    except error as found:
        return found
    raise AssertionError(f"{error.__name__} is not raised")


def until(look: Callable[[], T | None]) -> T:
    """What there is to see, as soon as there is: a server notices by itself who is gone. AssertionError after long."""
    end = monotonic() + _PATIENCE_S
    while (found := look()) is None:
        assert monotonic() < end, "it never comes"
    return found
