"""What the API's description says of the routes, made of the types that they read and write."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Annotated, Any

import msgspec

from catchment.web import Answer, Body, Parameter, by_version, described

from .. import asking, providers, reviews, shapes

__all__ = [
    "CHANGE",
    "DECISION",
    "GONE",
    "JOB",
    "OFFER",
    "OPINION",
    "SEARCH",
    "paged",
    "shown",
    "stored",
    "writing",
]

Version = tuple[int, int]

_TAGGED = ("ETag", "X-Request-Id")
_BOTH, _KEYS = ("bearer", "key", "gateway"), ("bearer", "key")


# -- bodies ---------------------------------------------------------------------------------------------------------


def _asked(title: str, known: Mapping[str, Any], required: Collection[str] = ()) -> type[msgspec.Struct]:
    """The type of a body that asks: what may be left out may be null too."""
    members = [(name, kind) if name in required else (name, kind | None, None) for name, kind in known.items()]
    return msgspec.defstruct(title, members, kw_only=True, forbid_unknown_fields=True)


_RATED = {"rating": 4.5, "comment": None}
OFFER = Body(providers.example, providers.drafts.body_type("ProviderBody", partial=False))
OPINION = Body(
    _RATED | {"skill": None}, reviews.drafts.body_type("ReviewBody", partial=False, only=("rating", "skill", "comment"))
)
CHANGE = Body({"rating": 4.5}, reviews.drafts.body_type("ReviewPatch", partial=True, only=("rating", "comment")))
DECISION = Body({"decision": "publish"}, shapes.Decision)
SEARCH = Body({"skills": ["SEO Optimisation"], "cost_lt": 30000}, _asked("Search", asking.LIST), optional=True)
JOB = Body(
    {"job_budget_in_pence": 100000, "expected_job_duration_in_days": 3, "skills": ["SEO Optimisation"]},
    _asked("Job", asking.RECOMMEND, asking.NEEDED),
)


# -- parameters -----------------------------------------------------------------------------------------------------

_DAYS = Annotated[list[date], msgspec.Meta(max_length=asking.MOST_RANGES)]


def query(*names: str) -> dict[str, Parameter]:
    """The parameters of a query, as the handlers read them; ranges are given by their days."""
    known = {**asking.LIST, **asking.RECOMMEND, **asking.PAGING, "skill": asking.SKILL}
    known |= {"available_from": _DAYS, "available_to": _DAYS}
    needed = asking.NEEDED if set(asking.NEEDED) <= set(names) else ()
    return {name: Parameter(asking.MEANINGS[name], kind=known[name], required=name in needed) for name in names}


def _headers(version: Version, *, tagged: bool, keyed: bool) -> dict[str, Parameter]:
    words = "The ETag of the version that is meant; another one by now is 412."
    tag = Parameter(words, place="header", required=keyed and version >= (1, 1))
    once = "Your own key for this request: sent again within 24 hours, it writes nothing and answers the same."
    key = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    return {
        **({"If-Match": tag} if tagged else {}),
        "Idempotency-Key": Parameter(once, place="header", kind=key),
    }


_PROVIDER = {"provider": Parameter("The provider's id.", kind=shapes.Id, place="path")}
_REVIEW = {"review_id": Parameter("The review's id.", kind=shapes.Id, place="path")}
_USER = {
    "user-id": Parameter(
        "Who asks, where a trusted gateway says it; who has a key needs none.", place="header", kind=shapes.Id
    )
}


# -- operations -----------------------------------------------------------------------------------------------------


def shown(summary: str, names: Sequence[str], kind: Any, *, own: bool = False) -> Any:
    """Of a route that shows something that may not be there. own: it is the caller's, who says who he is."""
    parameters = _PROVIDER | query(*names) | (_USER if own else {})
    answers = {200: Answer("As it is stored", kind, _TAGGED)}
    return described(summary, parameters, answers=answers, refuses=[404], security=_BOTH if own else ())


def paged(
    summary: str, names: Sequence[str], member: str, item: Any, *, body: Body | None = None, refuses: Sequence[int] = ()
) -> Any:
    """Of a route that gives a page of a list. member: where v1_0 has the items."""

    def told(version: Version) -> Any:
        kind = shapes.page_of(version, member, item)
        answers = {200: Answer("A page of them", kind, _TAGGED if body is None else _TAGGED[1:])}
        parameters = (_PROVIDER if refuses else {}) | query(*names)
        return described(summary, parameters, body=body, answers=answers, refuses=refuses)

    return by_version(told)


def writing(
    summary: str,
    answers: Mapping[int, Answer],
    *,
    names: Sequence[str] = (),
    body: Body | None = None,
    refuses: Sequence[int] = (),
    replaces: bool = False,
) -> Any:
    """Of a route that writes. refuses: beside what any write is refused with; 404 and 412 where a version is meant.

    replaces: it makes something new, and may replace what is there. Who judges, `moderate`, proves it by a key.
    """
    tagged, judges = 404 in refuses, body is DECISION
    path = (_REVIEW if judges else _PROVIDER) if tagged else {}

    def told(version: Version) -> Any:
        headers = _headers(version, tagged=tagged, keyed=tagged and not replaces)
        # 409: what is stored is no longer what is declared; of a judgement, there is nothing to judge.
        meant = (409, 412, *((428,) if version >= (1, 1) else ())) if tagged else ()
        return described(
            summary,
            path | query(*names) | headers | ({} if judges else _USER),
            body=body,
            answers=answers,
            refuses=(*refuses, *meant),
            security=_KEYS if judges else _BOTH,
        )

    return by_version(told)


def stored(kind: Any, words: str = "As it is now", *headers: str) -> Answer:
    """The answer to a write: what is stored by now."""
    return Answer(words, kind, (*headers, *_TAGGED))


GONE = {200: Answer("An empty object", shapes.Nothing)}
