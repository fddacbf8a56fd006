"""The check of what people wrote: authors, lists and sums beside the records."""

import pytest
from market import app
from people import PLACE, creation, deletion, patching

from catchment.store.check import check
from catchment.store.tables import collections_of


@pytest.fixture
def wrong(database, writer):
    """What the check finds, once there are places, one of them changed, one gone, with reviews."""
    keys = [writer.submit(creation("places", PLACE, number)).result().key for number in (1, 2, 3)]
    writer.submit(patching("places", keys[0], {"skills": ["baking"], "cost": 3})).result()
    writer.submit(deletion("places", keys[2], 3)).result()
    for number in (4, 5):
        writer.submit(creation("reviews", {"place": keys[0], "skill": None, "rating": 4}, number)).result()
    return lambda: [
        (item.rule, text) for item in check(database, collections_of(app)) for text in item.shown if item.wrong
    ]


def test_nothing_is_wrong_with_what_people_wrote(wrong):
    assert wrong() == []


PLANTED = {
    "no author": ("I16", "has no author", "UPDATE market_reviews SET _author = ''"),
    "a sum": ("I17", "roll-up 0", "UPDATE market_reviews__rollup_0 SET _sum = '7'"),
    "a count": ("I17", "roll-up 2", "UPDATE market_reviews__rollup_2 SET _count = 3"),
    "a group that is gone": ("I17", "is None", "DELETE FROM market_reviews__rollup_1"),
    "an element": ("I17", "elements of skills", "UPDATE market_places__skills SET value = 'x' WHERE _place = 0"),
    "elements of nobody": (
        "I17",
        "elements of skills",
        "UPDATE market_places__skills SET _key = 'x' || _key",
    ),
    "a version": ("I4", "follows", "UPDATE market_places SET _version = 9"),
    "a revision": ("I9", "commits up to", "DELETE FROM _commit WHERE collection = 'market/reviews' AND revision = 1"),
}


@pytest.mark.parametrize(("rule", "words", "statement"), PLANTED.values(), ids=PLANTED)
def test_what_is_planted_is_found(wrong, sql, rule, words, statement):
    assert sql.execute(statement).rowcount > 0
    found = wrong()
    assert any(name == rule and words in text for name, text in found), found
