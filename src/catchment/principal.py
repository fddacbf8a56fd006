"""Who asks, and what they may: values and rules without I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

__all__ = ["ANONYMOUS", "LOOPBACK", "SCOPES", "Action", "Principal", "Via", "is_user", "may"]

Action = Literal["read", "write", "moderate", "operate"]
Via = Literal["key", "gateway", "loopback", "anonymous"]

SCOPES: tuple[Action, ...] = get_args(Action)
"""What a key can be allowed: to read what is not public, to write, to moderate what others wrote, to operate."""

_NEEDS_IDENTITY = frozenset({"write", "moderate"})
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. No scope contains another one.

    id: UUID text of the user; "" for nobody in particular, who owns nothing and writes nothing.
    via: what says so: a key, a trusted gateway, the address of this machine, or nothing at all.
    """

    id: str = ""
    name: str = ""
    scopes: frozenset[Action] = frozenset()
    key_id: str = ""
    via: Via = "anonymous"


ANONYMOUS = Principal()
LOOPBACK = Principal(scopes=frozenset({"read", "operate"}), via="loopback")


def may(principal: Principal, action: Action) -> bool:
    """Whether the principal may do it at all; whether to this record is the record's rule."""
    return action in principal.scopes and (bool(principal.id) or action not in _NEEDS_IDENTITY)


def is_user(text: str) -> bool:
    """Whether the text is a user's id: a UUID in its canonical form, in lower case."""
    return _UUID.fullmatch(text) is not None
