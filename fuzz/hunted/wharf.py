"""A harbour in which anything may change at any time, and what it has said of it."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "faults"))

from harbour import Switches, boxes, ships
from quay import notes

from catchment import App
from catchment.standin import Answer, Paged, Request

__all__ = ["HEAVY", "Wharf", "app"]

app = App("harbour", feeds=[ships, boxes], resources=[notes])

HEAVY = "heavy"
"""A weight that is none: its box is a reject."""

Cargo = dict[int, int | str]
"""Box -> its weight."""


@dataclass
class Wharf:
    """`/ships` and `/ships/1/boxes?page=1`, four boxes a page. said: every (ship, box, weight) that was ever sent."""

    lying: dict[int, Cargo] = field(default_factory=dict)
    said: set[tuple[int, int, int | str]] = field(default_factory=set)

    name = "harbour"

    def switches(self) -> Switches:
        return Switches()

    def reset(self) -> None:
        """Another history begins."""
        self.lying, self.said = {}, set()

    def answer(self, request: Request, _: Switches) -> Answer:
        if request.path == "/ships":
            return Answer.json([{"id": ship, "name": f"ship {ship}"} for ship in sorted(self.lying)])
        ship = int(request.path.split("/")[2])
        if ship not in self.lying:
            return Answer(404)
        rows = [{"id": box, "ship": ship, "weight": weight} for box, weight in sorted(self.lying[ship].items())]
        answer = Paged("page", size=4, total=True).answer(request, rows)
        self.said |= {(row["ship"], row["id"], row["weight"]) for row in json.loads(answer.body)["items"]}
        return answer
