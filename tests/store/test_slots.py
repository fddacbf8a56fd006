"""Places among an upstream's open requests: counted over all processes, free again when theirs has ended."""

from __future__ import annotations

from datetime import timedelta

import pytest
from shop import START as NOW

from catchment.errors import StoreError
from catchment.store.ledger import LEASE


def test_places_are_counted_over_all_workers_and_each_upstream_has_its_own(here, open_shop):
    mine, theirs = here.store.slots, open_shop().store.slots
    assert [mine.take("shop", 3, NOW), theirs.take("shop", 3, NOW), mine.take("shop", 3, NOW)] == [0, 1, 2]
    assert (mine.take("shop", 3, NOW), theirs.take("shop", 3, NOW)) == (None, None)
    assert theirs.take("bank", 3, NOW) == 0


def test_a_place_that_is_left_is_free_for_anybody(here, open_shop):
    mine, theirs = here.store.slots, open_shop().store.slots
    mine.take("shop", 1, NOW)
    assert theirs.take("shop", 1, NOW) is None
    mine.leave("shop", 0)
    assert theirs.take("shop", 1, NOW) == 0


def test_a_place_that_could_not_be_given_back_keeps_nobody_waiting_for_ever(here, open_shop, refusing):
    """F73: who had it may take it at once, others when a lease would have ended."""
    mine, theirs = here.store.slots, open_shop().store.slots
    assert [mine.take("shop", 2, NOW) for _ in range(2)] == [0, 1]
    end = refusing(here.store._paid, "BEFORE DELETE", "_slot", "OLD.number >= 0")
    for number in (0, 1):
        with pytest.raises(StoreError):
            mine.leave("shop", number)
    end()
    assert theirs.take("shop", 2, NOW) is None
    assert [mine.take("shop", 2, NOW), mine.take("shop", 1, NOW)] == [0, None]
    mine.renew("shop", 0, NOW + LEASE)
    assert [theirs.take("shop", 2, NOW + LEASE) for _ in range(2)] == [1, None]


def test_nobody_leaves_the_place_of_another(here, open_shop):
    mine, theirs = here.store.slots, open_shop().store.slots
    mine.take("shop", 1, NOW)
    theirs.leave("shop", 0)
    assert theirs.take("shop", 1, NOW) is None


def test_the_places_of_a_worker_that_ended_are_free(here, open_shop):
    mine, other = here.store.slots, open_shop()
    assert [other.store.slots.take("shop", 2, NOW) for _ in range(2)] == [0, 1]
    assert mine.take("shop", 2, NOW) is None
    other.store.workers.close()
    assert [mine.take("shop", 2, NOW) for _ in range(3)] == [0, 1, None]


def test_the_places_of_a_worker_that_was_stopped_are_free_once_its_leases_would_have_ended(here, open_shop):
    """It lives, and may hold what it has open; who goes on renews, and so keeps its place. One's own is never free."""
    mine, stopped, other = here.store.slots, open_shop().store.slots, open_shop().store.slots
    assert [stopped.take("shop", 2, NOW), other.take("shop", 2, NOW)] == [0, 1]
    other.renew("shop", 1, NOW + timedelta(seconds=10))
    assert mine.take("shop", 2, NOW + timedelta(seconds=29)) is None
    assert mine.take("shop", 2, NOW + LEASE) == 0
    stopped.renew("shop", 0, NOW + LEASE)
    stopped.leave("shop", 0)
    assert other.take("shop", 1, NOW + LEASE) is None
    assert mine.take("shop", 2, NOW + 3 * LEASE) == 1
    assert mine.take("shop", 2, NOW + 9 * LEASE) is None


@pytest.mark.parametrize("most", [1, 2])
def test_a_smaller_number_holds_for_those_that_come_after(here, most):
    slots = here.store.slots
    assert [slots.take("shop", 4, NOW) for _ in range(4)] == [0, 1, 2, 3]
    assert slots.take("shop", most, NOW) is None
