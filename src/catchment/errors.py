"""Every error that catchment raises on purpose.

CatchmentError
├── DeclarationError       a feed, upstream or app is declared wrongly (stops the program before it starts)
├── UsageError             a command, flag, setting or file is wrong (exit 2)
│   ├── MissingSecret      a secret's reference leads nowhere
│   └── FieldsDiffer       a record type has other fields than what is stored of it
├── FetchError             one request did not bring a usable answer
│   ├── Refused            we do not send it: address, scheme, redirect, host not allowed
│   ├── Unreachable        no connection, reset, TLS, name not resolved
│   ├── DeadlineExceeded   the whole request took too long
│   ├── Incomplete         the body ended early or cannot be proved whole
│   └── TooLarge           over a cap: wire bytes, decoded bytes, ratio, headers
├── BudgetSpent            the upstream's allowance is used up for longer than we wait; the partition stays due
├── PagingError            the pages of a partition do not prove that they are all of it (nothing is stored)
├── DecodeError            a body is not what the feed says it is (the attempt fails, nothing is stored)
├── StoreError             the database did not do it
│   ├── StoreUnavailable   locked, full, gone: try again
│   ├── SchemaTooNew       written by a newer catchment
│   ├── SchemaTooOld       written by an older catchment: migrate it
│   ├── LeaseLost          another worker holds this partition; our transaction was rolled back
│   └── MergeOutdated      rows changed between comparing and writing: compare again
└── QueryError             a reader asked for something that cannot be answered (a 4xx problem)
    ├── Concealed           a record is somebody else's, and its being there is not told
    └── TooManyWrites      somebody has written as much as one may for now
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from difflib import get_close_matches

__all__ = [
    "BudgetSpent",
    "CatchmentError",
    "Concealed",
    "DeadlineExceeded",
    "DeclarationError",
    "DecodeError",
    "FetchError",
    "FieldsDiffer",
    "Incomplete",
    "LeaseLost",
    "MergeOutdated",
    "MissingSecret",
    "PagingError",
    "QueryError",
    "Refused",
    "SchemaTooNew",
    "SchemaTooOld",
    "StoreError",
    "StoreUnavailable",
    "TooLarge",
    "TooManyWrites",
    "Unreachable",
    "UsageError",
    "choices",
]


def choices(text: str, known: Sequence[str]) -> str:
    """What there is in place of what was written, the nearest first: a hint."""
    near = "".join(f"did you mean {name}? " for name in get_close_matches(text[:80], known, n=1, cutoff=0.5))
    return f"{near}there are {', '.join(known) or 'none'}"


class CatchmentError(Exception):
    """The root: `message` says what is wrong, `hint` what to do next (may be empty)."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class DeclarationError(CatchmentError):
    """A declaration is wrong; `where` names it, e.g. `feed bars: key`."""

    def __init__(self, where: str, message: str, *, hint: str = "") -> None:
        super().__init__(f"{where}: {message}", hint=hint)
        self.where = where


class UsageError(CatchmentError):
    """What a person asked for cannot be done as asked."""


class MissingSecret(UsageError):
    """A secret is referred to, but its reference holds nothing."""

    def __init__(self, name: str, *, hint: str) -> None:
        super().__init__(f"secret {name} is not set", hint=hint)
        self.name = name


class FieldsDiffer(UsageError):
    """A collection is stored with other fields than its record type declares.

    mend: the command that derives it again, "" where nothing can: people wrote it.
    """

    def __init__(self, collection: str, fields: Sequence[str], *, mend: str) -> None:
        names = ", ".join(dict.fromkeys(fields))
        super().__init__(
            f"collection {collection}: the stored fields are not the declared ones ({names})",
            hint=f"run {mend}: it derives the records again from the archive, and asks no upstream"
            if mend
            else "take the declaration back, or collect into another folder by --data",
        )


class FetchError(CatchmentError):
    """One request brought no usable answer. `cause` is one word for the ledger; nothing here holds a secret."""

    cause = "fetch"

    def __init__(self, message: str, *, cause: str = "", retry: bool = True, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.cause = cause or type(self).cause
        self.retry = retry


class Refused(FetchError):
    """The request is not sent, or its answer not followed."""

    cause = "refused"

    def __init__(self, message: str, *, cause: str = "", hint: str = "") -> None:
        super().__init__(message, cause=cause, retry=False, hint=hint)


class Unreachable(FetchError):
    """No answer came: connection, TLS or name."""

    cause = "unreachable"


class DeadlineExceeded(FetchError):
    """The request as a whole took longer than its deadline."""

    cause = "deadline"


class Incomplete(FetchError):
    """The answer ended before its end, or its end cannot be proved."""

    cause = "incomplete"


class TooLarge(FetchError):
    """The answer passes a cap."""

    cause = "too-large"

    def __init__(self, message: str, *, cause: str = "", hint: str = "") -> None:
        super().__init__(message, cause=cause, retry=False, hint=hint)


class BudgetSpent(CatchmentError):
    """No request to this upstream before `until`. resting: it has failed too often, and is left alone."""

    def __init__(self, upstream: str, until: datetime, reason: str, *, resting: bool = False) -> None:
        super().__init__(f"{upstream}: no request before {until:%Y-%m-%d %H:%M} UTC ({reason})")
        self.upstream = upstream
        self.until = until
        self.reason = reason
        self.resting = resting


class PagingError(CatchmentError):
    """A walk over pages that cannot be proved whole. `reason` is one word for the ledger.

    keys: of the records that show it, where there are some.
    """

    def __init__(self, reason: str, message: str, *, hint: str = "", keys: frozenset[str] = frozenset()) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason
        self.keys = keys

    @property
    def passing(self) -> bool:
        """Whether another walk may end better: the upstream changed meanwhile, or forgot its cursor."""
        return self.reason in ("unstable", "short", "expired")


class DecodeError(CatchmentError):
    """A body is not what the feed declares. `reason` is one word for the ledger; `field`: where it is about one;
    `sample`: some of its rows.
    """

    def __init__(self, message: str, *, reason: str = "shape", field: str = "", sample: Sequence[bytes] = ()) -> None:
        super().__init__(message)
        self.reason = reason
        self.field = field
        self.sample = tuple(sample)


class StoreError(CatchmentError):
    """The store did not do what was asked; nothing was half done."""


class StoreUnavailable(StoreError):
    """The store cannot be used just now."""


class SchemaTooNew(StoreError):
    """The data was written by a newer version."""


class SchemaTooOld(StoreError):
    """The database was written by an older catchment; `catchment migrate` brings it here."""


class LeaseLost(StoreError):
    """The lease token is no longer ours; the transaction was rolled back."""

    def __init__(self, partition: str) -> None:
        super().__init__(f"lease of {partition} is held by another worker")
        self.partition = partition


class MergeOutdated(StoreError):
    """Stored rows changed after they were compared; compare again."""


class QueryError(CatchmentError):
    """A request that cannot be answered. `kind` is the problem type, `parameter` what to mend (may be empty)."""

    def __init__(self, message: str, *, kind: str = "bad-request", status: int = 400, parameter: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.status = status
        self.parameter = parameter


class Concealed(QueryError):
    """A record is somebody else's, and its being there is not told: for whoever asks there is none."""

    def __init__(self) -> None:
        super().__init__("there is no such record", kind="not-found", status=404)


class TooManyWrites(QueryError):
    """Somebody has written as much as one may for now; more in `wait_s` seconds. policy: the limit, for a header."""

    def __init__(self, wait_s: int, *, policy: str = "") -> None:
        message = f"You have written as much as one may for now; write again in {wait_s} s."
        super().__init__(message, kind="too-many-requests", status=429)
        self.wait_s = wait_s
        self.policy = policy
