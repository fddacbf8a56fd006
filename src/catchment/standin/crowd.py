"""What made-up people are told who write in an app: where, how many of them, and how they say who they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from ..clock import Clock, SystemClock
from .service import Size

__all__ = ["GATEWAYS", "Crowd", "Gateway"]

Gateway = Literal["user", "none", "malformed", "both", "wrong", "different"]
"""How the gateway in front of them tells their ids: as it should; not at all; as what no id is; in both spellings with
different ones; with that of somebody whose record it is not; with another than the key that it sends along."""

GATEWAYS: tuple[Gateway, ...] = get_args(Gateway)


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """Made-up people, and the service to which they write.

    address: its base URL. variant: same variant, same people. clients: how many write at once. load: how many reviews
    and the like they write, change and delete at once when all is there; 0 for none. key: for `different` alone.
    database: what they write is loaded into that file, below the API, and nothing else happens; None: it is not.
    """

    address: str = ""
    size: Size = "tiny"
    variant: int = 1
    gateway: Gateway = "user"
    clients: int = 1
    load: int = 0
    key: str = field(default="", repr=False)
    database: Path | None = None
    clock: Clock = field(default_factory=SystemClock, repr=False)
