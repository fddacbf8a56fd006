"""A history of a harbour and of its collection, made of random steps, and what must hold after each of them.

The model is what the upstream has said and when, what people wrote, and what was erased. Nothing of it is taken from
the program, except which attempts came to which verdict.
"""

from __future__ import annotations

import copy
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import wraps
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

from hunted.wharf import HEAVY, Cargo, Wharf, app

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "faults"))

from harbour import CONCURRENCY, Berth, boxes
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from table import ROWS

from catchment.clock import FakeClock
from catchment.failpoints import POINTS
from catchment.plan import GOOD
from catchment.principal import Principal
from catchment.replay import replay
from catchment.runs import Scope
from catchment.settings import load_settings
from catchment.store.store import Store
from catchment.store.tables import Collection, collections_of
from catchment.store.write import Write
from catchment.store.writes import Writer

__all__ = ["TARGET", "History", "Tally", "World"]

TARGET = f"{Path(__file__).with_name('wharf.py')}:app"
BOXES = Collection(app.name, boxes)
NOTES = next(item for item in collections_of(app) if item.feed.name == "notes")
ADA = "0b9d6a52-9d0c-4d4e-8f3a-0d6f0a6f8a11"
COLLECTING = tuple(point for point in POINTS if not point.startswith(("erase.", "person.")))
ERASING = tuple(point for point in POINTS if point.startswith("erase."))
REPLAYING = ("page.parsed", "page.validated", "tx.begun", "versions.written", "ledger.written", "tx.committed")
HOLDS = {"gzip-bomb"}
"""Faults that take a second of work: the table has them."""

WIRES = {
    f"{row.number} {number}": wire.rule
    for row in ROWS
    for number, wire in enumerate(row.wires, 1)
    if wire.rule["fault"] not in HOLDS
}
HUNG_S = 60.0

some_ship, some_box, some_weight = st.integers(1, 3), st.integers(1, 10), st.integers(1, 4)


def step(**given: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Any]:
    """A rule that is counted under its name."""

    def made(act: Callable[..., None]) -> Any:
        @wraps(act)
        def counted(self: History, **drawn: Any) -> None:
            self.tally.steps[act.__name__.replace("_", " ")] += 1
            self.whole = False
            act(self, **drawn)

        return rule(**given)(counted)

    return made


@dataclass
class Tally:
    """What all histories came to."""

    histories: int = 0
    steps: Counter[str] = field(default_factory=Counter)
    tried: Counter[str] = field(default_factory=Counter)
    fired: Counter[str] = field(default_factory=Counter)
    survived: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class World:
    """What all histories share. empty: a place with the tables, and nothing in them."""

    folder: Path
    wharf: Wharf
    empty: Berth
    tally: Tally
    numbers: Iterator[int] = field(default_factory=count)

    def berth(self) -> Berth:
        """A place to collect into, on an upstream without ships."""
        self.empty.control.reset()
        return replace(self.empty, folder=self.folder / f"history-{next(self.numbers)}").with_data_of(self.empty)


class History(RuleBasedStateMachine):
    """One history. `windows`: ship -> what lay there at each moment since its boxes were last known to be collected."""

    world: ClassVar[World]

    def __init__(self) -> None:
        super().__init__()
        self.tally = self.world.tally
        self.tally.histories += 1
        self.wharf = self.world.wharf
        self.berth = self.world.berth()
        self.windows: dict[int, list[Cargo | None]] = {}
        self.notes: dict[str, tuple[int, int]] = {}
        self.nobodys: set[str] = set()
        self.failed: set[int] = set()  # ships of which an answer may be whole in the archive, and not merged
        self.replays = False
        self.erased: set[tuple[int, int]] = set()
        self.before: dict[int, Cargo] = {}
        self.attempts = self.log = self.exchanges = 0
        self.now: list[str] = []  # the faults of this step
        self.whole = True  # whether the last step came to its end, and all held

    # -- the upstream ----------------------------------------------------------------------------------------------

    @initialize(cargo=st.lists(st.dictionaries(some_box, some_weight, max_size=10), min_size=1, max_size=3))
    def ships_lie_here(self, cargo: list[Cargo]) -> None:
        self.wharf.lying = {ship: dict(rows) for ship, rows in enumerate(cargo, 1)}
        self.moves()

    def moves(self) -> None:
        """Notes what lies here from now on."""
        for ship in range(1, 4):
            self.windows.setdefault(ship, []).append(copy.copy(self.wharf.lying.get(ship)))

    @step(ship=some_ship, box=some_box, weight=some_weight)
    def a_box_comes_or_changes(self, ship: int, box: int, weight: int) -> None:
        self.wharf.lying.setdefault(ship, {})[box] = weight
        self.moves()

    @step(ship=some_ship, box=some_box)
    def a_box_goes(self, ship: int, box: int) -> None:
        self.wharf.lying.get(ship, {}).pop(box, None)
        self.moves()

    @step(ship=some_ship, box=some_box)
    def a_box_is_no_record(self, ship: int, box: int) -> None:
        if box in self.wharf.lying.get(ship, {}):
            self.wharf.lying[ship][box] = HEAVY
            self.moves()

    @step(ship=some_ship, cargo=st.dictionaries(some_box, some_weight, max_size=10))
    def a_ship_is_loaded_anew(self, ship: int, cargo: Cargo) -> None:
        self.wharf.lying[ship] = dict(cargo)
        self.moves()

    @step(ship=some_ship)
    def a_ship_goes(self, ship: int) -> None:
        if len(self.wharf.lying) > 1:
            self.wharf.lying.pop(ship, None)
            self.moves()

    @step(hours=st.sampled_from([1, 7, 24, 24 * 40]))
    def time_passes(self, hours: int) -> None:
        self.berth.later(timedelta(hours=hours))

    # -- collecting ------------------------------------------------------------------------------------------------

    def collects(self, *, again: bool) -> None:
        clock = FakeClock(self.berth.now)
        self.berth.here(again=again, clock=clock)
        self.berth.later(clock.now() - self.berth.now)

    @step(again=st.booleans())
    def it_is_collected(self, again: bool) -> None:
        self.collects(again=again)

    @step(fault=st.sampled_from(sorted(WIRES)), ship=some_ship)
    def it_is_collected_under_a_fault(self, fault: str, ship: int) -> None:
        said = WIRES[fault]
        self.berth.control.faults({"path": f"/ships/{ship}/boxes", **said})
        self.tried("on the wire")
        self.collects(again=True)
        if any(entry["fault"] for entry in self.berth.control.log()[self.log :]):
            self.fires("on the wire")
        self.berth.control.faults()

    @step(
        point=st.sampled_from(COLLECTING),
        hit=st.integers(1, 4),
        action=st.sampled_from(["kill", "kill", "raise", "io_error", "locked"]),
    )
    def it_is_broken(self, point: str, hit: int, action: str) -> None:
        self.forked(action, "collect", TARGET, "--again", points=f"{point}:{hit}:{action}")

    @step()
    def two_collect_at_once(self) -> None:
        self.berth.later(timedelta(hours=7))  # what an upstream asked us to wait is over: nobody moves this clock
        with ends(one := self.berth.start("--again")), ends(other := self.berth.start("--again")):
            assert {one.end(), other.end()} <= {0, 3}, f"{one.text}{other.text}"

    def forked(self, action: str, *arguments: str, points: str) -> None:
        """A command in a process of its own, broken at a fail point if it comes by it."""
        self.berth.later(timedelta(hours=7))
        self.tried(action)
        fired = len(self.berth.fired)
        with ends(process := self.berth.run(*arguments, points=points)):
            code = process.end()
        if len(self.berth.fired) > fired:
            self.fires(action)
            assert (code == -signal.SIGKILL) == (action == "kill"), process.text
        else:
            assert code in {0, 3}, process.text

    def tried(self, what: str) -> None:
        self.tally.tried[what] += 1

    def fires(self, what: str) -> None:
        self.tally.fired[what] += 1
        self.now.append(what)

    # -- what people do --------------------------------------------------------------------------------------------

    def writes(self, action: Any, key: str = "", **members: int) -> str:
        resource = NOTES.feed
        make = (lambda _: resource.drafts.new(members)) if action == "create" else None
        if action == "change":
            make = lambda before: resource.drafts.patching(members, before)  # noqa: E731
        who = Principal(ADA, scopes=frozenset({"write"}), via="key")
        writer = Writer(self.berth.database, collections_of(app), FakeClock(self.berth.now))
        try:
            write = Write(collection=NOTES, action=action, principal=who, key=key, make=make)
            return writer.submit(write).result().key
        finally:
            writer.close()

    @step(stars=st.integers(0, 5))
    def somebody_writes(self, stars: int) -> None:
        there = self.berth.sql("SELECT id FROM harbour_ships ORDER BY id")
        if there:
            ((ship,), *_) = there
            self.notes[self.writes("create", ship=ship, stars=stars)] = (ship, stars)

    @property
    def own(self) -> set[str]:
        """The notes of the person who writes."""
        return self.notes.keys() - self.nobodys

    @precondition(lambda self: self.own)
    @step(stars=st.integers(0, 5))
    def somebody_changes_a_note(self, stars: int) -> None:
        key = min(self.own)
        if self.berth.sql(f"SELECT 1 FROM harbour_notes WHERE id = '{key}'"):
            self.writes("change", key, stars=stars)
            self.notes[key] = (self.notes[key][0], stars)

    @precondition(lambda self: self.own)
    @step()
    def somebody_removes_a_note(self) -> None:
        key = min(self.own)
        self.writes("delete", key)
        del self.notes[key]

    @precondition(lambda self: self.own)
    @step(point=st.sampled_from(["", "erase.taken", "person.forgotten"]))
    def who_writes_is_erased(self, point: str) -> None:
        """Their notes stay as nobody's, under other keys."""
        own = self.own
        if point:
            self.forked("kill", "erase", TARGET, "--user", ADA, "--yes", points=f"{point}:1:kill")
            ((left,),) = self.berth.sql(f"SELECT count(*) FROM harbour_notes WHERE author = '{ADA}'")
            assert left in {0, len(own)}, "half of what a person wrote is erased"
        with self.store() as store:
            assert store.person(ADA, [app]).run(self.berth.now).done
        rows = self.berth.sql("SELECT id, ship, stars FROM harbour_notes WHERE author IS NULL")
        fresh = {key: (ship, stars) for key, ship, stars in rows if key not in self.nobodys}
        assert sorted(fresh.values()) == sorted(self.notes[key] for key in own)
        assert not fresh.keys() & self.notes.keys()
        assert ADA not in repr(self.berth.sql("SELECT * FROM harbour_notes_version"))
        assert ADA not in repr(self.berth.sql("SELECT * FROM _audit"))
        self.notes = {key: note for key, note in self.notes.items() if key not in own} | fresh
        self.nobodys |= fresh.keys()

    @contextmanager
    def store(self) -> Iterator[Store]:
        settings = load_settings(self.berth.environment, folder=self.berth.folder, environ={})
        with Store(settings, [app]) as store:
            yield store

    @precondition(lambda self: any(self.before.values()))
    @step(data=st.data(), point=st.sampled_from(["", *ERASING]))
    def a_box_is_erased(self, data: st.DataObject, point: str) -> None:
        ship, box = data.draw(st.sampled_from([(ship, box) for ship, rows in self.before.items() for box in rows]))
        if point:
            self.forked("kill", "erase", f"{TARGET}/boxes", f"{ship},{box}", "--yes", points=f"{point}:1:kill")
        with self.store() as store:
            store.erasure(BOXES, app, [f"{ship},{box}"]).run(self.berth.now)
        self.erased.add((ship, box))
        self.before[ship].pop(box)

    @step()
    def it_is_replayed(self) -> None:
        settings = load_settings(self.berth.environment, folder=self.berth.folder, environ={})
        self.replays = True
        with self.store() as store:
            found = replay(app, Scope(), store, settings, FakeClock(self.berth.now), lambda _: None)
        assert all(item.complete for item in found), found

    @step(point=st.sampled_from(REPLAYING), hit=st.integers(1, 3))
    def a_replay_is_killed(self, point: str, hit: int) -> None:
        self.replays = True  # it may come to its end
        self.forked("kill", "replay", TARGET, points=f"{point}:{hit}:kill")

    # -- what must hold --------------------------------------------------------------------------------------------

    @invariant()
    def all_holds(self) -> None:
        assert not (wrong := self.berth.wrong()), wrong
        notes = self.berth.sql("SELECT id, ship, stars FROM harbour_notes")
        assert {key: (ship, stars) for key, ship, stars in notes} == self.notes, f"not {self.notes}: {notes}"
        stored = self.stored()
        self.nothing_is_invented()
        self.requests_add_up()
        ended = self.ended()
        for ship in {*stored, *self.before, *self.windows}:
            verdicts = ended.get(ship, set())
            now, before = stored.get(ship, {}), self.before.get(ship, {})
            # A replay takes in what a failed attempt had been told, if it comes so far.
            replayed = self.replays and ship in self.failed and now != before
            if "complete" in verdicts or replayed:
                self.is_of_its_window(ship, now)
            else:
                assert now == before, f"ship {ship} changed: {verdicts}"
            if verdicts & set(GOOD):
                self.windows[ship] = [copy.copy(self.wharf.lying.get(ship))]
                self.failed.discard(ship)
            elif verdicts:
                self.failed.add(ship)
        self.before, self.replays = stored, False
        self.tally.survived.update(self.now)
        self.now, self.whole = [], True

    def stored(self) -> dict[int, Cargo]:
        found: dict[int, Cargo] = {}
        for ship, box, weight in self.berth.sql("SELECT ship, id, weight FROM harbour_boxes"):
            assert box not in found.setdefault(ship, {}), "duplicated"
            found[ship][box] = weight
        return found

    def nothing_is_invented(self) -> None:
        every = "SELECT ship, id, weight FROM harbour_boxes UNION SELECT ship, id, weight FROM harbour_boxes_version"
        there = set(self.berth.sql(every))
        assert there <= self.wharf.said, f"invented: {there - self.wharf.said}"
        assert not (back := {(ship, box) for ship, box, _ in there} & self.erased), f"erased: {back}"

    def ended(self) -> dict[int, set[str]]:
        """Ship -> the verdicts of the attempts at its boxes that ended since the last step."""
        rows = self.berth.sql(
            "SELECT id, partition, verdict FROM _attempt WHERE feed = 'harbour/boxes' AND verdict IS NOT NULL"
        )
        fresh = [row for row in rows if row[0] > self.attempts]
        self.attempts = max((number for number, *_ in rows), default=0)
        found: dict[int, set[str]] = {}
        for _, partition, verdict in fresh:
            found.setdefault(int(partition.removeprefix("ship=")), set()).add(verdict)
        return found

    def is_of_its_window(self, ship: int, stored: Cargo) -> None:
        """What was there all the while is stored, what never was is not, and each box has a weight that it had."""
        window = [rows or {} for rows in self.windows[ship]]
        unread = any(HEAVY in rows.values() for rows in window)  # what cannot be read has no key: nothing is given up
        for box in {*stored, *(box for rows in window for box in rows)}:
            weights = [rows.get(box) for rows in window]
            if (ship, box) in self.erased or HEAVY in weights:
                continue
            if None not in weights:
                assert box in stored, f"lost: {ship},{box}"
            if not any(weights):
                assert box not in stored or unread, f"ship {ship} has no box {box} any more"
            elif box in stored:
                assert stored[box] in weights or unread, f"{ship},{box} was never {stored[box]} in {weights}"

    def requests_add_up(self) -> None:
        """Each request is in the archive, but for those in flight when it was killed, and those that failed."""
        ((exchanges,),) = self.berth.sql("SELECT count(*) FROM _exchange")
        log = len(self.berth.control.log())
        killed = CONCURRENCY * self.now.count("kill")
        self.tally.requests.update({"asked": log - self.log, "archived": exchanges - self.exchanges})
        if "on the wire" not in self.now:
            assert 0 <= (log - self.log) - (exchanges - self.exchanges) <= killed + len(self.now), "requests"
            self.tally.requests["in flight"] += (log - self.log) - (exchanges - self.exchanges)
        self.log, self.exchanges = log, exchanges

    def teardown(self) -> None:
        """The upstream comes to rest: then what it says is what is stored."""
        try:
            if self.whole:
                self.comes_to_rest()
        finally:
            self.berth.remove()

    def comes_to_rest(self) -> None:
        for _ in range(4):
            self.berth.later(timedelta(days=2))
            self.collects(again=True)
            self.all_holds()
        stored = self.stored()
        for ship, rows in self.wharf.lying.items():
            there = {box: weight for box, weight in rows.items() if (ship, box) not in self.erased}
            if HEAVY in rows.values():
                readable = {box: weight for box, weight in there.items() if weight != HEAVY}
                said = readable.items() <= stored.get(ship, {}).items()
                assert said or self.too_many_rejects(rows), f"at rest: ship {ship}, with rejects"
            else:
                assert stored.get(ship, {}) == there, f"at rest: ship {ship}"

    @staticmethod
    def too_many_rejects(rows: Cargo) -> bool:
        """Whether it looks as if the upstream had changed: then nothing of it is believed."""
        rejects = sum(weight == HEAVY for weight in rows.values())
        return rejects == len(rows) or (rejects >= 5 and rejects > len(rows) / 5)


@contextmanager
def ends(process: Any) -> Iterator[None]:
    """Kills a process that hangs: its history then fails."""
    hung = threading.Timer(HUNG_S, lambda: os.kill(process.pid, signal.SIGKILL))
    hung.start()
    try:
        yield
    finally:
        hung.cancel()
