"""What one app has to do now, by its declarations, its settings and what is stored. No request is made here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Protocol

from .app import App, in_order
from .chained import check_values, read_value
from .clock import Clock
from .errors import UsageError, choices
from .feed import Feed
from .partitions import Expected, Partition, Surroundings
from .plan import GOOD, Plan, State, only, plan
from .runs import Scope
from .settings import Settings
from .store.ledger import Ledger
from .store.orders import Orders
from .store.records import Records
from .store.tables import Collection

__all__ = ["Planner"]

LIST_AGE = timedelta(days=7)
"""How long an upstream's own list is used that cannot be read any more."""


class Stored(Protocol):
    """What is asked of a store: nothing is written."""

    @property
    def ledger(self) -> Ledger: ...
    @property
    def orders(self) -> Orders: ...
    def records(self, collection: Collection) -> Records: ...


class Planner:
    """Plans for one app. It reads the store on the caller's thread."""

    def __init__(self, app: App, store: Stored, settings: Settings, clock: Clock) -> None:
        self._app = app
        self._store = store
        self._settings = settings
        self._clock = clock

    def check(self, scope: Scope) -> None:
        """Makes sure that what is asked for can be asked: the names and values of a scope, what is set, and every
        secret. UsageError or MissingSecret otherwise, before any request.
        """
        for feed in self.feeds(scope):
            check_values(feed.partitions, self._around(feed, scope, {}), self._app.collection(feed), before=True)
        for setting in self._app.settings:
            setting.text(self._settings)
        for feed in self._app.feeds:
            feed.as_set(self._settings)
            if not feed.partitions.feeds:
                list(feed.partitions.expand(self._around(feed, scope, {})))
            feed.upstream.base_url(self._settings)
            feed.upstream.budget_now(self._settings)
        # Each once, however many feeds need it: one may be the output of a command.
        for secret in {secret for feed in self._app.feeds for secret in feed.upstream.auth.references}:
            secret.reveal(self._settings)

    def feeds(self, scope: Scope) -> list[Feed]:
        """The feeds of a scope, each after those that it needs. UsageError for a name that there is not."""
        names = [feed.name for feed in self._app.feeds]
        if stray := sorted(set(scope.feeds) - set(names)):
            raise UsageError(f"app {self._app.name} has no feed {stray[0]}", hint=choices(stray[0], names))
        known = sorted({name for feed in self._app.feeds for name in feed.partitions.names})
        if stray := sorted(set(scope.only) - set(known)):
            raise UsageError(f"no partition of {self._app.name} has {stray[0]}", hint=choices(stray[0], known))
        return [feed for feed in in_order(self._app.feeds) if not scope.feeds or feed.name in scope.feeds]

    def plan(self, feed: Feed, scope: Scope) -> Plan:
        """What a feed has to do now."""
        states = self._store.ledger.states(self._app.collection(feed))
        around = self._around(feed, scope, states)
        expected = list(feed.partitions.expand(around))
        named = bool(scope.only) and set(scope.only) <= set(feed.partitions.names)
        if around.named:
            check_values(feed.partitions, around, self._app.collection(feed), before=False)
            expected = self._named(feed, expected, around.named, ask=named)
        found = plan(
            *(feed.as_set(self._settings), expected, states, around.now),
            retry=scope.retry,
            again=scope.again,
            named=named,
        )
        return found.left_alone if self._store.orders.paused(self._app.collection(feed)) else found

    def _around(self, feed: Feed, scope: Scope, states: Mapping[str, State]) -> Surroundings:
        """What a source may look at; the values that a person named stand in the place of those that are set."""
        now, source = self._clock.now(), feed.partitions
        named = {
            name: [read_value(source, name, value, now) for value in values]
            for name, values in scope.only.items()
            if name in source.names
        }
        chosen = {source.settings[name]: ",".join(values) for name, values in named.items() if name in source.settings}
        settings = self._settings.with_values("--only", chosen)

        def collected(partition: Partition) -> bool:
            return partition.key in states and states[partition.key].merged

        return Surroundings(settings, now, self._rows, collected, named, self._unread)

    def _named(
        self, feed: Feed, expected: list[Expected], named: Mapping[str, Sequence[str]], *, ask: bool
    ) -> list[Expected]:
        """The partitions that a person named. UsageError where there are some, but none of those."""
        # Values that stand in the place of a setting have made the partitions: they need not be looked for.
        found = only(expected, {name: named[name] for name in named.keys() - feed.partitions.settings}, ask=ask)
        if expected and not found:
            said = " ".join(f"{name}={value}" for name, values in named.items() for value in values)
            raise UsageError(
                f"no partition of {self._app.collection(feed)} has {said}", hint=f"one is {expected[0].partition.key}"
            )
        return found

    def _rows(self, feed: str, fields: Sequence[str]) -> list[dict[str, str | None]]:
        found = next(item for item in self._app.feeds if item.name == feed)
        return self._store.records(Collection(self._app.name, found)).rows(fields)

    def _unread(self, feed: str) -> bool:
        """Whether an upstream's list was asked for and could not be read, and the last good one is too old."""
        oldest = self._clock.now() - LIST_AGE
        states = self._store.ledger.states(f"{self._app.name}/{feed}").values()
        return any(
            state.verdict is not None
            and state.verdict not in GOOD
            and (state.collected_at is None or state.collected_at < oldest)
            for state in states
        )
