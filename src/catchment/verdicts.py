"""How an attempt ends: the verdict on what was fetched, committed with everything that follows from it.

In the ledger's thread, all of it: nothing here waits.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import structlog

from .app import App
from .choices import new_values
from .clock import Clock
from .decode import model_digest
from .derive import derive
from .drift import Drift
from .errors import DecodeError, PagingError
from .feed import Feed
from .passes import Fetched
from .plan import END, GOOD, Verdict, retry_at
from .runs import Result
from .settings import Settings
from .store.lease import Lease, Outcome
from .store.store import Store
from .store.tables import Collection
from .upstream import MeaningKind

__all__ = ["Doors", "Verdicts"]

log = structlog.get_logger("catchment.verdicts")


@dataclass
class Doors:
    """Upstreams and collections, by name, that are not asked for the rest of a run, with what is said of the
    partitions that were not. told: why one is shut, of which somebody was alerted.
    """

    shut: dict[str, Result] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdicts:
    """Ends attempts at one app's partitions. doors: are shut by what an upstream says of itself."""

    app: App
    store: Store
    settings: Settings
    clock: Clock
    doors: Doors

    def conclude(self, feed: Feed, lease: Lease, fetched: Fetched, before: PagingError | None, probe: bool) -> Outcome:
        """The verdict on what was fetched, committed with everything that follows from it. probe: on trial.

        before: what was wrong with the walk that this one repeats. PagingError where this is the first, and another
        may end better.
        """
        outcome = fetched.outcome
        try:
            if probe and fetched.meaning.kind == "pending" and not fetched.pages:
                outcome = replace(outcome, verdict="complete", reason=END)
            elif fetched.meaning.kind != "data":
                outcome = self._without_data(feed, fetched, outcome)
            elif fetched.broken:
                raise fetched.broken
            elif fetched.not_modified or _merged_already(lease, fetched, feed):
                outcome = replace(outcome, verdict="unchanged")
            else:
                return self._derived(feed, lease, fetched, outcome, before)
        except DecodeError as error:
            held = (Drift("rejects", error.field, error.message),) if error.reason == "drift" else ()
            drift = (*held, *new_values(feed, lease.partition, error.sample))
            reason = f"{error.reason}: {error.message}"
            outcome = replace(outcome, verdict="failed", reason=reason, drift=drift, sample=error.sample)
        except PagingError as error:
            if before is None and error.passing:
                raise
            until = None if error.passing else feed.schedule.next_after(self.clock.now())
            outcome = replace(outcome, verdict="partial", reason=f"{error.reason}: {error}", until=until)
        return self.finish(feed, lease, outcome)

    def finish(self, feed: Feed, lease: Lease, outcome: Outcome) -> Outcome:
        """Ends an attempt that committed no record; of a refusal the outcome says for how long it holds."""
        now = self.clock.now()
        if outcome.verdict == "refused":
            outcome = replace(outcome, until=retry_at(outcome.verdict, 0, now, until=outcome.until))
        if outcome.verdict not in GOOD and not outcome.goes_on:
            self.store.burn_pass(Collection(self.app.name, feed), lease)
        self.store.ledger.finish(lease, outcome, now)
        return outcome

    def _derived(
        self, feed: Feed, lease: Lease, fetched: Fetched, outcome: Outcome, before: PagingError | None
    ) -> Outcome:
        """The outcome of a whole pass, its records committed."""
        return derive(
            *(feed, lease, fetched.pages, self.store.records(Collection(self.app.name, feed))),
            *(outcome, self.clock.now()),
            body_of=self.store.body,
            settled=before.keys if before else frozenset(),
        )

    def _without_data(self, feed: Feed, fetched: Fetched, outcome: Outcome) -> Outcome:
        """The verdict on an answer that is no data; a word about a whole upstream or feed shuts it for this run."""
        kind, reason = fetched.meaning.kind, fetched.meaning.reason or fetched.meaning.kind
        shut = {"auth": feed.upstream.name, "quota": feed.upstream.name, "stop": self.app.collection(feed)}.get(kind)
        if shut:
            self.doors.shut[shut] = Result("", "", None, "budget" if kind == "quota" else reason, until=fetched.until)
            # One alert: whoever lives on and probes now and then says it no louder again.
            say = log.info if self.doors.told.get(shut) == reason else log.error
            say("upstream stopped", upstream=feed.upstream.name, feed=feed.name, why=kind, reason=reason)
            self.doors.told[shut] = reason
        if fetched.pages and kind in ("refused", "pending"):
            raise PagingError("expired", f"page {len(fetched.pages) + 1} was not given: {reason}")
        reason = "quota" if kind == "quota" else reason
        if fetched.meaning.scheduled:
            outcome = replace(outcome, until=feed.as_set(self.settings).schedule.next_after(self.clock.now()))
        if fetched.pages:
            return replace(outcome, verdict="partial", reason=reason, goes_on=kind != "stop")
        return replace(outcome, verdict=_VERDICTS[kind], reason=reason)


_VERDICTS: dict[MeaningKind, Verdict] = {
    "pending": "pending",
    "throttled": "failed",
    "quota": "failed",
    "auth": "refused",
    "stop": "refused",
    "refused": "refused",
    "transient": "failed",
    "failed": "failed",
    "instead": "refused",
}


def _merged_already(lease: Lease, fetched: Fetched, feed: Feed) -> bool:
    """Whether every body is the one that this declaration merged last."""
    return bool(lease.digest) and lease.digest == fetched.digest and lease.model == model_digest(feed)
