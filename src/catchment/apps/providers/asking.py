"""What a request asks for, read from its body or its query into one frozen value, or all that is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec

from catchment.web import PLAIN_NUMBER, Fault, InvalidRecord, QueryError, in_words, unstorable

from .ranges import DateRange, Days, days_of, wrong_range
from .ranking import Score
from .rules import LONGEST_SKILL, LONGEST_WRITTEN, MOST_SKILLS, folded, plain_name
from .shapes import Stars

__all__ = [
    "LIST",
    "MEANINGS",
    "MOST_RANGES",
    "MOST_SKILLS",
    "NEEDED",
    "PAGING",
    "PARAMETERS",
    "RECOMMEND",
    "SEVERAL",
    "SKILL",
    "Filters",
    "Paging",
    "Wanted",
    "filters",
    "paging",
    "read_body",
    "read_query",
    "strangers",
    "wanted",
]

Mode = Literal["any", "all"]
Version = tuple[int, int]
Pairs = Sequence[tuple[str, str]]

MOST_RANGES, DEEPEST = 100, 10_000
_PENCE = Annotated[int, msgspec.Meta(ge=-(10**12), le=10**12)]
_RANGES = Annotated[list[DateRange], msgspec.Meta(max_length=MOST_RANGES)]
SKILL = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_SKILL)]
_SKILLS = Annotated[list[SKILL], msgspec.Meta(max_length=MOST_SKILLS)]

FILTERS: dict[str, Any] = {
    "skills": _SKILLS,
    "skills_mode": Mode,
    "availability": _RANGES,
    "availability_mode": Mode,
}
LIST: Mapping[str, Any] = FILTERS | {
    "name": Annotated[str, msgspec.Meta(max_length=LONGEST_WRITTEN)],
    "cost_gt": _PENCE,
    "cost_lt": _PENCE,
    "reviews_gt": Stars,
    "reviews_lt": Stars,
    "reviews_gte": Stars,
    "reviews_lte": Stars,
}
RECOMMEND: Mapping[str, Any] = FILTERS | {
    "job_budget_in_pence": Annotated[int, msgspec.Meta(ge=1, le=10**12)],
    "expected_job_duration_in_days": Annotated[int, msgspec.Meta(ge=1, le=3660)],
    "minimum_review_rating": Stars,
    "availability_match": Literal["range", "window"],
    "rank": Literal["best", "price"],
    "score": Score,
    "explain": bool,
}
NEEDED = ("job_budget_in_pence", "skills")
"""Without which nothing is recommended."""
PAGING: Mapping[str, Any] = {
    "page": Annotated[int, msgspec.Meta(ge=1, le=DEEPEST)],
    "page_size": Annotated[int, msgspec.Meta(ge=1, le=100)],
    "cursor": Annotated[str, msgspec.Meta(min_length=1, max_length=4096)],
    "count": Literal["none", "exact", "capped"],
}
MEANINGS = {
    "page": "Which page, from 1; page times page_size is at most 10,000: go deeper by `cursor`.",
    "page_size": "Items on a page, 1 to 100; default 10.",
    "cursor": "`next` of the page before.",
    "count": "`exact` counts all that match, `capped` at most 10,000; otherwise nothing is counted.",
    "skill": "Only reviews of this skill.",
    "name": "The name, exactly.",
    "skills": "A skill; may be given several times. Case and double spaces do not matter.",
    "skills_mode": "`any` (default) or `all` of the skills.",
    "cost_gt": "A day costs more than so many pence.",
    "cost_lt": "A day costs less than so many pence.",
    "reviews_gt": "The mean rating is above (in v1_0: at least) this.",
    "reviews_lt": "The mean rating is below (in v1_0: at most) this.",
    "reviews_gte": "The mean rating is at least this.",
    "reviews_lte": "The mean rating is at most this.",
    "available_from": "First day of a wanted range, YYYY-MM-DD; may be given several times, each with an available_to.",
    "available_to": "Last day of a wanted range, YYYY-MM-DD.",
    "availability_mode": "`all` (default) or `any` of the ranges.",
    "job_budget_in_pence": "What the whole job may cost; required.",
    "expected_job_duration_in_days": "Days of work, 1 to 3,660; default 1.",
    "minimum_review_rating": "The least mean rating; above 0 it leaves out who has none.",
    "availability_match": "`range`: every day of a range is free; `window`: a run of days as long as the job.",
    "rank": "`best`: by skills matched, score and cost; `price`: the dearest first.",
    "score": "`bayes` (default), `wilson` or `decayed`.",
    "explain": "`true`: why each is where it is.",
}
PARAMETERS = {
    "list": [*(name for name in LIST if name != "availability"), "available_from", "available_to"],
    "recommend": [*(name for name in RECOMMEND if name != "availability"), "available_from", "available_to"],
}
"""The names of a query's parameters, without those of paging."""
SEVERAL = ("skills", "available_from", "available_to")


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Which providers are meant. skills: folded; rating: pairs of operator and bound on the mean.

    need: days of a run that meets a range (the whole range if that is shorter); 0: always the whole range.
    """

    name: str | None = None
    skills: tuple[str, ...] = ()
    skills_mode: Mode = "any"
    cost_gt: int | None = None
    cost_lt: int | None = None
    rating: tuple[tuple[str, Decimal], ...] = ()
    availability: tuple[Days, ...] = ()
    availability_mode: Mode = "all"
    need: int = 0


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A recommendation: which providers, and in which order. most: pence that a day may cost."""

    filters: Filters
    budget: int
    duration: int
    rank: Literal["best", "price"]
    score: Score
    explain: bool = False


@dataclass(frozen=True, kw_only=True)
class Paging:
    """Which page of how many, and what is counted."""

    page: int = 1
    page_size: int = 10
    cursor: str = ""
    count: Literal["none", "exact", "capped"] = "none"

    @property
    def offset(self) -> int:
        return 0 if self.cursor else (self.page - 1) * self.page_size


# -- members and parameters ----------------------------------------------------------------------------------------


def read_body(body: Any, known: Mapping[str, Any]) -> dict[str, Any]:
    """The typed members of a body; those that are null are left out.

    Raises:
        InvalidRecord: one is unknown, or not of its type.
    """
    if not isinstance(body, dict):
        raise InvalidRecord([Fault("", "a JSON object is wanted")])
    # First: what is no text at all cannot be looked at further.
    faults = list(unstorable(body)) or strangers(body, known)
    if faults:
        raise InvalidRecord(faults)
    return _typed(body, known, strict=True)


def read_query(pairs: Pairs, known: Mapping[str, Any]) -> dict[str, Any]:
    """The typed parameters of a query. `available_from` and `available_to` make the ranges.

    Raises:
        QueryError: 400 for one that is unknown or given twice. InvalidRecord: one is not of its type.
    """
    dates = ("available_from", "available_to") if "availability" in known else ()
    names = [*(name for name in known if name != "availability"), *dates]
    given: dict[str, Any] = {}
    for name, text in pairs:
        if name not in names:
            raise QueryError(f"{name[:100]}: {unknown(name, names)}", kind="unknown-parameter", parameter=name[:100])
        if name in given and name not in SEVERAL:
            raise QueryError(f"{name}: is given twice", kind="repeated-parameter", parameter=name)
        given[name] = [*given.get(name, []), text] if name in SEVERAL else text
    if dates:
        given |= _ranges(given.pop("available_from", []), given.pop("available_to", []))
    if faults := list(unstorable(given)):
        raise InvalidRecord(faults)
    return _typed(given, known, strict=False)


def strangers(body: Mapping[str, Any], known: Sequence[str] | Mapping[str, Any]) -> list[Fault]:
    """The members that are not known, each with the nearest that is. Their names are texts that can be answered."""
    return [Fault(f"/{name[:100]}", unknown(name, known)) for name in body if name not in known]


def unknown(name: str, known: Sequence[str] | Mapping[str, Any]) -> str:
    """That a name is not known, and which one is the nearest."""
    if not known:
        return "is not known; nothing is asked for here"
    nearest = get_close_matches(name[:100], list(known), n=1)
    return f"is not known; did you mean {nearest[0]}?" if nearest else f"is not known; there are {', '.join(known)}"


def _ranges(starts: Sequence[str], ends: Sequence[str]) -> dict[str, Any]:
    if len(starts) != len(ends):
        raise InvalidRecord([Fault("/available_from", "each needs one available_to")])
    pairs = zip(starts, ends, strict=True)
    return {"availability": [{"from_date": start, "to_date": end} for start, end in pairs]} if starts else {}


_PLACE = re.compile(r" - at `\$[^`]*`\Z")


def _typed(given: Mapping[str, Any], known: Mapping[str, Any], *, strict: bool) -> dict[str, Any]:
    values: dict[str, Any] = {}
    faults = []
    for name, value in given.items():
        if value is None:
            continue
        if reason := _not_written(value, known[name], strict=strict):
            faults.append(Fault(f"/{name}", reason))
            continue
        try:
            values[name] = msgspec.convert(value, known[name], strict=strict)
        except msgspec.ValidationError as error:
            faults.append(Fault(f"/{name}", in_words(_PLACE.sub("", str(error)))))
            continue
        faults += [Fault(f"/{name}", reason) for reason in _wrong(name, value, values[name])]
    if faults:
        raise InvalidRecord(faults)
    return values


def _not_written(given: Any, kind: Any, *, strict: bool) -> str:
    """Why a text is not how a number is written: a body has numbers, a query plain decimal digits; "" if it may be."""
    kind = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    if kind not in (int, Decimal) or not isinstance(given, str):
        return ""
    if strict:
        return "is text, not a number"
    return "" if PLAIN_NUMBER.fullmatch(given) and (kind is Decimal or "." not in given) else "is not a number"


def _wrong(name: str, given: Any, value: Any) -> list[str]:
    """What a type lets pass and we do not."""
    if isinstance(value, Decimal) and not (value.is_finite() and 0 <= value <= 5):
        return ["is not a number from 0 to 5"]
    if name == "availability":
        reasons = [fault.message for item in given for fault in strangers(item, ("from_date", "to_date"))]
        return reasons + [reason for item in value if (reason := wrong_range(item))][:1]
    return []


# -- what they mean -------------------------------------------------------------------------------------------------


def paging(values: Mapping[str, Any]) -> Paging:
    """Which page. Raises InvalidRecord for one that is too deep."""
    found = Paging(**{name: values[name] for name in PAGING if name in values})
    if found.page * found.page_size > DEEPEST:
        raise InvalidRecord([Fault("/page", f"times page_size is more than {DEEPEST}; go on by cursor")])
    if found.cursor and found.page > 1:
        raise InvalidRecord([Fault("/page", "is not given with cursor")])
    return found


def filters(values: Mapping[str, Any], version: Version) -> Filters:
    """Which providers a list shows. v1_0 reads `reviews_gt` and `reviews_lt` as including the bound."""
    above, below = ("ge", "le") if version < (1, 1) else ("gt", "lt")
    operators = {"reviews_gt": above, "reviews_lt": below, "reviews_gte": "ge", "reviews_lte": "le"}
    return Filters(
        name=plain_name(values["name"]) if "name" in values else None,
        cost_gt=values.get("cost_gt"),
        cost_lt=values.get("cost_lt"),
        rating=tuple((operator, values[name]) for name, operator in operators.items() if name in values),
        **_common(values),
    )


def _common(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "skills": tuple(dict.fromkeys(folded(skill) for skill in values.get("skills", ()) if folded(skill))),
        "skills_mode": values.get("skills_mode", "any"),
        "availability": tuple(map(days_of, values.get("availability", ()))),
        "availability_mode": values.get("availability_mode", "all"),
    }


@dataclass(frozen=True)
class _Defaults:
    rank: Literal["best", "price"]
    match: Literal["range", "window"]


_DEFAULTS = {(1, 0): _Defaults("price", "range"), (1, 1): _Defaults("best", "window")}


def wanted(values: Mapping[str, Any], version: Version) -> Wanted:
    """What recommendation is wanted.

    Raises:
        InvalidRecord: budget or skills are missing, or the job is longer than every range.
    """
    common, defaults = _common(values), _DEFAULTS[version]
    faults = [] if "job_budget_in_pence" in values else [Fault("/job_budget_in_pence", "is missing")]
    faults += [] if common["skills"] else [Fault("/skills", "at least one is wanted")]
    told, longest = values.get("expected_job_duration_in_days"), _longest(common["availability"])
    if told and longest and told > longest:
        faults.append(Fault("/expected_job_duration_in_days", f"is beyond the longest range, of {longest} days"))
    if faults:
        raise InvalidRecord(faults)
    least = values.get("minimum_review_rating", Decimal(0))
    window = values.get("availability_match", defaults.match) == "window"
    budget, duration = values["job_budget_in_pence"], told or 1
    # cost * duration <= budget, in whole numbers.
    return Wanted(
        filters=Filters(
            cost_lt=budget // duration + 1,
            rating=(("ge", least),) if least else (),
            need=(told or 0) if window else 0,
            **common,
        ),
        budget=budget,
        duration=duration,
        rank=values.get("rank", defaults.rank),
        score=values.get("score", "bayes"),
        explain=values.get("explain", False),
    )


def _longest(ranges: Sequence[Days]) -> int:
    return max((item.end - item.first for item in ranges), default=0)
