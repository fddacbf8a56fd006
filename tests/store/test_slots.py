"""Places among an upstream's open requests: counted over all processes, free again when theirs has ended."""

from __future__ import annotations

import pytest


def test_places_are_counted_over_all_workers_and_each_upstream_has_its_own(here, open_shop):
    mine, theirs = here.store.slots, open_shop().store.slots
    assert [mine.take("shop", 3), theirs.take("shop", 3), mine.take("shop", 3)] == [0, 1, 2]
    assert (mine.take("shop", 3), theirs.take("shop", 3)) == (None, None)
    assert theirs.take("bank", 3) == 0


def test_a_place_that_is_left_is_free_for_anybody(here, open_shop):
    mine, theirs = here.store.slots, open_shop().store.slots
    mine.take("shop", 1)
    assert theirs.take("shop", 1) is None
    mine.leave("shop", 0)
    assert theirs.take("shop", 1) == 0


def test_nobody_leaves_the_place_of_another(here, open_shop):
    mine, theirs = here.store.slots, open_shop().store.slots
    mine.take("shop", 1)
    theirs.leave("shop", 0)
    assert theirs.take("shop", 1) is None


def test_the_places_of_a_worker_that_ended_are_free(here, open_shop):
    mine, other = here.store.slots, open_shop()
    assert [other.store.slots.take("shop", 2) for _ in range(2)] == [0, 1]
    assert mine.take("shop", 2) is None
    other.store.workers.close()
    assert [mine.take("shop", 2) for _ in range(3)] == [0, 1, None]


@pytest.mark.parametrize("most", [1, 2])
def test_a_smaller_number_holds_for_those_that_come_after(here, most):
    slots = here.store.slots
    assert [slots.take("shop", 4) for _ in range(4)] == [0, 1, 2, 3]
    assert slots.take("shop", most) is None
