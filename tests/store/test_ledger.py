"""Leases, verdicts and workers: who may write a partition, and what the ledger says of it afterwards."""

from __future__ import annotations

from datetime import timedelta

import pytest
from shop import START, app, things

from catchment import Partition
from catchment.derive import derive
from catchment.errors import LeaseLost
from catchment.partitions import Surroundings
from catchment.plan import State, due_at, plan
from catchment.settings import Settings
from catchment.store.lease import Outcome
from catchment.store.ledger import LEASE
from catchment.store.tables import Collection
from catchment.store.workers import LocalWorkers

KEY = "shelf=one"


def state(shop) -> State:
    return shop.store.ledger.states("shop/things")[KEY]


def test_only_one_of_two_collectors_gets_a_lease(here, open_shop):
    other = open_shop()
    assert (here.claim() is None, other.claim() is None, here.claim() is None) == (False, True, True)
    assert other.claim("two") is not None


def test_the_lease_of_a_live_worker_is_free_only_after_it_expired(here, open_shop):
    here.claim()
    assert open_shop(START + LEASE - timedelta(seconds=1)).claim() is None
    assert open_shop(START + LEASE).claim() is not None


def test_a_renewed_lease_holds_for_another_while(here, open_shop):
    lease = here.claim()
    here.store.ledger.renew(lease, START + LEASE / 2)
    assert open_shop(START + LEASE).claim() is None


def test_the_lease_of_a_worker_that_ended_is_free_at_once(here, open_shop):
    gone = open_shop()
    assert gone.claim() is not None
    assert here.claim() is None
    gone.store.close()
    assert here.claim() is not None


def test_a_partition_done_since_it_was_planned_is_not_done_again(here, open_shop):
    planned = State(Partition((("shelf", "one"),)))
    open_shop().collect(("a", 1))
    assert here.store.ledger.claim(1, "shop/things", planned, here.now + timedelta(hours=1)) is None


def test_a_released_lease_is_free_and_its_pass_goes_on(here, open_shop):
    lease = here.claim()
    here.store.ledger.release(lease, "budget")
    assert (state(here).verdict, state(here).reason) == (None, "budget")
    again = open_shop().claim()
    assert (again.number, again.token) == (lease.number, lease.token + 1)


def test_a_lost_lease_cannot_be_released(here, open_shop):
    lost = here.claim()
    later = open_shop(START + LEASE)
    later.claim()
    here.store.ledger.release(lost, "stopped")
    assert open_shop(START + LEASE).claim() is None
    with pytest.raises(LeaseLost):
        here.store.ledger.finish(lost, Outcome("failed"), START)


def test_an_attempt_ends_once_whatever_goes_wrong_after_its_commit(here):
    lease = here.claim()
    here.store.ledger.finish(lease, Outcome("complete"), here.now)
    with pytest.raises(LeaseLost):
        here.store.ledger.finish(lease, Outcome("failed", "too late"), here.now)
    assert (state(here).verdict, state(here).reason) == ("complete", "")


def test_each_try_is_a_pass_of_its_own(here):
    numbers = []
    for _ in range(3):
        lease = here.claim()
        numbers.append(lease.number)
        here.store.ledger.finish(lease, Outcome("failed", "boom"), here.now)
    assert numbers == [1, 2, 3]


def test_failures_in_a_row_wait_longer_and_a_success_forgets_them(here):
    waits = []
    for _ in range(3):
        here.store.ledger.finish(here.claim(), Outcome("failed", "boom"), here.now)
        waits.append((state(here).failures, (state(here).retry_at - here.now) / timedelta(minutes=1)))
    assert waits == [(1, 1), (2, 2), (3, 4)]
    here.collect(("a", 1))
    assert (state(here).failures, state(here).retry_at, state(here).records) == (0, None, 1)


def test_a_failure_keeps_what_was_collected(here):
    here.collect(("a", 1))
    collected = state(here)
    here.now += timedelta(days=1)
    here.store.ledger.finish(here.claim(), Outcome("failed", "boom"), here.now)
    failed = state(here)
    assert (failed.verdict, failed.reason, failed.checked_at) == ("failed", "boom", here.now)
    assert (failed.collected_at, failed.records) == (collected.collected_at, 1)
    assert here.rows("SELECT _key FROM shop_things") == [("a",)]


def test_validators_are_those_of_the_answer_that_was_merged(here):
    lease = here.claim()
    page = here.answer(lease, ("a", 1))
    outcome = Outcome("failed", etag='"1"', last_modified="Mon", digest=page.digest)
    derive(things, lease, [page], here.store.records(Collection(app.name, things)), outcome, here.now)
    here.store.ledger.finish(here.claim(), Outcome("failed", etag='"bad"', digest="bad"), here.now)
    lease = here.claim()
    assert (lease.etag, lease.last_modified, lease.digest) == ('"1"', "Mon", page.digest)


def test_a_partition_that_is_not_listed_is_pending_and_due_as_soon_as_it_is(here):
    partition = Partition((("shelf", "one"),))
    here.store.ledger.expect("shop/things", [(partition, "not listed")])
    assert (state(here).verdict, state(here).reason) == ("pending", "not listed")
    assert due_at(things, state(here)) < START
    assert here.claim() is not None


def test_a_collected_partition_that_is_no_longer_listed_keeps_its_verdict(here):
    here.collect(("a", 1))
    here.store.ledger.expect("shop/things", [(Partition((("shelf", "one"),)), "not listed")])
    assert state(here).verdict == "complete"


def test_what_the_ledger_says_is_what_the_plan_needs(here):
    here.collect(("a", 1))
    partitions = list(things.partitions.expand(Surroundings(Settings(), here.now, lambda *_: ())))
    states = here.store.ledger.states("shop/things")
    found = plan(things, partitions, states, here.now)
    assert [(task.partition["shelf"], task.why) for task in found.due] == [("two", "never collected")]
    assert found.next == here.now + timedelta(days=1)


# -- workers ---------------------------------------------------------------------------------------------------------


def test_a_worker_is_alive_until_it_closes(tmp_path):
    one, other = LocalWorkers(tmp_path), LocalWorkers(tmp_path)
    assert (one.alive(one.me), one.alive(other.me), other.alive(one.me)) == (True, True, True)
    other.close()
    assert (one.alive(other.me), one.alive("nobody"), one.alive("../../etc/passwd")) == (False, False, False)
    one.close()
    assert list(tmp_path.iterdir()) == []


def test_what_dead_workers_left_is_swept_away(tmp_path):
    (tmp_path / "1-dead").touch()
    one = LocalWorkers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [one.me]
    one.close()


def test_an_attempt_that_ended_keeps_its_end_when_its_lease_is_given_back(here):
    """Who is asked to end while the records are committed gives the lease back afterwards."""
    lease = here.claim()
    here.store.ledger.finish(lease, Outcome("partial", "short"), here.now)
    here.store.ledger.release(lease, "stopped")
    assert here.rows("SELECT verdict, reason FROM _attempt") == [("partial", "short")]
