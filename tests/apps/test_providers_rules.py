"""Rules of the providers app without a database: ranges, texts, scores, and what a request means."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catchment.apps.providers import asking
from catchment.apps.providers.ranges import DateRange, Days, days_of, first_free, merged
from catchment.apps.providers.ranking import Prior, Rated, bayesian, decayed, is_old, mean, wilson
from catchment.apps.providers.rules import folded, plain_name, spelled, wrong_text
from catchment.bodies import InvalidRecord
from catchment.errors import DeclarationError, QueryError
from catchment.web import Route, get, post, versions

pytestmark = pytest.mark.storeless

JANUARY = date(2023, 1, 1)


def days(first: int, last: int) -> DateRange:
    return DateRange(JANUARY + timedelta(first - 1), JANUARY + timedelta(last - 1))


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        ([days(1, 10), days(10, 20)], [days(1, 20)]),
        ([days(1, 10), days(11, 20)], [days(1, 20)]),
        ([days(1, 10), days(12, 20)], [days(1, 10), days(12, 20)]),
        ([days(12, 20), days(1, 10)], [days(1, 10), days(12, 20)]),
        ([days(1, 30), days(5, 6)], [days(1, 30)]),
        ([days(4, 4)], [days(4, 4)]),
    ],
    ids=["overlap", "adjoin", "apart", "unsorted", "inside", "one day"],
)
def test_ranges_that_overlap_or_adjoin_are_one(ranges, expected):
    assert merged(ranges) == expected


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 9)), min_size=1, max_size=12))
def test_merging_keeps_every_day_and_adds_none(spans):
    ranges = [days(first, first + more) for first, more in spans]
    covered = {day for item in map(days_of, ranges) for day in range(item.first, item.end)}
    found = merged(ranges)
    assert {day for item in map(days_of, found) for day in range(item.first, item.end)} == covered
    assert merged(found) == found


def test_the_first_free_day_begins_a_run_that_is_long_enough():
    free = [Days(0, 2), Days(5, 9)]
    assert first_free(free, [Days(1, 8)], 3) == date(1970, 1, 6)
    assert first_free(free, [Days(1, 8)], 1) == date(1970, 1, 2)
    assert first_free(free, [Days(1, 8)], 0) is None
    assert first_free(free, [Days(6, 8)], 3) == date(1970, 1, 7)  # shorter than the job: free as a whole


def test_skills_are_equal_whatever_their_case_spaces_and_composition():
    assert folded("  SEO \u00a0 Optimisation ") == folded("seo optimisation")
    assert folded("Cafe\u0301") == folded("CAFÉ")
    assert spelled(" Cold   Calling") == "Cold Calling"
    assert wrong_text("a\tb", 10) == wrong_text("a\nb", 10) == "holds a control character"
    assert wrong_text("a\nb", 10, lines=True) == ""
    assert "longer" in wrong_text("x" * 11, 10)


MARKS = "\u0301\u0316"
"""Two marks that the normal form has the other way round."""


@pytest.mark.parametrize("form", [spelled, plain_name, folded])
def test_a_text_that_is_too_long_in_any_form_is_not_normalised(form):
    """A row of marks takes the square of its length, and nothing else is done meanwhile."""
    assert form("x" + MARKS * 30_000) == "x" + MARKS * 30_000
    assert form("x" + MARKS) == "x\u0316\u0301"
    assert form("e\u0302\u0301" * 200 + "\u2003" * 2000) == "\u1ebf" * 200  # it is short enough once it is normal


# -- scores ---------------------------------------------------------------------------------------------------------

PRIOR = Prior(3_500_000, 10)
ONE_FIVE, MANY = Rated(1, 500), Rated(20_000, 20_000 * 450)


def test_a_lone_five_does_not_beat_many_good_ones():
    """Acceptance 6: a prior of 3.5 that counts ten reviews."""
    assert bayesian(ONE_FIVE, PRIOR) == Decimal("3.6364")
    assert bayesian(MANY, PRIOR) == Decimal("4.4995")
    assert wilson(ONE_FIVE).quantize(Decimal("0.01")) == Decimal("1.03")
    assert wilson(MANY).quantize(Decimal("0.01")) == Decimal("4.48")
    assert bayesian(Rated(), PRIOR) == Decimal("3.5000")
    assert wilson(Rated()) == mean(Rated()) == 0


@pytest.mark.parametrize(
    ("count", "hundredths", "expected"),
    [(3, 1000, "3.3333"), (3, 1400, "4.6667"), (8, 3001, "3.7513"), (1, 5, "0.0500")],
)
def test_a_mean_is_rounded_half_up(count, hundredths, expected):
    assert str(mean(Rated(count, hundredths))) == expected


def test_an_old_review_counts_half_after_a_year():
    today = 20_000
    assert decayed({today: ONE_FIVE}, PRIOR, today) == bayesian(ONE_FIVE, PRIOR)
    # (0.5 * 5 + 35) / 10.5
    assert decayed({today - 365: ONE_FIVE}, PRIOR, today) == Decimal("3.5714")
    assert decayed({}, PRIOR, today) == Decimal("3.5000")


def test_the_general_mean_is_counted_again_after_an_hour_or_when_the_clock_was_set_back():
    at = datetime(2024, 1, 1, tzinfo=UTC)
    assert [is_old(at, at + timedelta(minutes=each)) for each in (0, 59, 60, -1)] == [False, False, True, True]


# -- what is asked --------------------------------------------------------------------------------------------------

JOB = {"job_budget_in_pence": 10_000, "skills": ["x"]}


@pytest.mark.parametrize(("version", "rank", "need"), [((1, 0), "price", 0), ((1, 1), "best", 2)])
def test_defaults_of_the_recommendation_are_pinned(version, rank, need):
    """Acceptance 20: `rank` and `availability_match` by version."""
    job = JOB | {
        "expected_job_duration_in_days": 2,
        "availability": [{"from_date": "2024-01-01", "to_date": "2024-01-09"}],
    }
    found = asking.wanted(asking.read_body(job, asking.RECOMMEND), version)
    assert (found.rank, found.filters.need) == (rank, need)


@pytest.mark.parametrize(("version", "operators"), [((1, 0), ["ge", "le"]), ((1, 1), ["gt", "lt"])])
def test_bounds_of_the_mean_are_included_in_the_older_version(version, operators):
    values = asking.read_body({"reviews_gt": 3, "reviews_lt": 4, "reviews_lte": None}, asking.LIST)
    assert [name for name, _ in asking.filters(values, version).rating] == operators


def test_query_and_body_mean_the_same():
    body = {"skills": ["A", "b"], "cost_gt": 5, "availability": [{"from_date": "2024-01-01", "to_date": "2024-01-02"}]}
    pairs = [("skills", "A"), ("skills", "b"), ("cost_gt", "5")]
    pairs += [("available_from", "2024-01-01"), ("available_to", "2024-01-02")]
    assert asking.read_query(pairs, asking.LIST) == asking.read_body(body, asking.LIST)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cost_gt", 10.5),
        ("cost_gt", "10"),
        ("cost_gt", True),
        ("reviews_gt", "NaN"),
        ("reviews_gt", 5.1),
        ("skills", "x"),
        ("skills_mode", "some"),
        ("availability", [{"from_date": "2023-02-29", "to_date": "2023-03-01"}]),
        ("availability", [{"from_date": "2023-03-02", "to_date": "2023-03-01"}]),
        ("availability", [{"from_date": "1969-12-31", "to_date": "2023-03-01"}]),
        ("availability", [{"from_date": "2023-03-01", "to_date": "2023-03-01", "x": 1}]),
        ("name", "\ud800"),
        ("cost_lte", 1),
    ],
)
def test_a_filter_that_is_wrong_is_named(name, value):
    with pytest.raises(InvalidRecord) as caught:
        asking.read_body({name: value}, asking.LIST)
    assert {fault.pointer for fault in caught.value.faults} == {f"/{name}"}


def test_a_cursor_and_a_page_are_not_asked_together():
    with pytest.raises(InvalidRecord):
        asking.paging({"cursor": "x", "page": 2})
    with pytest.raises(InvalidRecord):
        asking.paging({"page": 101, "page_size": 100})
    assert asking.paging({"page": 100, "page_size": 100}).offset == 9900


# -- versions of a contract -----------------------------------------------------------------------------------------


def handler(method=get, path="/things"):
    @method(path)
    async def things() -> None:
        """Nothing."""

    return things


def test_a_newer_version_falls_through_to_the_older_route():
    first, second, other = handler(), handler(), handler(path="/others")
    routes = [Route(second, since=(1, 1)), Route(first), Route(other)]
    chosen = {router.path: router.routes for router in versions(routes, [(1, 0), (1, 1)])}
    found = {path: sorted(route.path for route in routes) for path, routes in chosen.items()}
    assert found == {"/v1_0": ["/v1_0/others", "/v1_0/things"], "/v1_1": ["/v1_1/others", "/v1_1/things"]}


def test_two_routes_of_one_place_and_version_are_refused():
    with pytest.raises(DeclarationError, match="is declared twice since"):
        versions([Route(handler()), Route(handler())], [(1, 0)])
    assert len(versions([Route(handler()), Route(handler(post))], [(1, 0)])) == 1


def test_an_unknown_parameter_is_a_bad_request_and_names_the_nearest():
    with pytest.raises(QueryError, match="did you mean cost_lt") as caught:
        asking.read_query([("cost_lte", "1")], asking.LIST)
    assert caught.value.status == 400
    with pytest.raises(QueryError, match="given twice"):
        asking.read_query([("cost_lt", "1"), ("cost_lt", "1")], asking.LIST)


def test_a_parameter_is_typed_as_a_member_is():
    with pytest.raises(InvalidRecord):
        asking.read_query([("page", "1" + "0" * 20)], asking.PAGING)
    assert msgspec.to_builtins(asking.read_query([("page", "2")], asking.PAGING)) == {"page": 2}
