"""A row of an answer that is held as drift: what a person wants to see of it. Read from the archive, where an erasure
reaches it.
"""

from __future__ import annotations

from .decode import Reject, decode
from .erased import MARK
from .errors import DecodeError
from .feed import Feed
from .model import model_digest
from .store.desk import Noted
from .store.store import Store

__all__ = ["unreadable_row"]

LOOKED_AT = 4_000_000
"""Bytes of the partition's answers, newest first, that are looked through: a page that is held may be any of a walk's.
The newest is looked through whatever its size."""

SHOWN = 160


def unreadable_row(store: Store, feed: Feed, noted: Noted) -> str:
    """The first row that became no record in what its partition answered last, shortened; "" where there is none."""
    state = store.ledger.states(noted.collection).get(noted.partition)
    if state is None:
        return ""
    seen = 0
    for exchange in store.archive.newest(noted.collection, noted.partition):
        if seen > LOOKED_AT:
            break
        seen += len(exchange.answer.content)
        try:
            rows = decode(feed, state.partition, exchange.answer.content, known=(), model=model_digest(feed))
            if row := next((item.raw for item in rows if isinstance(item, Reject) and item.raw != MARK), None):
                return row[:SHOWN].decode(errors="backslashreplace") + " …" * (len(row) > SHOWN)
        except DecodeError:
            continue  # no answer of this feed
    return ""
