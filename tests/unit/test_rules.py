"""Which answers have to be said twice: the rule alone, and what a feed may declare of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from catchment import CONTENT, RETIRE, Confirm, Feed, Get, Record, Setting, Upstream
from catchment.errors import UsageError
from catchment.rules import MASS_VANISH, Doubt, doubt
from catchment.settings import Settings

SAID = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(hours=24)
POLICE = Confirm(after=DAY, share=0.5, empty=True)


class Thing(Record):
    id: str


def feed(**options) -> Feed:
    return Feed("things", Thing, Upstream("shop", "https://shop.example"), request=Get("/"), key=CONTENT, **options)


@pytest.mark.parametrize(
    ("rule", "before", "left", "collected", "reason"),
    [
        pytest.param(POLICE, 10, 5, True, "", id="half is believed"),
        pytest.param(POLICE, 10, 4, True, "4 of 10 records left", id="more than half is not"),
        pytest.param(POLICE, 1, 0, True, "0 of 1 records left", id="nothing is not"),
        pytest.param(POLICE, 10, 12, True, "", id="more is believed"),
        pytest.param(POLICE, 0, 0, False, "empty", id="empty at first"),
        pytest.param(POLICE, 0, 0, True, "", id="empty as before"),
        pytest.param(POLICE, 0, 3, False, "", id="something at first"),
        pytest.param(Confirm(after=DAY), 0, 0, False, "", id="empty at first, not asked for"),
        pytest.param(Confirm(share=1), 10, 1, True, "", id="any loss is believed"),
        pytest.param(Confirm(share=1), 10, 0, True, "0 of 10 records left", id="but not nothing"),
        pytest.param(MASS_VANISH, 19, 0, True, "", id="few may vanish"),
        pytest.param(MASS_VANISH, 20, 9, True, "9 of 20 records left", id="many may not"),
    ],
)
def test_an_answer_that_gives_up_too_much_is_doubted(rule, before, left, collected, reason):
    found = doubt(rule, before, left, collected=collected, first=None, said=SAID)
    assert (found.reason if found else "") == reason


@pytest.mark.parametrize(
    ("waited", "believed"),
    [
        pytest.param(DAY - timedelta(microseconds=1), False, id="too early"),
        pytest.param(DAY, True, id="in time"),
        pytest.param(5 * DAY, True, id="late"),
    ],
)
def test_the_second_time_is_believed_when_it_is_late_enough(waited, believed):
    found = doubt(POLICE, 10, 0, collected=True, first=SAID, said=SAID + waited)
    assert found == (None if believed else Doubt(SAID, SAID + DAY, "0 of 10 records left"))


def test_one_answer_is_not_its_own_second():
    assert doubt(MASS_VANISH, 20, 0, collected=True, first=SAID, said=SAID)


def test_without_a_rule_of_its_own_a_feed_that_retires_has_the_general_one():
    assert feed(missing=RETIRE).doubts == MASS_VANISH
    assert feed(missing=RETIRE, confirm=POLICE).doubts == POLICE
    assert feed().doubts is None


def test_what_the_operator_set_stands_in_the_place_of_a_setting():
    declared = feed(equal=Setting("THINGS_DEDUPE", "count"))
    assert declared.as_set(Settings({})).equal == "count"
    assert declared.as_set(Settings({"THINGS_DEDUPE": ("collapse", "test")})).equal == "collapse"
    with pytest.raises(UsageError, match="THINGS_DEDUPE=merge is none of count, collapse"):
        declared.as_set(Settings({"THINGS_DEDUPE": ("merge", "test")}))
