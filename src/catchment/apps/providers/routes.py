"""The providers app's own routes: the contract of the service that they replace, in its versions 1.0 and 1.1."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, date
from decimal import Decimal
from typing import Any

import msgspec

from catchment.web import (
    Data,
    Done,
    Fault,
    FromPath,
    InvalidRecord,
    QueryError,
    Request,
    Response,
    Route,
    Store,
    Version,
    View,
    Writes,
    Writing,
    delete,
    demand,
    described,
    get,
    parameters,
    patch,
    post,
    put,
    read_members,
    respond,
    unstorable,
    version_tag,
    versions,
)

from . import answers, asking, search
from .asking import Filters, Paging, Wanted
from .desk import Desk
from .ranges import day_number
from .ranking import Prior, bayesian, decayed, wilson
from .rules import folded

__all__ = ["handlers"]

Ask = Request[Any, Any, Any]
Json = dict[str, Any]

MAX_BODY = 256 * 2**10
CAPPED = 10_000
VERSIONS = ((1, 0), (1, 1))
_SHOWN = re.compile(r'\.[0-9a-f]{8}(?=")')

BODY = {
    "name": "SEO Incorporated",
    "skills": ["SEO Optimisation", "Digital Marketing", "Cold Calling"],
    "cost_in_pence": 25000,
    "availability": [{"from_date": "2022-11-12", "to_date": "2022-12-28"}],
}
REVIEW = {"rating": 4.5, "skill": None, "comment": None}
SEARCH = {"skills": ["SEO Optimisation"], "cost_lt": 30000}
JOB = {"job_budget_in_pence": 100000, "expected_job_duration_in_days": 3, "skills": ["SEO Optimisation"]}


# -- what every route does ------------------------------------------------------------------------------------------


def _admit(request: Ask, store: Data, what: str = "writes") -> Desk:
    """The desk, for somebody who may write one more of these. QueryError: 401, 403, 429."""
    demand(store.principal, "write")
    desk = Desk.of(request, store)
    desk.admit(store.principal, "writes", store.now)
    if what != "writes":
        desk.admit(store.principal, what, store.now)
    return desk


def _query(request: Ask, *names: str) -> Json:
    """The typed parameters of the query; no other ones may be there."""
    known = {**asking.LIST, **asking.RECOMMEND, **asking.PAGING, "skill": str}
    return asking.read_query(parameters(request), {name: known[name] for name in names})


async def _body(request: Ask) -> Any:
    return await read_members(request, MAX_BODY)


async def _body_or_nothing(request: Ask) -> Any:
    """The body's value; an empty object where there is no body."""
    given = {name for name, _ in request.scope["headers"]}
    length = request.headers.get("content-length", "")
    return await _body(request) if length not in ("", "0") or b"transfer-encoding" in given else {}


def _meant(writes: Writing, version: tuple[int, int]) -> Writing:
    """What may be written, to the version that `If-Match` names; from v1_1 on it has to name one."""
    if version >= (1, 1) and not writes.if_match:
        raise QueryError("This needs If-Match with the ETag.", kind="if-match-needed", status=428)
    return dataclasses.replace(writes, if_match=_SHOWN.sub("", writes.if_match))


async def _wrote(writing: Awaitable[Done], what: str) -> Done:
    """What was done; not found in the contract's words."""
    try:
        return await writing
    except InvalidRecord as error:
        if any(fault.pointer == "/provider" for fault in error.faults):
            raise answers.absent("Service provider") from error  # it went while its review was on the way
        raise
    except QueryError as error:
        raise answers.absent(what) if error.status == 404 else error from error


def _document(now: View, name: str, key: str) -> tuple[Json, int]:
    """A record and its version; an empty one for none."""
    table = now.tables(name).current
    rows = now.select(search.columns(table, ("_doc", "_version")).where(table.c["_key"] == key.lower()))
    return (msgspec.json.decode(rows[0][0]), rows[0][1]) if rows else ({}, 0)


def _provider(now: View, key: str) -> tuple[Json, int]:
    found = _document(now, "providers", key)
    if not found[1]:
        raise answers.absent("Service provider")
    return found


# -- one provider ---------------------------------------------------------------------------------------------------


@post("/service-provider", operation_class=described("A new provider of yours", {}, body=BODY))
async def create(request: Ask, store: Store, writes: Writes, version: Version) -> Response[bytes]:
    """The provider, with an id of its own."""
    desk = _admit(request, store)
    _query(request)
    members = await asyncio.to_thread(_spelled, store, await _body(request))
    done = await _wrote(writes.create("providers", members), "Service provider")
    place = f"/v{version[0]}_{version[1]}/service-provider/{done.key}"
    return await asyncio.to_thread(_written, store, desk, done, 201, place)


@get("/service-provider/{provider:str}", operation_class=described("One provider", {}))
async def read(request: Ask, store: Store, provider: FromPath[str]) -> Response[bytes]:
    """The provider with its rating."""
    _query(request)
    return await asyncio.to_thread(_read, store, Desk.of(request, store), provider)


@put("/service-provider/{provider:str}", operation_class=described("The provider, replaced as a whole", {}, body=BODY))
async def replace(
    request: Ask, store: Store, writes: Writes, provider: FromPath[str], version: Version
) -> Response[bytes]:
    """The provider as it is now; its id, its owner and its reviews stay."""
    desk = _admit(request, store)
    _query(request)
    members = await asyncio.to_thread(_spelled, store, await _body(request))
    writing = _meant(writes, version).replace("providers", provider.lower(), members)
    return await asyncio.to_thread(_written, store, desk, await _wrote(writing, "Service provider"), 200)


@delete("/service-provider/{provider:str}", status_code=200, operation_class=described("No such provider any more", {}))
async def remove(
    request: Ask, store: Store, writes: Writes, provider: FromPath[str], version: Version
) -> Response[bytes]:
    """An empty object; the provider is gone, its versions stay."""
    _admit(request, store)
    _query(request)
    await _wrote(_meant(writes, version).delete("providers", provider.lower()), "Service provider")
    return respond({})


def _spelled(store: Data, members: Any) -> Any:
    """The members with skills spelled as those spell them who have them already."""
    skills = members.get("skills") if isinstance(members, dict) else None
    if not isinstance(skills, list) or len(skills) > asking.MOST_SKILLS or any(unstorable(skills)):
        return members
    keys = [folded(skill) for skill in skills if isinstance(skill, str)]
    with store.open() as now:
        known = search.spellings(now, keys)
    return members | {
        "skills": [known.get(folded(skill), skill) if isinstance(skill, str) else skill for skill in skills]
    }


def _read(store: Data, desk: Desk, provider: str) -> Response[bytes]:
    with store.open() as now:
        document, version = _provider(now, provider)
        tag = version_tag(
            store, "providers", document["id"], generation=now.state("providers").generation, version=version
        )
        return _shown(now, desk, store, document, tag)


def _written(store: Data, desk: Desk, done: Done, status: int, place: str = "") -> Response[bytes]:
    tag = version_tag(store, "providers", done.key, generation=done.generation, version=done.version)
    with store.open() as now:
        answer = _shown(now, desk, store, msgspec.json.decode(done.doc), tag, status)
    if place:
        answer.headers["location"] = place
    return answer


def _shown(now: View, desk: Desk, store: Data, document: Json, tag: str, status: int = 200) -> Response[bytes]:
    """One provider as an answer."""
    key = document["id"]
    by_skill = search.skill_ratings(now, key, document["skill_keys"])
    body = answers.provider_of(document, search.rated_of(now, key), desk.prior(now, store.now))
    body |= {"skill_ratings": answers.skill_ratings_of(document, by_skill)}
    return respond(body, status, headers={"etag": answers.item_tag(tag, body)})


# -- lists ----------------------------------------------------------------------------------------------------------

_LIST = {name: asking.MEANINGS[name] for name in (*asking.PARAMETERS["list"], *asking.PAGING)}
_PAGES = {name: asking.MEANINGS[name] for name in asking.PAGING}
_JOB = {name: asking.MEANINGS[name] for name in (*asking.PARAMETERS["recommend"], *asking.PAGING)}


@get("/service-providers", operation_class=described("Providers by name", _LIST))
async def list_by_query(request: Ask, store: Store, version: Version) -> Response[bytes]:
    """The providers that match, in the order of their names."""
    values = _query(request, *asking.LIST, *asking.PAGING)
    return await _listed(request, store, version, values, values)


@post("/service-providers", status_code=200, operation_class=described("Providers by name", _PAGES, body=SEARCH))
async def list_by_body(request: Ask, store: Store, version: Version) -> Response[bytes]:
    """The providers that match, in the order of their names."""
    pages = _query(request, *asking.PAGING)
    values = asking.read_body(await _body_or_nothing(request), asking.LIST)
    return await _listed(request, store, version, values, pages)


async def _listed(request: Ask, store: Data, version: tuple[int, int], values: Json, pages: Json) -> Response[bytes]:
    filters, paging = asking.filters(values, version), asking.paging(pages)
    return await asyncio.to_thread(_list, store, Desk.of(request, store), version, filters, paging)


def _list(store: Data, desk: Desk, version: tuple[int, int], filters: Filters, paging: Paging) -> Response[bytes]:
    with store.open() as now:
        walk = _Walk.of(now, store, desk, paging, f"list {version} {filters!r}")
        found, following = walk.page(filters, search.by_name)
        items = [answers.provider_of(item.document, item.rated, walk.prior) for item in found]
        count = _count(now, filters, paging)
    return respond(answers.listing(version, "service_providers", items, paging, following=following, count=count))


def _count(now: View, filters: Filters, paging: Paging) -> int | None:
    if paging.count == "none":
        return None
    return search.count(now, filters, CAPPED if paging.count == "capped" else None)


@get("/service-providers/recommend", operation_class=described("Providers for a job", _JOB))
async def recommend_by_query(request: Ask, store: Store, version: Version) -> Response[bytes]:
    """The providers that can do the job, the best first."""
    values = _query(request, *asking.RECOMMEND, *asking.PAGING)
    return await _recommended(request, store, version, values, values)


@post(
    "/service-providers/recommend", status_code=200, operation_class=described("Providers for a job", _PAGES, body=JOB)
)
async def recommend_by_body(request: Ask, store: Store, version: Version) -> Response[bytes]:
    """The providers that can do the job, the best first."""
    pages = _query(request, *asking.PAGING)
    values = asking.read_body(await _body(request), asking.RECOMMEND)
    return await _recommended(request, store, version, values, pages)


async def _recommended(
    request: Ask, store: Data, version: tuple[int, int], values: Json, pages: Json
) -> Response[bytes]:
    wanted, paging = asking.wanted(values, version), asking.paging(pages)
    return await asyncio.to_thread(_recommend, store, Desk.of(request, store), version, wanted, paging)


def _recommend(store: Data, desk: Desk, version: tuple[int, int], wanted: Wanted, paging: Paging) -> Response[bytes]:
    with store.open() as now:
        walk = _Walk.of(now, store, desk, paging, f"recommend {version} {wanted!r}")
        found, following = walk.page(wanted.filters, walk.ranking(wanted))
        items = [_recommendation(item, wanted, walk) for item in found]
        count = _count(now, wanted.filters, paging)
    content = answers.listing(version, "service_providers", items, paging, following=following, count=count)
    # What depends on the day is not kept until somebody writes.
    changing = wanted.explain or wanted.score == "decayed"
    return respond(content, headers={"cache-control": "no-store"} if changing else None)


def _recommendation(item: search.Found, wanted: Wanted, walk: _Walk) -> Json:
    shown = answers.provider_of(item.document, item.rated, walk.prior)
    score = _score(item, wanted, walk)
    shown["score"] = float(score)
    if wanted.explain:
        shown["match"] = answers.match_of(item, wanted, score, walk.prior, walk.today)
    return shown


def _score(item: search.Found, wanted: Wanted, walk: _Walk) -> Decimal:
    """The score of the kind that is wanted, by the reviews that count for this job."""
    if wanted.score == "decayed":
        skills = wanted.filters.skills if item.by_skills.count else ()
        return decayed(search.by_day(walk.view, item.document["id"], skills), walk.prior, day_number(walk.today))
    return wilson(item.judged) if wanted.score == "wilson" else bayesian(item.judged, walk.prior)


@dataclasses.dataclass(frozen=True)
class _Walk:
    """A list that is read page after page, judged the same from its first page to its last.

    purpose: what is asked, so that a cursor continues no other list. revision: of the reviews when it began.
    after: the place of the last item that was given.
    """

    view: View
    paging: Paging
    purpose: str
    prior: Prior
    today: date
    revision: int
    after: tuple[Any, ...] = ()

    @classmethod
    def of(cls, view: View, store: Data, desk: Desk, paging: Paging, purpose: str) -> _Walk:
        """The walk that the cursor continues, or a new one."""
        if not paging.cursor:
            prior, revision = desk.prior(view, store.now), view.state("reviews").revision
            return cls(view, paging, purpose, prior, store.now.astimezone(UTC).date(), revision)
        known, today, revision, place = view.unseal(purpose, paging.cursor)
        return cls(view, paging, purpose, Prior(*known), date.fromisoformat(today), revision, tuple(place))

    def ranking(self, wanted: Wanted) -> Callable[[Any], search.Order]:
        """The order in which the job's providers come."""
        if wanted.rank == "price":
            return search.by_price
        skills, today = wanted.filters.skills, day_number(self.today)
        return lambda candidates: search.by_rank(self.view, candidates, skills, self.prior, wanted.score, today)

    def page(self, filters: Filters, order: Callable[[Any], search.Order]) -> tuple[list[search.Found], str | None]:
        """The page's providers, and the cursor of the next page where there is one."""
        size, moved = self.paging.page_size, self.view.state("reviews").revision != self.revision
        found = search.find(
            self.view,
            filters,
            order,
            limit=size + 1,
            offset=self.paging.offset,
            after=self.after,
            pinned=self.revision if moved else None,
        )
        if len(found) <= size:
            return found, None
        prior = self.prior.millionths, self.prior.weight, self.prior.version
        place = found[size - 1].place
        return found[:size], self.view.seal(self.purpose, [prior, self.today.isoformat(), self.revision, place])


# -- reviews --------------------------------------------------------------------------------------------------------

_SKILL = {"skill": asking.MEANINGS["skill"]}


@post("/service-provider/{provider:str}/review", operation_class=described("Your review", {}, body=REVIEW))
async def review(request: Ask, store: Store, writes: Writes, provider: FromPath[str]) -> Response[bytes]:
    """The review; a second one of the same provider and skill replaces the first, with 200."""
    _admit(request, store, "reviews")
    _query(request)
    document = await asyncio.to_thread(_found, store, provider)
    members = _about(document, await _body(request))
    done = await _wrote(writes.create("reviews", members), "Service provider")
    return _review_answer(store, done, 201 if done.outcome == "created" else 200)


def _found(store: Data, provider: str) -> Json:
    with store.open() as now:
        return _provider(now, provider)[0]


def _about(document: Json, body: Any) -> Any:
    """The members of a review of this provider, its skill spelled as the provider spells it."""
    if not isinstance(body, dict):
        return body
    _check_members(body, ("rating", "skill", "comment"))
    skill, spellings = body.get("skill"), dict(zip(document["skill_keys"], document["skills"], strict=True))
    if isinstance(skill, str):
        body = body | {"skill": spellings.get(folded(skill), skill)}
    return body | {"provider": document["id"]}


def _check_members(body: Mapping[str, Any], known: Sequence[str]) -> None:
    if faults := list(unstorable(body)) or asking.strangers(body, known):
        raise InvalidRecord(faults)


def _review_answer(store: Data, done: Done, status: int = 200) -> Response[bytes]:
    tag = version_tag(store, "reviews", done.key, generation=done.generation, version=done.version)
    shown = answers.review_of(msgspec.json.decode(done.doc), store.principal)
    return respond(shown, status, headers={"etag": tag})


@get("/service-provider/{provider:str}/reviews", operation_class=described("Reviews, newest first", _SKILL | _PAGES))
async def reviews(request: Ask, store: Store, provider: FromPath[str], version: Version) -> Response[bytes]:
    """The reviews of a provider. A comment is there once it is published."""
    values = _query(request, "skill", *asking.PAGING)
    return await asyncio.to_thread(_reviews, store, provider, version, values)


def _reviews(store: Data, provider: str, version: tuple[int, int], values: Json) -> Response[bytes]:
    paging, skill = asking.paging(values), values.get("skill")
    key = None if skill is None else folded(skill)
    with store.open() as now:
        provider = _provider(now, provider)[0]["id"]
        purpose = f"reviews {version} {provider} {key!r}"
        after = now.unseal(purpose, paging.cursor) if paging.cursor else ()
        size = paging.page_size
        found = search.reviews_of(now, provider, key, limit=size + 1, offset=paging.offset, after=after)
        following = now.seal(purpose, found[size - 1].place) if len(found) > size else None
        count = None if paging.count == "none" else search.count_reviews(now, provider, key)
    if count is not None and paging.count == "capped":
        count = min(count, CAPPED)
    items = [answers.review_of(item.document, store.principal) for item in found[:size]]
    return respond(answers.listing(version, "reviews", items, paging, following=following, count=count))


@get("/service-provider/{provider:str}/review", operation_class=described("Your own review", _SKILL))
async def own_review(request: Ask, store: Store, provider: FromPath[str]) -> Response[bytes]:
    """The caller's own review."""
    demand(store.principal, "write")
    values = _query(request, "skill")
    return await asyncio.to_thread(_own_review, store, provider, values.get("skill"))


def _own_review(store: Data, provider: str, skill: str | None) -> Response[bytes]:
    document, version, generation = _mine(store, provider, skill)
    tag = version_tag(store, "reviews", document["id"], generation=generation, version=version)
    return respond(answers.review_of(document, store.principal), headers={"etag": tag})


def _mine(store: Data, provider: str, skill: str | None) -> tuple[Json, int, int]:
    """The caller's review, its version and the collection's generation."""
    with store.open() as now:
        provider = _provider(now, provider)[0]["id"]
        found = search.review_by(now, provider, store.principal.id, "" if skill is None else folded(skill))
        if found is None:
            raise answers.absent("Review")
        return *_document(now, "reviews", found), now.state("reviews").generation


@patch(
    "/service-provider/{provider:str}/review",
    operation_class=described("Your review, changed", _SKILL, body={"rating": 4.5}),
)
async def change_review(
    request: Ask, store: Store, writes: Writes, provider: FromPath[str], version: Version
) -> Response[bytes]:
    """The caller's own review with some members changed."""
    _admit(request, store, "reviews")
    values, body = _query(request, "skill"), await _body(request)
    if isinstance(body, dict):
        _check_members(body, ("rating", "comment"))
    mine, _, _ = await asyncio.to_thread(_mine, store, provider, values.get("skill"))
    writing = _meant(writes, version).patch("reviews", mine["id"], body)
    return _review_answer(store, await _wrote(writing, "Review"))


@delete(
    "/service-provider/{provider:str}/review",
    status_code=200,
    operation_class=described("Your review no longer there", _SKILL),
)
async def remove_review(
    request: Ask, store: Store, writes: Writes, provider: FromPath[str], version: Version
) -> Response[bytes]:
    """An empty object; the review is gone."""
    _admit(request, store)
    values = _query(request, "skill")
    mine, _, _ = await asyncio.to_thread(_mine, store, provider, values.get("skill"))
    await _wrote(_meant(writes, version).delete("reviews", mine["id"]), "Review")
    return respond({})


_DECISIONS = {"publish": "published", "refuse": "refused"}


@post(
    "/reviews/{review_id:str}/moderation",
    status_code=200,
    operation_class=described("A comment published or refused", {}, body={"decision": "publish"}),
)
async def moderate(request: Ask, store: Store, writes: Writes, review_id: FromPath[str]) -> Response[bytes]:
    """The review with its comment's new state."""
    demand(store.principal, "moderate")
    _query(request)
    body = await _body(request)
    if not isinstance(body, dict) or body.keys() != {"decision"} or body["decision"] not in [*_DECISIONS]:
        raise InvalidRecord([Fault("/decision", "is publish or refuse, and alone")])
    document, tag = await asyncio.to_thread(_moderated, store, review_id)
    if document["comment"] is None:
        raise QueryError("The review has no comment", kind="conflict", status=409)
    # Only the text that was there when it was judged: one that its author changes meanwhile waits for another look.
    judged = dataclasses.replace(writes, if_match=writes.if_match or tag)
    state = _DECISIONS[body["decision"]]
    done = await _wrote(judged.set("reviews", document["id"], comment_state=state), "Review")
    return _review_answer(store, done)


def _moderated(store: Data, review_id: str) -> tuple[Json, str]:
    """The review that is judged, and the tag of its version."""
    with store.open() as now:
        document, version = _document(now, "reviews", review_id)
        if not version or not _document(now, "providers", document["provider"])[1]:
            raise answers.absent("Review")
        generation = now.state("reviews").generation
        return document, version_tag(store, "reviews", document["id"], generation=generation, version=version)


# -- health ---------------------------------------------------------------------------------------------------------


@get("/health", operation_class=described("That the service answers", {}))
async def health() -> Response[bytes]:
    """`ok` while the service answers at all."""
    return respond({"status": "ok"})


ROUTES = (
    *(Route(handler) for handler in (create, read, replace, remove, list_by_query, list_by_body)),
    *(Route(handler) for handler in (recommend_by_query, recommend_by_body, review, reviews, own_review)),
    *(Route(handler) for handler in (change_review, remove_review, moderate, health)),
)


def handlers() -> Sequence[Any]:
    """The routes, under every version of the contract; health stands above them too."""
    return [*versions(ROUTES, VERSIONS, problems=answers.failure), health]
