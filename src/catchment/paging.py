"""How one partition's answers follow each other: generators that yield requests and receive answers, without I/O."""

from __future__ import annotations

from collections.abc import Callable, Generator

from .exchange import Answer, Request

__all__ = ["Pager", "single"]

Pager = Callable[[Request], Generator[Request, Answer, None]]
"""From a partition's first request: yields each request, is sent its answer, and returns at the proved end."""


def single(first: Request) -> Generator[Request, Answer, None]:
    """One answer is the whole partition."""
    yield first
