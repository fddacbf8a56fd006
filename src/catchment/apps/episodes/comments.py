"""Comments that people write on episodes: the record and its rules. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from catchment import Record, Setting

__all__ = ["LONGEST", "MAX_BODY", "OPEN", "Comment", "check_comment", "may_comment"]

LONGEST = 5_000
MAX_BODY = 64 * 2**10


def _true_or_false(text: str) -> str:
    if text not in ("true", "false"):
        raise ValueError("is neither true nor false")
    return text


OPEN = Setting("EPISODES_OPEN_COMMENTS", "false", form=_true_or_false)
"""Whether anybody may write, without a key, as in the service that this one replaces."""


class Comment(Record):
    """What somebody says about an episode. owner: null of one that was written where no key was needed."""

    id: str
    episode: str
    text: str
    owner: str | None
    created_at: datetime
    updated_at: datetime


def check_comment(comment: Comment) -> list[tuple[str, str]]:
    """What is wrong with a comment. Its text is kept as it is; white space around it does not make it one."""
    length = len(comment.text.strip())
    if length == 0:
        return [("text", "is blank")]
    return [("text", f"is longer than {LONGEST} characters")] if length > LONGEST else []


def may_comment(action: str, principal: Any, comment: Comment) -> bool:
    """Whether this person may do that to this comment: the owner.

    One without an owner is everybody's who writes as nobody, which takes EPISODES_OPEN_COMMENTS.
    """
    if action == "create":
        return True
    return bool((comment.owner or "") == principal.id)
