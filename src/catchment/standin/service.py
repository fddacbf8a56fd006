"""What an app's stand-in says: requests in, answers out, no sockets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from ..clock import Clock
from ..errors import UsageError
from .faults import Fault

__all__ = ["Answer", "Options", "Request", "Service", "Size"]

Size = Literal["tiny", "small", "medium", "large"]


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it was received.

    query: decoded; of a name given twice the last. headers: names in lower case. target: path and query as sent.
    number: 1 for the first since start or reset; control requests are not counted. at: the stand-in's clock.
    open: requests without a finished answer at that moment, this one included.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    at: datetime
    number: int
    target: str = ""
    open: int = 1


@dataclass(frozen=True, slots=True)
class Answer:
    """What to send back; `fault` spoils how it is sent."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    fault: Fault | None = None

    @classmethod
    def json(cls, value: object, status: int = 200) -> Answer:
        """The answer whose body is `value` as JSON text."""
        return cls(status, json.dumps(value).encode(), (("Content-Type", "application/json"),))


@dataclass(frozen=True, slots=True)
class Options:
    """How large a stand-in is, which of its worlds it shows, and when.

    variant: same variant and clock, same bytes. samples: folder of recorded answers, or None for generated data only.
    clock: the server's; a service reads it once, when it is built, to place its data.
    """

    size: Size
    variant: int
    samples: Path | None
    clock: Clock = field(repr=False)

    def recorded(self, name: str, *patterns: str) -> Path | None:
        """The folder `name` of the recorded answers; None where only generated data is wanted.

        patterns: of the files that have to be there, one of each at least.
        Raises:
            UsageError: one is not; data that was made up must not pass for recorded.
        """
        if self.samples is None:
            return None
        folder = self.samples / name
        for pattern in patterns:
            if not any(folder.glob(pattern)):
                raise UsageError(f"{self.samples} holds no recordings of {name}", hint=f"there is no {name}/{pattern}")
        return folder


class Service(Protocol):
    """An upstream as pure talk: the server owns sockets, faults, holds and the log.

    Switches are `Any` here because each service has its own frozen dataclass of them, which only it reads.
    """

    @property
    def name(self) -> str:
        """The word on the command line, e.g. `police`."""
        ...

    def switches(self) -> Any:
        """The switches as they stand at the start: a frozen dataclass, every field with a value."""
        ...

    def answer(self, request: Request, switches: Any) -> Answer:
        """What the upstream would say."""
        ...

    def reset(self) -> None:
        """Forgets every call: counters and limits are as at the start."""
        ...
