"""What a person sees while it goes on: bars on a terminal, a line for what is worth one anywhere else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TaskID, TextColumn
from rich.text import Text

from .plan import GOOD
from .runs import Event, in_words

__all__ = ["Reporter"]

NARROW = 110
"""Columns; with fewer of them the bars give way to what is said beside them."""

WIDTH = 24
"""Columns of a bar."""

_UNITS = ("second", "minute", "hour", "day")

BESIDE = 48
"""Columns that a name, its partitions and its pace take."""


class Reporter:
    """Shows the events of a run as progress. A context manager; `tell` takes the events.

    quiet: shows nothing. verb: what is done to partitions. left: collection -> how many requests its upstream allows
    today; None where no day is counted.
    """

    def __init__(
        self,
        console: Console,
        *,
        quiet: bool = False,
        verb: str = "collect",
        left: Callable[[str], int | None] = lambda _: None,
    ) -> None:
        self._console = console
        self._quiet = quiet
        self._verb = verb
        self._left = left
        self._live = console.is_terminal and not quiet
        self._bars: dict[str, TaskID] = {}
        self._counts: dict[str, Counter[str]] = {}
        self._waits: dict[tuple[str, str], datetime] = {}
        bar = [BarColumn(bar_width=WIDTH)] if console.width >= NARROW else []
        self._progress = Progress(
            TextColumn("{task.description}"),
            *bar,
            MofNCompleteColumn(),
            _Pace(""),
            TextColumn("{task.fields[note]}", style="dim"),
            console=console,
            disable=not self._live,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def tell(self, event: Event) -> None:
        """Takes one event."""
        if self._quiet:
            return
        if event.kind == "planned":
            self._planned(event)
        elif event.kind == "waiting" and event.until:
            self._waiting(event.feed, event.reason, event.until)
        elif event.kind == "ended" and event.outcome:
            self._ended(event, event.outcome.verdict, event.outcome.counts.new + event.outcome.counts.changed)

    def _planned(self, event: Event) -> None:
        if not event.total:
            return
        self._counts[event.feed] = Counter()
        if self._live:
            self._bars[event.feed] = self._progress.add_task(event.feed, total=event.total, note="", waiting=False)
        else:
            left = _of_budget(self._left(event.feed))
            self._console.print(f"{event.feed}: {event.total} to {self._verb}{left}", highlight=False)

    def _waiting(self, feed: str, reason: str, until: datetime) -> None:
        said = f"until {until:%Y-%m-%d %H:%M:%S} UTC: {_wait(reason)}"
        if self._live and feed in self._bars:
            self._progress.update(self._bars[feed], note=self._cut(said), waiting=True)
        elif not self._live and reason != "second" and self._is_news(feed, reason, until):
            self._console.print(f"{feed}: {said}", highlight=False, soft_wrap=True)

    def _is_news(self, feed: str, reason: str, until: datetime) -> bool:
        """Whether a line is worth it: not for each partition that waits for the same, nor for each short wait."""
        told = self._waits.get((feed, reason))
        if told is not None and until < told + timedelta(minutes=1):
            return False
        self._waits[feed, reason] = until
        return True

    def _ended(self, event: Event, verdict: str, written: int) -> None:
        counts = self._counts.setdefault(event.feed, Counter())
        counts.update({verdict: 1, "records": written})
        if self._live and event.feed in self._bars:
            bad = sum(number for name, number in counts.items() if name not in GOOD and name != "records")
            incomplete = f", {bad} incomplete" if bad else ""
            note = f"{_counted(counts['records'], 'record')}{incomplete}{_of_budget(self._left(event.feed))}"
            self._progress.update(self._bars[event.feed], advance=1, note=self._cut(note), waiting=False)

    def _cut(self, note: str) -> str:
        """The note as far as there is room for it, beside what never gives way."""
        bar = 0 if self._console.width < NARROW else WIDTH + 1
        room = self._console.width - BESIDE - bar
        return note if len(note) <= room else f"{note[: max(room - 1, 0)]}…"


def _wait(reason: str) -> str:
    """What is waited for, in words: a window of the budget is told by its unit."""
    if reason in _UNITS:
        return f"the next {reason} of the budget"
    return "the budget is used up" if reason == "budget" else f"to try again: {in_words(reason)}"


def _of_budget(left: int | None) -> str:
    return "" if left is None else f", {left:,} left today"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


class _Pace(TextColumn):
    """How fast a bar goes, and how long it still takes at that; at its end how long it took."""

    def render(self, task: Task) -> Text:
        if task.finished:
            return Text(f"in {_span(task.finished_time or 0)}", style="dim")
        if task.fields["waiting"] or not task.speed or task.time_remaining is None:  # no pace says how long it waits
            return Text("")
        rate = f"{task.speed:.1f}/s" if task.speed >= 1 else f"{task.speed * 60:.1f}/min"
        return Text(f"{rate}, {_span(task.time_remaining)} left")


def _span(seconds: float) -> str:
    """Seconds as a person says them: `42 s`, `3 min`, `2 h 05 min`."""
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"
