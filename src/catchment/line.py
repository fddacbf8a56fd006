"""The partitions that a run has to ask for, and who is next."""

from __future__ import annotations

from collections.abc import Sequence

from .breaker import MOST
from .plan import Task
from .runs import Result

__all__ = ["Line"]


class Line:
    """The partitions of one feed, in their order while they end well.

    After as many failures in a row as let an upstream rest, others come first that are far from those: by turns the
    last and the middle one of those that did not fail when they were asked last. If one of them is answered it is the
    partitions before that are broken, not the upstream.
    """

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._all = tasks
        self._left = list(reversed(tasks))
        self._failed = 0
        self._ended: dict[str, Result] = {}

    def next(self) -> Task | None:
        """The next partition, which nobody else gets; None where none is left."""
        if not self._left:
            return None
        witnesses = [place for place, task in enumerate(self._left) if not task.state.failures] if self._doubted else []
        if not witnesses:
            return self._left.pop()
        return self._left.pop(witnesses[0 if (self._failed - MOST) % 2 == 0 else len(witnesses) // 2])

    @property
    def _doubted(self) -> bool:
        return self._failed >= MOST

    def end(self, task: Task, result: Result) -> None:
        """Notes what became of a partition."""
        self._failed = self._failed + 1 if result.verdict == "failed" else 0
        self._ended[task.partition.key] = result

    @property
    def results(self) -> list[Result]:
        """What became of each that ended, in the order of the line."""
        return [self._ended[task.partition.key] for task in self._all if task.partition.key in self._ended]
