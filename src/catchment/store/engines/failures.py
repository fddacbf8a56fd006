"""PostgreSQL's errors as ours, told apart by their code and class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg

from ...errors import StoreError
from .interface import Broken, Down, Interrupted, Misunderstood, Taken, Undone

__all__ = ["told"]

_CODES: Mapping[str, type[StoreError]] = {
    "23505": Taken,
    "40001": Undone,  # a serialization failure
    "40P01": Undone,  # a deadlock
    "57014": Interrupted,
    "0A000": Down,  # a prepared statement is about a table that was made anew: it is prepared anew
    "55P03": Down,
    "25P03": Down,
    "25006": Down,
    "42501": Broken,
}
_CLASSES: Mapping[str, type[StoreError]] = {
    "08": Down,
    "40": Down,
    "53": Down,
    "57": Down,
    "58": Down,
    "42": Misunderstood,
}


_TELLING = ("22", "28")
"""Whose texts hold values, or who logs in as whom: they are told by their code alone."""


@contextmanager
def told(label: str) -> Iterator[None]:
    """Driver errors become ours, told apart by their code and class."""
    try:
        yield
    except psycopg.Error as error:
        code = error.sqlstate or ""
        lost = Down if isinstance(error, psycopg.OperationalError) and not code else Broken
        kind = _CODES.get(code) or _CLASSES.get(code[:2], lost)
        said = error.diag.message_primary if code and code[:2] not in _TELLING else type(error).__name__
        hint = "see that its server runs and takes connections, then try again" if kind is Down else ""
        raise kind(f"database {label}: {said}{f' [{code}]' if code else ''}", hint=hint) from error
