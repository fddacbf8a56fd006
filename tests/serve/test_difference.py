"""What differs between two points in time is what differs between the lists of then."""

import random

import pytest
from demo_feeds import BARS
from filled_store import COLLECTED, bar

DIFF = "/v1/demo/bars/diff"
DAYS = [f"2026-01-0{day}" for day in range(1, 8)]


def at(revision: int) -> str:
    return f"2026-02-{revision:02}T04:00:00.000000Z"


@pytest.fixture
def lived(store):
    """Seven records that came, changed, changed back, went and came again by nine commits."""
    drawn = random.Random(7)
    there: dict[str, str] = {}
    for revision in range(1, 10):
        for day in drawn.sample(DAYS, 4):
            price = drawn.choice(["1.5", "1.50", "2", None])
            if price is not None:
                store.put(BARS, bar("IBM", day, price), revision=revision, said_at=at(revision))
                there[day] = price
            elif there.pop(day, None):
                store.retire(BARS, f"IBM,{day}", until=at(revision), revision=revision)
    store.commit(BARS, 9)
    return store


def listed(client, as_of) -> dict[str, dict[str, object]]:
    answer = client.get(f"/v1/demo/bars?as_of={as_of}")
    return {item.pop("_key"): item for item in answer.json()["data"]}


def expected(before, after):
    """The reference: two whole lists, compared. Prices are equal by their value."""
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        names = [name for name in (old or new) if not (old and new and value(old[name]) == value(new[name]))]
        if names:
            kind = "changed" if old and new else "new" if new else "gone"
            ends = {"before": old, "after": new}
            yield {"_key": key, "change": kind} | {
                end: record and {name: record[name] for name in names} for end, record in ends.items()
            }


def value(member):
    try:
        return float(member)
    except (TypeError, ValueError):
        return member


@pytest.mark.parametrize("point", [str, at], ids=["revisions", "moments"])
def test_every_pair_of_points_differs_as_its_lists_do(lived, client, point):
    kinds = set()
    for start in range(10):
        for end in range(start, 10, 2):
            since, until = ("2026-01-01" if point is at and start == 0 else point(start)), point(end or 1)
            answer = client.get(f"{DIFF}?from={since}&to={until}").json()["data"]
            wanted = list(expected(listed(client, since), listed(client, until)))
            assert answer == wanted, (since, until)
            kinds |= {item["change"] for item in wanted}
    assert kinds == {"new", "changed", "gone"}


def test_without_an_end_it_is_compared_with_what_holds_now(lived, client):
    assert client.get(f"{DIFF}?from=3").json()["data"] == client.get(f"{DIFF}?from=3&to=9").json()["data"]
    assert client.get(f"{DIFF}?from=9").json()["data"] == []


def test_pages_follow_each_other_and_hold_each_key_once(lived, client):
    whole = client.get(f"{DIFF}?from=1&to=9").json()["data"]
    assert len(whole) > 2
    seen, target = [], f"{DIFF}?limit=1&to=9&from=1"
    while target:
        answer = client.get(target)
        seen += answer.json()["data"]
        target = answer.headers.get("link", "").partition(">")[0].removeprefix("<")
    assert seen == whole
    cursor = client.get(f"{DIFF}?limit=1&to=9&from=1").json()["meta"]["next"]
    assert client.get(f"{DIFF}?from=2&to=9&cursor={cursor}").json()["type"] == "/problems/bad-cursor"
    assert client.get(f"/v1/demo/bars?cursor={cursor}").status_code == 400


def test_a_field_that_is_not_asked_for_does_not_count(store, client):
    store.put(BARS, bar("IBM", DAYS[0], "1"))
    store.put(BARS, bar("IBM", DAYS[0], "2", volume=7), revision=2)
    (found,) = client.get(f"{DIFF}?from=1&fields=volume").json()["data"]
    assert found == {
        "_key": f"IBM,{DAYS[0]}",
        "change": "changed",
        "before": {"volume": 1000},
        "after": {"volume": 7},
    }
    assert client.get(f"{DIFF}?from=1&fields=close").json()["data"] == []


def test_an_answer_is_kept_until_the_next_revision(lived, client):
    first = client.get(f"{DIFF}?from=1")
    again = client.get(f"{DIFF}?from=1", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.headers["x-age"]) == (304, first.headers["x-age"])
    lived.put(BARS, bar("NEW", DAYS[0]), revision=10)
    later = client.get(f"{DIFF}?from=1", headers={"if-none-match": first.headers["etag"]})
    assert (later.status_code, later.json()["data"][-1]["change"]) == (200, "new")


@pytest.mark.parametrize(
    ("query", "status", "parameter"),
    [
        ("", 400, "from"),
        ("?from=yesterday", 400, "from"),
        ("?from=1&to=2026-01-31", 400, "to"),
        ("?from=5&to=4", 400, "to"),
        ("?from=1&to=10", 400, "to"),
        ("?from=99", 400, "from"),
        ("?from=1&from=2", 400, "from"),
        ("?from=1&symbol=IBM", 400, "symbol"),
        ("?from=1&fields=none", 400, "fields"),
        ("?from=1&limit=0", 400, "limit"),
        ("?from=1&cursor=x", 400, "cursor"),
    ],
)
def test_what_is_no_question_is_told_by_its_parameter(lived, client, query, status, parameter):
    answer = client.get(DIFF + query)
    assert answer.status_code == status
    assert answer.json()["errors"][0]["parameter"] == parameter


@pytest.mark.parametrize("ends", ["from=2&to=9", "from=2026-01-01"])
def test_what_is_no_longer_kept_is_gone(lived, client, ends):
    lived.db.execute("UPDATE _collection SET horizon = 5")
    lived.db.execute('UPDATE "_commit" SET at = ?', (COLLECTED,))
    answer = client.get(f"{DIFF}?{ends}")
    assert (answer.status_code, answer.json()["type"]) == (410, "/problems/history-gone")
    assert "5" in answer.json()["detail"]


def test_a_record_whose_key_is_the_name_of_the_question_is_read_escaped(client):
    assert client.get("/v1/demo/bars/diff").json()["errors"][0]["parameter"] == "from"
    assert client.get("/v1/demo/bars/%64iff").json()["type"] == "/problems/not-found"


def test_all_pages_compare_with_what_held_at_the_first_one(lived, client):
    """A collector commits after each page: none of it is told, and nothing of what differed is left out."""
    wanted = client.get(f"{DIFF}?from=2&limit=100").json()["data"]
    seen, cursor, revision = [], "", 9
    while cursor is not None:
        page = client.get(f"{DIFF}?from=2&limit=1{f'&cursor={cursor}' if cursor else ''}").json()
        seen, cursor, revision = [*seen, *page["data"]], page["meta"]["next"], revision + 1
        for day in DAYS:
            lived.put(BARS, bar("IBM", day, str(revision)), revision=revision, said_at=at(revision))
    assert len(seen) > 2
    assert seen == wanted


def test_moments_are_looked_for_by_the_index_of_revisions(lived, client):
    """What was committed a day before a moment had ended before it, so it is not looked at: here it would be met."""
    urls = [f"{DIFF}?from={at(6)}&to={at(8)}&limit=", f"/v1/demo/bars?sort=date&as_of={at(6)}&limit="]
    first = [client.get(f"{url}50").json()["data"] for url in urls]
    lived.db.execute(f"UPDATE {BARS.versions} SET _until = ? WHERE _until_revision <= 4", (at(9),))
    assert all(first)
    assert [client.get(f"{url}49").json()["data"] for url in urls] == first
