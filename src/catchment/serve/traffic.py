"""What this process was asked and how it answered, counted by route: for `/metrics`."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["BOUNDS_S", "ITEM", "LIST", "OTHER", "ROUTE", "Count", "Traffic"]

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""The upper bounds of the classes of latency, in seconds; above the last there is one more."""
ROUTE = "catchment.route"
"""Where the route of a request that never reached the framework stands in its scope."""
LIST, ITEM, OTHER = "/v1/{app}/{name}", "/v1/{app}/{name}/{key}", "none"


@dataclass(slots=True)
class Count:
    """Answers of one kind. kept: of them those from memory. seconds: of all. classes: how many took how long."""

    all: int = 0
    kept: int = 0
    seconds: float = 0.0
    classes: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))


class Traffic:
    """The counts since the process began. Only the event loop counts; routes are templates, so they are few."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str, int], Count] = {}

    def note(self, route: str, method: str, status: int, seconds: float, *, kept: bool = False) -> None:
        """Counts one answer."""
        key = route, method, status
        count = self._counts.get(key)
        if count is None:
            count = self._counts[key] = Count()
        count.all += 1
        count.kept += kept
        count.seconds += seconds
        count.classes[bisect_left(BOUNDS_S, seconds)] += 1

    def counts(self) -> Mapping[tuple[str, str, int], Count]:
        """(route, method, status) -> its count, as they are now."""
        return {
            key: Count(count.all, count.kept, count.seconds, list(count.classes)) for key, count in self._counts.items()
        }
