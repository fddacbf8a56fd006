"""What providers and reviews must be: their normal form, and what is wrong with them. Pure rules."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from catchment import Record, Refusal

from .ranges import DateRange, Free, day_number, free_of, merged, wrong_range
from .shapes import Stars

__all__ = [
    "Provider",
    "Review",
    "check_provider",
    "check_review",
    "folded",
    "normal_provider",
    "normal_review",
    "plain_name",
    "refuse_review",
    "spelled",
    "wrong_text",
]

MOST_SKILLS, MOST_RANGES = 50, 1000
LONGEST_NAME, LONGEST_SKILL, LONGEST_COMMENT = 200, 100, 2000

Text = Annotated[str, msgspec.Meta(min_length=1)]
Ranges = Annotated[list[DateRange], msgspec.Meta(min_length=1, max_length=MOST_RANGES)]


class Provider(Record):
    """Somebody's offer of a service: skills, the cost of a day, and the days that are free."""

    id: str
    user_id: str
    created_at: datetime
    updated_at: datetime
    name: Text
    skills: Annotated[list[Text], msgspec.Meta(min_length=1)]
    cost_in_pence: Annotated[int, msgspec.Meta(ge=1, le=100_000_000)]
    availability: Ranges
    # What searching compares: made from the fields above, never written.
    name_key: str = ""
    skill_keys: list[str] = msgspec.field(default_factory=list)
    free_days: list[Free] = msgspec.field(default_factory=list)


class Review(Record):
    """What somebody thinks of a provider, in general or of one skill. user_id: null where that person was erased."""

    id: str
    user_id: str | None
    created_at: datetime
    updated_at: datetime
    provider: str
    rating: Stars
    skill: Text | None = None
    comment: str | None = None
    comment_state: Literal["none", "held", "published", "refused"] = "none"
    # What searching compares and adds: made from the fields above, never written. rated_day: since 1970-01-01.
    skill_key: str = ""
    hundredths: int = 0
    rated_day: int = 0


# -- texts ----------------------------------------------------------------------------------------------------------

# Every white space but control characters: those are refused, not mended.
_BLANK = " \u00a0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u202f\u205f\u3000"
_BLANKS = re.compile(f"[{_BLANK}]+")
# Letters and signs that are drawn as nothing, beside what Unicode has as blanks, marks and controls.
_EMPTY = "\u115f\u1160\u2800\u3164\uffa0"
_UNSEEN = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Cn", "Mn", "Me"})


# Of no text are more than four signs one in normal form C (UAX #15): what is longer than this is too long in any form.
MOST_SIGNS = 4
LONGEST_WRITTEN = MOST_SIGNS * LONGEST_NAME
"""Signs of a name or skill as it is written, be it in whatever form."""


def _composed(text: str, longest: int) -> str:
    """The text in normal form C. One that is too long in any form stays as it is, to be refused for its length: the
    normal form of a long row of marks takes the square of its length.
    """
    return text if len(text) > MOST_SIGNS * longest else unicodedata.normalize("NFC", text)


def spelled(text: str) -> str:
    """The text in normal form C, with single spaces and none around it."""
    return _composed(_BLANKS.sub(" ", text).strip(" "), LONGEST_NAME)


def plain_name(text: str) -> str:
    """The name in normal form C, with no spaces around it."""
    return _composed(text.strip(_BLANK), LONGEST_NAME)


def folded(text: str) -> str:
    """What is equal for texts that differ in case and spaces alone."""
    return _composed(spelled(text).casefold(), LONGEST_NAME)


def wrong_text(text: str, longest: int, *, lines: bool = False) -> str:
    """Why a text cannot be, "" when it can. lines: it may have several."""
    if not text:
        return "is empty"
    if len(text) > longest:
        return f"is longer than {longest} characters"
    printable = text.isprintable()  # so there is none of these; else every sign has to be looked at
    if not printable and any(unicodedata.category(sign) == "Cc" and not (lines and sign == "\n") for sign in text):
        return "holds a control character"
    if not any(unicodedata.category(sign) not in _UNSEEN and sign not in _EMPTY for sign in text):
        return "holds nothing that is seen"
    return ""


# -- providers ------------------------------------------------------------------------------------------------------


def normal_provider(provider: Provider, _before: Provider | None) -> Provider:
    """The provider with each skill once, its free days in the fewest ranges, and what searching compares."""
    name, skills = (
        plain_name(provider.name),
        {folded(skill): spelled(skill) for skill in reversed(provider.skills)},
    )
    skills = dict(reversed(skills.items()))
    ranges = provider.availability
    if not any(map(wrong_range, ranges)):
        ranges = merged(ranges)
    return msgspec.structs.replace(
        provider,
        name=name,
        skills=list(skills.values()),
        availability=ranges,
        name_key=folded(name),
        skill_keys=list(skills),
        free_days=list(map(free_of, ranges)),
    )


def check_provider(provider: Provider) -> list[tuple[str, str]]:
    """What is wrong with a provider in its normal form: pairs of field and reason."""
    found = [("name", wrong_text(provider.name, LONGEST_NAME))]
    found += [("skills", wrong_text(skill, LONGEST_SKILL)) for skill in provider.skills]
    found += [("availability", wrong_range(item)) for item in provider.availability]
    if len(provider.skills) > MOST_SKILLS:
        found.append(("skills", f"are more than {MOST_SKILLS}"))
    return list(dict.fromkeys(item for item in found if item[1]))


# -- reviews --------------------------------------------------------------------------------------------------------


def normal_review(review: Review, before: Review | None) -> Review:
    """The review with its texts in normal form; a comment that is new waits for a moderator."""
    comment, skill = review.comment, review.skill
    if comment is not None:
        comment = _composed(comment.replace("\r\n", "\n").strip(_BLANK + "\n"), LONGEST_COMMENT)
    state = review.comment_state
    if before is None or before.comment != comment:
        state = "none" if comment is None else "held"
    given = review.updated_at if before is None or before.rating != review.rating else None
    return msgspec.structs.replace(
        review,
        hundredths=int(review.rating * 100),
        rated_day=day_number(given.date()) if given else review.rated_day,
        comment=comment,
        comment_state=state,
        skill=None if skill is None else spelled(skill),
        skill_key="" if skill is None else folded(skill),
    )


def check_review(review: Review) -> list[tuple[str, str]]:
    """What is wrong with a review in its normal form: pairs of field and reason."""
    found = [("rating", "is not 0 to 5")] if not 0 <= review.rating <= 5 else []
    if len(format(review.rating, "f").rstrip("0").partition(".")[2]) > 2:  # its digits: arithmetic gives up at 28
        found.append(("rating", "has more than 2 decimals"))
    if review.comment is None and review.comment_state != "none":
        found.append(("comment_state", "there is no comment to judge"))
    if review.comment is not None and (reason := wrong_text(review.comment, LONGEST_COMMENT, lines=True)):
        found.append(("comment", reason))
    # A skill of spaces alone would be no skill: the review in general.
    if review.skill is not None and (reason := wrong_text(review.skill, LONGEST_SKILL)):
        found.append(("skill", reason))
    return found


def refuse_review(review: Review, principal: Any, view: Any) -> Refusal | None:
    """Why this review is not taken: it is of the writer's own provider, or of a skill that this one has not."""
    provider = view.get("providers", review.provider)
    if provider is None:
        return None  # it was there when the review was written
    if provider.user_id == principal.id:
        return Refusal(403, "A provider is not reviewed by its owner")
    before = view.get("reviews", review.id)
    is_new = before is None or before.skill_key != review.skill_key  # what it has it keeps, whatever was dropped since
    if is_new and review.skill is not None and review.skill_key not in provider.skill_keys:
        return Refusal(422, "skill: the provider has no such skill")
    return None
