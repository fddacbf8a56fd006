"""A small upstream, and the `feeds.py` that a person would write for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from catchment.standin import Answer, Request

FEEDS = '''
"""Numbers by letter; while a file called `die-at-…` lies here, the process kills itself at that point."""

import os
import signal
from datetime import timedelta
from pathlib import Path

from catchment import RETIRE, App, Budget, Feed, Get, Record, Setting, Upstream, each


class Letter(Record):
    name: str


class Number(Record):
    letter: str
    id: int
    text: str


def die_once(point):
    """Kills this process the first time that it comes by."""
    try:
        Path(f"die-at-{point}").unlink()
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def shaped(row, partition):
    if row["id"] == 3:
        die_once(partition["letter"])
    return {**row, "letter": partition["letter"]}


numbers_api = Upstream("numbers", "https://numbers.example", budget=Budget(concurrency=2), tries=(1,))
letters = Feed("letters", Letter, numbers_api, request=Get("/letters"), key=("name",))
numbers = Feed(
    "numbers",
    Number,
    numbers_api,
    request=Get("/numbers", letter="{letter}"),
    partitions=each(letter=Setting("LETTERS", "a,b,c,d,e,f")),
    shape=shaped,
    key=("letter", "id"),
    missing=RETIRE,
    sort=("letter", "id"),
)
app = App("count", feeds=[letters, numbers])
'''
LETTERS = "abcdef"


@dataclass(frozen=True)
class Switches:
    """generation: what the texts say. each: numbers of a letter."""

    generation: int = 1
    each: int = 10


class Numbers:
    """`/letters` and `/numbers?letter=a`."""

    name = "numbers"

    def switches(self) -> Switches:
        return Switches()

    def reset(self) -> None:
        """It remembers nothing."""

    def answer(self, request: Request, switches: Switches) -> Answer:
        if request.path == "/letters":
            return Answer.json([{"name": letter} for letter in LETTERS])
        letter = request.query["letter"]
        text = f"{letter} of generation {switches.generation}"
        return Answer.json([{"id": number, "text": text} for number in range(switches.each)])


def write_feeds(folder: Path, url: str) -> Mapping[str, str]:
    """The settings with which the feeds, put into this folder, ask the upstream at `url`."""
    (folder / "feeds.py").write_text(FEEDS)
    return {"CATCHMENT_UPSTREAM_NUMBERS": url}
