"""Many providers: lists are walked or looked up, found whole and in order either way, and nothing large is scanned."""

from __future__ import annotations

import functools
import itertools
import random
import re
import sqlite3
import uuid
from contextlib import closing
from datetime import date, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa
from crowd import LARGE, load, looking
from marketplace import NOW, marketplace, user

from catchment.apps.providers import app, search
from catchment.apps.providers.asking import Filters
from catchment.apps.providers.narrowing import Lists
from catchment.apps.providers.ranges import Days, day_number
from catchment.apps.providers.ranking import Prior, Rated, bayesian
from catchment.apps.providers.standin import SIZES, SKILLS, Extent, offers, opinions
from catchment.apps.providers.walking import Asked, page, together
from catchment.apps.providers.ways import Effort
from catchment.errors import StoreError
from catchment.principal import Principal
from catchment.store.change import apply
from catchment.store.group import Group
from catchment.store.present import Present
from catchment.store.rollups import kept, recomputed
from catchment.store.tables import collections_of
from catchment.store.write import Write

TODAY, PRIOR = day_number(NOW.date()), Prior(4_145_000, 10)
COMMON, SECOND, THIRD, RARE = (skill.casefold() for skill in (*SKILLS[:3], SKILLS[6]))
WALKED = Effort(few=-1, chunk=10, scored=10, heavy=20, together=3, first=2)
LOOKED_UP = Effort(few=10**6)
CROSSED = Effort(few=60, patience=0, chunk=10, scored=10, heavy=20)
collections = {item.name: item for item in collections_of(app)}


@pytest.fixture(scope="module")
def database(engine, tmp_path_factory):
    return load(tmp_path_factory.mktemp("crowd"), Extent(240, 40, 900))


def days(first, last):
    return Days(day_number(date.fromisoformat(first)), day_number(date.fromisoformat(last)) + 1)


FILTERS = {
    "all": Filters(),
    "a common skill": Filters(skills=(COMMON,), cost_lt=40_000),
    "a rare skill": Filters(skills=(RARE,)),
    "any of three": Filters(skills=(COMMON, SECOND, THIRD), cost_lt=60_000),
    "all of two": Filters(skills=(COMMON, SECOND), skills_mode="all"),
    "all of three": Filters(skills=(COMMON, SECOND, THIRD), skills_mode="all"),
    "any of common and rare": Filters(skills=(COMMON, RARE), cost_lt=30_000),
    "free in one of two": Filters(
        skills=(COMMON, THIRD),
        availability=(days("2024-03-01", "2024-03-09"), days("2025-03-01", "2025-05-29")),
        availability_mode="any",
    ),
    "a run of days": Filters(skills=(COMMON,), availability=(days("2024-02-01", "2024-03-31"),), need=20),
    "dear": Filters(cost_gt=55_000),
    "nearly of one mean": Filters(rating=(("ge", Decimal("3.1")), ("lt", Decimal("3.4")))),
    "well rated": Filters(skills=(COMMON, SECOND), rating=(("ge", 4),), cost_lt=50_000),
}
RANKS = [("name", "bayes"), ("price", "bayes"), ("best", "bayes"), ("best", "wilson"), ("best", "decayed")]
QUESTIONS = [(name, rank, score) for name in FILTERS for rank, score in RANKS if rank == "name" or name != "all"]


def asked(name, rank, score, **more):
    return Asked(FILTERS[name], rank, PRIOR, score, TODAY, **more)


@pytest.fixture(scope="module")
def whole(database):
    """The places of a question's whole list, sorted once however it is paged."""

    @functools.cache
    def found(name, rank, score):
        with looking(database) as view:
            return sorted_whole(view, asked(name, rank, score))

    return found


def sorted_whole(view, question):
    """Everybody who is meant, in the order of the list, found by sorting them all."""
    aging = question.today if question.score == "decayed" and question.rank == "best" else None
    found = search.finding(
        view, question.filters, question.order, keys=None, after=question.after, pinned=question.pinned, today=aging
    )
    return [one.place for one in search.placed(view.select(found))]


def in_pages(view, question, size, effort):
    places, after = [], question.after
    while found := page(view, asked_after(question, after), size, effort):
        places += [one.place for one in found]
        after = found[-1].place
    return places


def asked_after(question, after):
    return Asked(
        question.filters, question.rank, question.prior, question.score, question.today, after, question.pinned
    )


@pytest.mark.parametrize("effort", [WALKED, LOOKED_UP, CROSSED], ids=["walked", "looked up", "crossed"])
@pytest.mark.parametrize(("name", "rank", "score"), QUESTIONS)
def test_a_list_in_pages_is_the_list_sorted_whole(database, whole, name, rank, score, effort):
    places = whole(name, rank, score)
    assert len(places) > 3
    with looking(database) as view:
        assert in_pages(view, asked(name, rank, score), len(places) // 3 + 1, effort) == places


def test_no_list_is_read_twice_for_one_page(database):
    with looking(database) as view:
        page(
            view,
            asked("a run of days", "best", "bayes"),
            40,
            Effort(few=25, patience=0, chunk=2, scored=2, heavy=2, first=1),
        )
    lists = {question: times for question, times in view.times.items() if "LIMIT" not in question[0]}
    assert any("__skill_keys" in statement for statement, _ in lists)
    assert set(lists.values()) == {1}


def test_however_many_skills_are_asked_for_few_candidates_are_sorted_once(database):
    wanted = Asked(Filters(skills=tuple(skill.casefold() for skill in SKILLS[:20])), "best", PRIOR, "bayes", TODAY)
    with looking(database) as view:
        whole = sorted_whole(view, wanted)
        view.asked.clear()
        assert [one.place for one in page(view, wanted, 11, LOOKED_UP)] == whole[:11]
    assert len([statement for statement in view.asked if "candidate" in statement]) == 1


@pytest.mark.parametrize("name", ["any of three", "all of three", "free in one of two", "dear"])
def test_a_walk_that_was_broken_off_goes_on_where_it_was(database, whole, name):
    broken_off = Effort(few=-1, patience=12, chunk=5, scored=5, heavy=5)
    places = whole(name, "best", "bayes")
    with looking(database) as view:
        assert in_pages(view, asked(name, "best", "bayes"), len(places) // 2 + 1, broken_off) == places


@pytest.mark.sqlite  # its plans
@pytest.mark.parametrize(("name", "rank", "score"), QUESTIONS)
def test_no_question_scans_what_grows_with_the_market(database, name, rank, score):
    """Acceptance 21: no plan scans."""
    with looking(database) as view:
        found = page(view, asked(name, rank, score), 11, WALKED)
        page(view, asked(name, rank, score, after=found[2].place), 11, WALKED)
        page(view, asked(name, rank, score, after=found[2].place, pinned=view.state("reviews").revision - 5), 11)
    with closing(sqlite3.connect(database.path)) as sql:
        for statement, values in view.asked.items():
            assert not scans(sql, statement, values), statement


@pytest.mark.parametrize(
    "wanted",
    [
        Filters(cost_gt=10**9),
        Filters(cost_lt=1),
        Filters(rating=(("ge", Decimal("2.0001")), ("le", Decimal("2.0002")))),
    ],
    ids=["dearer than all", "cheaper than all", "of no one's mean"],
)
@pytest.mark.parametrize(("rank", "score"), RANKS)
def test_where_nobody_is_within_the_numbers_nobody_is_walked_by(database, wanted, rank, score):
    with looking(database) as view:
        assert page(view, Asked(wanted, rank, PRIOR, score, TODAY), 10) == []
        assert Lists(view, wanted).rare(0).size == 0


def scans(sql, statement, values=()):
    """The steps of the plan that read a large table, or a whole index of it, without a place to begin or to end."""
    plan = [row[3] for row in sql.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
    large = [step for step in plan if re.match(rf"SCAN ({'|'.join(LARGE)})", step)]
    # In the order of an index and with a limit, a scan ends with the page.
    ordered = "LIMIT" in statement and not any("TEMP B-TREE FOR ORDER BY" in step for step in plan)
    return [step for step in large if not ("INDEX" in step and ordered)]


@pytest.mark.sqlite
def test_the_test_of_plans_finds_a_scan(database):
    with closing(sqlite3.connect(database.path)) as sql:
        assert scans(sql, "SELECT * FROM providers_reviews WHERE rating = 'x'")
        assert scans(sql, "SELECT _key FROM providers_providers ORDER BY cost_in_pence + 1 LIMIT 3")


@pytest.mark.parametrize("prior", [PRIOR, Prior(5_000_000, 10), Prior(0, 3), Prior(4_145_000, 0)], ids=str)
def test_reviews_of_several_skills_score_no_better_together_than_the_bound_of_their_scores(prior):
    """Each of three skills is scored with a third of the prior; one that has no reviews has no score."""
    chance = random.Random(str(prior))
    for _ in range(2000):
        rated = [Rated(number := chance.randint(1, 60), chance.randint(0, 500 * number)) for _ in range(3)]
        rated = rated[chance.randrange(3) :]
        best = together(max(exact_score(one, prior, share=3) for one in rated), prior, 3)
        assert exact_score(Rated(sum(one.count for one in rated), sum(one.hundredths for one in rated)), prior) <= best


def test_the_bound_is_reached_by_equal_reviews_of_each_skill():
    bound = together(exact_score(Rated(8, 3900), PRIOR, share=3), PRIOR, 3)
    assert bound == pytest.approx(float(bayesian(Rated(24, 11_700), PRIOR)), abs=1e-4)


def exact_score(rated, prior, *, share=1):
    whole = share * rated.hundredths * 10**4 + prior.weight * prior.millionths
    return whole / ((share * rated.count + prior.weight) * 1e6)


def test_a_prepared_question_is_asked_with_other_values_each_time(database):
    with looking(database) as view:
        rated = view.tables("reviews").rollups[0].c
        rows = sa.select(rated["provider"]).order_by(rated["provider"])
        question = rows.where(rated["_count"] == sa.bindparam("number"))
        numbers = [number for (number,) in view.select(sa.select(rated["_count"]).distinct().limit(3))]
        ask = view.prepared(question)
        found = [ask(number=number) for number in numbers]
        assert len(found) == 3
        assert all(found)
        assert found == [view.select(rows.where(rated["_count"] == number)) for number in numbers]
        for asked_without in (ask, lambda: view.select(question)):
            with pytest.raises(StoreError, match="without a value for number"):
                asked_without()


# -- a walk while people write --------------------------------------------------------------------------------------

JOB = {"job_budget_in_pence": 10**9, "skills": ["milling", "baking"], "rank": "best"}


@pytest.fixture
def market(tmp_path):
    with marketplace(tmp_path) as found:
        yield found


@pytest.mark.parametrize("rank", ["best", "price"])
@pytest.mark.parametrize("score", ["bayes", "wilson", "decayed"])
def test_a_walk_is_judged_by_the_reviews_with_which_it_began(market, rank, score):
    """Acceptance 8, with reviews that are written, changed and deleted between any two pages."""
    made = [market.offer(who=number, skills=["milling", "baking"][: 1 + number % 2]) for number in range(1, 13)]
    for number, provider in enumerate(made[:9]):
        market.rate(provider, number % 5 + 0.5, who=50, skill="milling" if number % 3 else None)
        market.clock.advance(timedelta(days=40 * number))
    job = JOB | {"rank": rank, "score": score}
    path = "/service-providers/recommend"
    whole = [item["id"] for item in market.ask("POST", f"{path}?page_size=50", job).json()["service_providers"]]
    assert len(whole) == 12
    seen, cursor = [], ""
    for turn in itertools.count():
        answer = market.ask("POST", f"{path}?page_size=2{cursor}", job).json()
        seen += [item["id"] for item in answer["service_providers"]]
        if not answer["pagination"]["next"]:
            break
        cursor = f"&cursor={answer['pagination']['next']}"
        market.rate(whole[-1 - turn], 5, who=60 + turn)
        market.rate(whole[turn], 0, who=50, skill="milling")
        market.ask("DELETE", f"/service-provider/{made[turn]}/review", who=50)
    assert seen == whole
    again = [item["id"] for item in market.ask("POST", f"{path}?page_size=50", job).json()["service_providers"]]
    assert again != whole, "what was written counts for the next walk"


# -- a deletion -----------------------------------------------------------------------------------------------------


@pytest.mark.sqlite  # which tells of its statements
def test_a_provider_is_deleted_in_as_many_steps_however_many_reviews_it_has(database):
    """What they added up to goes at once, and what is left is what counting anew gives."""
    reviews = collections["providers/reviews"]
    with closing(database.open()) as sql:
        total = "SELECT provider, _count FROM providers_reviews__rollup_0 WHERE _count > 2 ORDER BY _count"
        (few, least), *_, (many, most) = sql.execute(total).fetchall()
        assert most > 10 * least
        assert steps_of_deleting(sql, many) == steps_of_deleting(sql, few)
        sql.execute("BEGIN")
        delete(sql, many)
        for number in range(3):
            assert kept(sql, reviews, number) == recomputed(sql, reviews, number)
        ((left,),) = sql.execute("SELECT _count FROM providers_reviews__rollup_2")
        assert left == 900 - most


def steps_of_deleting(sql, provider):
    """The statements of a deletion, which is taken back."""
    steps = []
    sql.execute("BEGIN")
    sql.set_trace_callback(steps.append)
    delete(sql, provider)
    sql.set_trace_callback(None)
    sql.execute("ROLLBACK")
    return len(steps)


def delete(sql, provider):
    (owner,) = sql.execute("SELECT user_id FROM providers_providers WHERE _key = ?", (provider,)).fetchone()
    write = Write(
        collection=collections["providers/providers"],
        action="delete",
        principal=Principal(owner, scopes=frozenset({"write"})),
        key=provider,
    )
    group = Group(sql, NOW)
    done = apply(Present(sql, collections, "providers"), write, group, {"PROVIDERS_LIMIT_WRITES": None})
    group.put()
    assert done.outcome == "deleted"


# -- a load below the API -------------------------------------------------------------------------------------------


@pytest.mark.sqlite  # its words
def test_what_is_loaded_is_what_the_api_would_have_written(tmp_path):
    extent = SIZES["tiny"]
    database = load(tmp_path / "loaded", extent)
    loaded = contents(database)
    with marketplace(tmp_path / "written") as market:
        users = {user_of: number for number, user_of in enumerate(dict.fromkeys(one.user for one in people_of(extent)))}
        ids = [market.offer(who=users[one.user] + 1, **one.body) for one in offers(extent)]
        for one in opinions(extent):
            market.rate(ids[one.provider], one.body.pop("rating"), who=users[one.user] + 1, **one.body)
        written = contents(market.database, {user(number + 1): name for name, number in users.items()})
    assert loaded.keys() == written.keys()
    for table, rows in loaded.items():
        assert rows == written[table], table
    assert len(loaded["providers_reviews"]) == extent.reviews
    assert words(database) == words(market.database) != []


def words(database):
    """Every word of the index for `q=`, with the row and the place where it stands."""
    with closing(sqlite3.connect(database.path)) as sql:
        sql.execute("CREATE VIRTUAL TABLE temp.words USING fts5vocab(main, providers_providers__words, instance)")
        return sql.execute('SELECT term, doc, "offset" FROM temp.words ORDER BY 1, 2, 3').fetchall()


def people_of(extent):
    return [*offers(extent), *opinions(extent)]


def contents(database, users=()):
    """Every row of every table of the app, of its commits and its audit, with ids in the order of their creation."""
    with closing(database.open()) as sql:
        names = sql.tables()
        # The index of words is the database's own: how it is laid out depends on the commits that filled it.
        wanted = [name for name in names if name.startswith("providers_") and "__words" not in name] + [
            "_commit",
            "_audit",
            "_collection",
        ]
        found = {name: sql.execute(f'SELECT * FROM "{name}"').fetchall() for name in sorted(wanted)}
        places = {}
        for table in ("providers_providers", "providers_reviews"):
            for (key,) in sql.execute(f"SELECT _key FROM {table} ORDER BY _revision"):
                places[key] = f"{table} {len(places)}"
    places |= dict(users)

    def named(value):
        if not isinstance(value, str):
            return value
        return re.sub(
            r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", lambda found: places.get(found.group(), found.group()), value
        )

    def plain(table, row):
        # The hash is of values with an id in them, and the trace id is of the request that was made.
        values = tuple(named(value) for value in row if not isinstance(value, bytes))
        return values[:-1] if table == "_audit" else values

    return {table: sorted((plain(table, row) for row in rows), key=repr) for table, rows in found.items()}


@pytest.mark.sqlite  # loaded into a file
def test_a_load_refuses_what_the_api_would_refuse(tmp_path):
    from catchment.clock import FakeClock
    from catchment.web import Draft, InvalidRecord, QueryError
    from catchment.web import load as load_drafts

    offer = next(offers(SIZES["tiny"]))
    review = {"provider": str(uuid.UUID(int=1)), "rating": 4, "skill": None, "comment": None}
    for members, error in (({"name": ""}, InvalidRecord), ({"cost_in_pence": 10.5}, InvalidRecord)):
        drafts = [Draft("providers/providers", offer.user, offer.body | members)]
        with pytest.raises(error):
            list(load_drafts(tmp_path / "a.sqlite", app, drafts, FakeClock(NOW)))
    drafts = [Draft("providers/reviews", offer.user, review)]
    with pytest.raises(QueryError, match="no such record in providers"):
        list(load_drafts(tmp_path / "a.sqlite", app, drafts, FakeClock(NOW)))
