"""What people write: whole or not at all, for the version that was meant, once, with every version and sum kept."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from ...store.engines import database_of
from ..asked import Said
from ..beside import beside
from ..life import ROOT, Life, living, user
from .trying import New

__all__ = ["PROMISES"]

TIMES = 10


def what_people_write_has_versions(new: New) -> None:
    """Created, replaced, merged into, deleted: each state is there as it was, and what is gone is gone from lists."""
    with living(new()) as life:
        made = life.write("POST", "offers", {"text": "a", "price": "1.50", "tags": ["x", "y"]})
        path = f"offers/{made.json()['data']['id']}"
        life.write("PUT", path, {"text": "b"})
        life.write("PATCH", path, {"whole": 2**63 - 1, "tags": ["z"]})
        assert _item(life, path)["text"] == "b"
        life.write("DELETE", path)
        assert [said.status for _, _, said in _told(life)] == [201, 200, 200, 204]
        assert life.ask(f"{ROOT}/{path}").status == 404
        assert life.ask(f"{ROOT}/offers?count=exact").json()["meta"]["count"] == 0
        then = [life.ask(f"{ROOT}/{path}?as_of={number}").json()["data"] for number in (1, 2, 3)]
        assert [(one["text"], one["whole"], one["tags"]) for one in then] == [
            ("a", None, ["x", "y"]),
            ("b", None, []),
            ("b", 2**63 - 1, ["z"]),
        ]
        history = life.ask(f"{ROOT}/{path}/history").json()["data"]
        assert [(item["version"], item["gone"], item["author"]) for item in history] == [
            (3, True, user(1)),
            (2, False, user(1)),
            (1, False, user(1)),
        ]
        assert life.contradictions() == []


def a_write_is_for_the_version_that_was_meant(new: New) -> None:
    """Of two that mean the same version one is done; where versions matter one that names none is refused."""
    with living(new()) as life:
        life.collect({"id": "a"})
        made = life.write("POST", "notes", {"sample": "a", "text": "1"})
        path, tag = f"notes/{made.json()['data']['id']}", made.header("etag")
        assert life.write("PATCH", path, {"text": "none named"}).status == 428
        assert life.write("PATCH", path, {"text": "2"}, if_match=tag).status == 200
        for method, body in (("PATCH", {"text": "late"}), ("PUT", {"text": "late"}), ("DELETE", None)):
            assert life.write(method, path, body, if_match=tag).status == 412
        assert life.write("PATCH", path, {"text": "not mine"}, who=2, if_match="*").status == 403
        assert _item(life, path)["text"] == "2"
        assert life.write("DELETE", path, if_match="*").status == 204


def a_request_that_is_sent_again_writes_once(new: New) -> None:
    """By another process too; the same key with another request is refused, and somebody else's is another one."""
    url, once = new(), "the-first"
    with living(url) as life, beside(url) as other:
        body = {"text": "a"}
        first = life.write("POST", "offers", body, idempotency_key=once)
        again = [
            life.write("POST", "offers", body, idempotency_key=once),
            other.do("write", "POST", "offers", body, idempotency_key=once),
        ]
        assert [(said.status, said.body) for said in again] == [(first.status, first.body)] * 2
        other_request = life.write("POST", "offers", {"text": "b"}, idempotency_key=once)
        assert other_request.status == 422, other_request
        assert life.write("POST", "offers", body, who=2, idempotency_key=once).status == 201
        assert life.ask(f"{ROOT}/offers?count=exact").json()["meta"]["count"] == 2


def a_refused_write_leaves_nothing(new: New) -> None:
    """Of a value that cannot be stored, of what is about nothing, of somebody else's: no row, revision or audit."""
    url = new()
    with living(url) as life:
        path = f"offers/{life.write('POST', 'offers', {'text': 'a'}).json()['data']['id']}"
        before = _rows(url, "samples_offers", "_commit", "_collection")
        refused = [
            *(life.write("POST", "offers", {"text": text}) for text in ("nul \0", "half \ud800")),
            *(life.write("POST", "offers", {"whole": whole}) for whole in (2**63, 1.5)),
            *(life.write("POST", "offers", {"price": price}) for price in ("NaN", "1e999", "")),
            life.write("POST", "offers", b'{"text": "twice", "text": "twice"}'),
            life.write("POST", "reviews", {"offer": "nowhere", "stars": 1}),
            life.write("PATCH", path, {"text": "b"}, who=2),
            life.write("DELETE", path, who=2),
        ]
        assert [said.status // 100 for said in refused] == [4] * len(refused)
        assert _rows(url, "samples_offers", "_commit", "_collection") == before


def sums_are_as_counted_anew(new: New) -> None:
    """Whoever writes at once, in whatever process: sums, counts and what is carried are exact; one each stays one."""
    url = new()
    with living(url) as life, beside(url) as other:
        offer = life.write("POST", "offers", {"text": "a", "price": "2"}).json()["data"]["id"]
        assert life.review(offer, TIMES, who=1).status == 201
        other.begin("review_often", offer, TIMES, who=2)
        for number in range(TIMES):
            life.review(offer, number, who=1 + 2 * (number % 2))
            life.write("PATCH", f"offers/{offer}", {"price": f"{number}.25"})
        assert [said.status for said in other.end()] == [201] + [200] * (TIMES - 1)
        found = life.ask(f"{ROOT}/reviews?sort=owner&count=exact", {"x-revision-at-least": str(2 * TIMES + 1)}).json()
        assert [row["owner"] for row in found["data"]] == [user(number) for number in (1, 2, 3)]
        sums = life.ask(f"{ROOT}/reviews/stats?of=sum(stars),count()").json()["data"]
        assert sums == [{"sum(stars)": "0.26", "count()": 3}], sums
        assert life.contradictions() == []


def who_is_erased_is_nowhere(new: New) -> None:
    """A record, and a person: nothing of them is in any table, and counts are as if they had never been there."""
    url, canary = new(), "canary of a person"
    with living(url) as life:
        offer = life.write("POST", "offers", {"text": canary, "tags": [canary]}, who=2).json()["data"]["id"]
        life.write("PATCH", f"offers/{offer}", {"text": f"{canary} again"}, who=2)
        kept = life.write("POST", "offers", {"text": "kept", "price": "2"}).json()["data"]["id"]
        life.review(kept, 1, who=2)
        life.write("POST", "reviews", {"offer": kept, "stars": 1, "text": canary}, who=3, idempotency_key="once")
        assert canary in _rows(url)
        life.erase("offers", offer)
        life.erase_person(3)
        assert canary not in _rows(url)
        assert user(3) not in _rows(url)
        assert life.ask(f"{ROOT}/offers/{offer}/history").status == 404
        assert life.contradictions() == []


def _item(life: Life, path: str) -> dict[str, object]:
    found: dict[str, object] = life.ask(f"{ROOT}/{path}").json()["data"]
    return found


def _told(life: Life) -> list[tuple[str, str, Said]]:
    return [item for item in life.told if len(item) == 3 and isinstance(item[2], Said)]  # type: ignore[misc]


def _rows(url: str, *tables: str) -> str:
    """Every row of some tables, or of all, as text."""
    with closing(database_of(url).read()) as sql:
        names = tables or sorted(sql.tables())
        return repr([sorted(map(repr, sql.execute(f'SELECT * FROM "{name}"').fetchall())) for name in names])  # noqa: S608


PROMISES: tuple[Callable[[New], None], ...] = (
    what_people_write_has_versions,
    a_write_is_for_the_version_that_was_meant,
    a_request_that_is_sent_again_writes_once,
    a_refused_write_leaves_nothing,
    sums_are_as_counted_anew,
    who_is_erased_is_nowhere,
)
