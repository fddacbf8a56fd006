"""What is done to stored records when a run has collected: they are filled again, and old ones are removed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from .errors import StoreError
from .feed import Feed
from .fill import refill
from .runs import Result
from .store.store import Store
from .store.tables import Collection

__all__ = ["fill_again", "remove_old"]

log = structlog.get_logger("catchment.upkeep")


async def fill_again(store: Store, collection: Collection, feed: Feed, run: int, now: datetime) -> list[Result]:
    """Fills a feed's stored records again where what they are filled from has changed. A result only where that could
    not be done: the next run does it.
    """
    if feed.derived is None or not store.keeps:
        return []
    try:
        changed = await store.derived(refill, feed, run, store.records(collection), now)
    except StoreError as error:
        return [Result(collection.name, "", None, str(error))]
    except Exception as error:  # a feed's own function raised; the other feeds go on
        log.exception("not filled", feed=collection.name)
        return [Result(collection.name, "", "failed", f"{type(error).__name__}: {error}")]
    if changed:
        log.info("filled", feed=collection.name, records=changed)
    return []


async def remove_old(
    store: Store, collection: Collection, feed: Feed, now: datetime, stopped: Callable[[], bool]
) -> None:
    """Removes what the feed's retention no longer keeps, until it is done or stopped: a later run goes on."""
    if not isinstance(feed.retention, timedelta) or not store.keeps:
        return
    steps = store.sweep(collection, now - feed.retention, keep_bodies=feed.keep_bodies)
    removed = 0
    try:
        while not stopped() and (rows := await store.derived(next, steps, None)) is not None:
            removed += rows
    except StoreError as error:
        log.warning("not swept", feed=collection.name, why=str(error))
    if removed:
        log.info("swept", feed=collection.name, rows=removed)
