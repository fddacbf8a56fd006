"""`X-Revision-At-Least`: who knows of a revision, from whichever process, is not answered from before it."""

from __future__ import annotations

from ..errors import QueryError
from .data import Data

__all__ = ["AT_LEAST", "check_heard"]

AT_LEAST = b"x-revision-at-least"
_DIGITS = 18


def check_heard(data: Data, path: str, wanted: str) -> None:
    """Returns when this process knows of that revision of the collection that is asked by the path.

    Of a path of an app's own it is not said of what the revision is: the database is asked what there is by now.

    Raises:
        QueryError: 400 for what is no revision; 503 for one that there is not yet.
    """
    if not (wanted.isascii() and wanted.isdigit() and len(wanted) <= _DIGITS):
        message = "X-Revision-At-Least is a revision: a whole number"
        raise QueryError(message, kind="bad-request", status=400, parameter="X-Revision-At-Least")
    collection = data.reader.collections.get(_named(path))
    if collection is None or not data.may_read(collection):
        data.reader.states(anew=True)
        return
    for anew in (False, True):
        state = data.reader.states(anew=anew).get(collection.name)
        if state is not None and state.revision >= int(wanted):
            return
    raise QueryError(f"there is no revision {wanted} of it yet", kind="revision-not-there", status=503)


def _named(path: str) -> str:
    """The collection of `/v1/stocks/bars.csv`, or of anything below it."""
    _, _, app, name, *_ = [*path.split("/"), *[""] * 4]
    return f"{app}/{name.partition('.')[0]}" if path.startswith("/v1/") else ""
