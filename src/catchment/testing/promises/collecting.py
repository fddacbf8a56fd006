"""What collectors share over processes: leases and their fences, budgets, revisions; and what one hears of another."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import timedelta

from ...errors import LeaseLost
from ...store.engines import database_of
from ...upstream import Budget
from ..beside import beside
from ..life import ROOT, living
from .trying import New, raises, until

__all__ = ["PROMISES"]

TIMES = 12


def a_lease_that_passed_to_another_process_writes_nothing(new: New) -> None:
    """The fence is inside of the transaction: who slept past its lease is refused, however late it comes."""
    url = new()
    with living(url) as slow, beside(url) as other:
        slow.collect({"id": "a", "whole": 1})
        lease = slow.claim()
        assert lease is not None
        assert other.do("claim") is None
        assert other.do("claim", "two") is not None
        other.do("later", timedelta(hours=2))
        other.do("collect", {"id": "a", "whole": 2})
        before = slow.get("/a/history")
        raises(LeaseLost, lambda: slow.merge(lease, [{"id": "a", "whole": 3}]))
        assert slow.get("/a/history") == before
        assert [item["record"]["whole"] for item in before.json()["data"]] == [2, 1]
        assert slow.contradictions() == []


def what_a_killed_process_held_is_free(new: New) -> None:
    """As soon as the engine has noticed, whatever the clock says; the pass that it had begun is gone on with, under
    another token.
    """
    url = new()
    with living(url) as life, beside(url) as other:
        lost = other.do("claim")
        assert life.claim() is None
        other.kill()
        lease = until(life.claim)
        assert (lease.number, lease.token) == (lost.number, lost.token + 1)
        assert life.merge(lease, [{"id": "a"}]).verdict == "complete"


def processes_spend_one_budget(new: New) -> None:
    """Together exactly what it allows, at the same time and by turns, each window of it."""
    url = new()
    with living(url) as life, beside(url) as other:
        for budget, allowed in ((Budget("7/day"), 7), (Budget("1/second", "1000/day"), 1)):
            other.begin("spend", budget, TIMES)
            mine = life.spend(budget, TIMES)
            assert mine + other.end() == allowed, f"{budget} let {mine} of ours through"
            assert life.spend(budget, 1) == other.do("spend", budget, 1) == 0
            life.later(timedelta(days=1))
            other.do("later", timedelta(days=1))
        assert life.spend(Budget("7/day"), 1) == 1


def revisions_of_processes_have_no_gap(new: New) -> None:
    """Two that commit at once are given one after the other, each state with all that was committed before it."""
    url = new()
    with living(url) as life, beside(url) as other:
        other.begin("collect_often", "two", TIMES)
        life.collect_often("one", TIMES)
        other.end()
        life.collect({"id": "one 0", "whole": 0}, shelf="one")
        with closing(database_of(url).read()) as sql:
            commits = sql.execute("SELECT revision FROM _commit WHERE collection = 'samples/samples' ORDER BY 1")
            assert [number for (number,) in commits] == list(range(1, 2 * TIMES + 2))
        assert life.contradictions() == []


def what_another_process_committed_is_answered(new: New) -> None:
    """To whoever knows of its revision at once; an answer that was kept is given no more."""
    url = new()
    with living(url) as life, beside(url) as other:
        other.do("collect", {"id": "a", "whole": 1})
        tag = life.get("?sort=id").header("etag")
        for whole in (2, 3):
            other.do("collect", {"id": "a", "whole": whole})
            said = life.ask(f"{ROOT}/samples?sort=id", {"x-revision-at-least": str(whole), "if-none-match": tag})
            assert said.status == 200, "an answer from before is taken for one of now"
            assert [row["whole"] for row in said.json()["data"]] == [whole]
            assert said == other.do("get", "?sort=id")
            tag = said.header("etag")
        unchanged = life.ask(f"{ROOT}/samples?sort=id", {"if-none-match": tag})
        assert unchanged.status == 304


PROMISES: tuple[Callable[[New], None], ...] = (
    a_lease_that_passed_to_another_process_writes_nothing,
    what_a_killed_process_held_is_free,
    processes_spend_one_budget,
    revisions_of_processes_have_no_gap,
    what_another_process_committed_is_answered,
)
