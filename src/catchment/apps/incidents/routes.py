"""The incidents app's own routes: the report by employee, what belongs to nobody yet, and how the poll stands."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from catchment import CatchmentError, Cron, Every
from catchment.web import (
    Data,
    Request,
    Response,
    Run,
    Store,
    StoreUnavailable,
    View,
    described,
    get,
    parameters,
    problem,
    read_parameters,
    respond,
)

from . import incidents
from .asking import REPORT, UNATTRIBUTED, Asked, asked_for, unattributed_asked_for
from .report import Report, read_report, read_unattributed
from .rules import SUBJECTS

__all__ = ["ROUTES", "write_report"]

Ask = Request[Any, Any, Any]
Pairs = Sequence[tuple[str, str]]

RETRY_AFTER_S = 30
LONG_S = 30.0
"""How long the report of everything may take to be read, however large it has become."""
DAY = timedelta(days=1)


# -- the report -----------------------------------------------------------------------------------------------------


@get("/incidents", operation_class=described("Incidents by employee and priority", REPORT))
async def report(request: Ask, store: Store) -> Response[bytes]:
    """Employees in numeric order, each with four lists in the order of time."""
    pairs = parameters(request)
    return await asyncio.to_thread(_answer, store, pairs, asked_for, _report)


def _report(now: View, store: Data, pairs: Pairs, asked: Asked) -> Response[bytes]:
    found = read_report(now, asked, store.now)
    headers = {
        "x-incidents-employees": str(found.employees),
        "x-incidents-total": str(found.total),
        "x-incidents-unattributed": str(found.unattributed),
    }
    return _page(found.body, headers | _changed(found.changed_at), "/incidents", pairs, asked, found.next)


@get(
    "/incidents/unattributed",
    operation_class=described("Incidents of which it is not known whose they are", UNATTRIBUTED),
)
async def unattributed(request: Ask, store: Store) -> Response[bytes]:
    """By timestamp, all types merged."""
    pairs = parameters(request)
    return await asyncio.to_thread(_answer, store, pairs, unattributed_asked_for, _unattributed)


def _unattributed(now: View, store: Data, pairs: Pairs, asked: Asked) -> Response[bytes]:
    found = read_unattributed(now, asked, store.now)
    return _page(found.body, _changed(found.changed_at), "/incidents/unattributed", pairs, asked, found.next)


def _page(
    body: bytes, headers: Mapping[str, str], path: str, pairs: Pairs, asked: Asked, following: str
) -> Response[bytes]:
    """The answer; one of several is not kept, since its cursors count from the moment at which it is made."""
    more = dict(headers)
    if asked.limit is not None or asked.cursor:
        more["cache-control"] = "no-store"
    if following:
        query = urlencode([*(pair for pair in pairs if pair[0] != "cursor"), ("cursor", following)])
        more["link"] = f'<{path}?{query}>; rel="next"'
    return respond(body, headers=more)


def _changed(moment: str) -> dict[str, str]:
    found = datetime.fromisoformat(moment) if moment else None
    return {"last-modified": format_datetime(found, usegmt=True)} if found else {}


def _answer(
    store: Data,
    pairs: Pairs,
    read: Callable[[Pairs], Asked],
    content: Callable[[View, Data, Pairs, Asked], Response[bytes]],
) -> Response[bytes]:
    """What may be read; 503 at once while there is nothing yet that deserves to be called a report."""
    store.collection("incidents")  # whoever may not read it is told so
    asked = read(pairs)  # what cannot be asked cannot be asked before there is anything either
    try:
        with store.open(LONG_S) as now:
            if _ready(now):
                now.name_stale("incidents", "type")
                return content(now, store, pairs, asked)
    except StoreUnavailable:
        pass
    refused = problem(503, "There is no report yet: nothing has been collected, or no map of identities.")
    refused.headers["retry-after"] = str(RETRY_AFTER_S)
    return refused


def _ready(now: View) -> bool:
    """Whether there ever was an identity map and the incidents of a type. From then on there is a report."""
    return now.ever_collected("identities") and now.ever_collected("incidents")


# -- how it stands --------------------------------------------------------------------------------------------------


@get("/incidents/status", operation_class=described("How each type, the identity map and the poll stand", {}))
async def status(request: Ask, store: Store) -> Response[bytes]:
    """Computed at each asking from the ledger."""
    read_parameters(parameters(request), {})
    return await asyncio.to_thread(_status, store)


def _status(store: Data) -> Response[bytes]:
    store.collection("incidents")
    with store.open() as now:
        types = {item["params"]["type"]: item for item in map(_plain, now.partitions("incidents"))}
        identities = [_plain(item) for item in now.partitions("identities")]
        runs = now.runs(store.now - DAY)
    content = {
        "types": {kind: _standing(types.get(kind), store.now) for kind in SUBJECTS},
        "identities": _standing(identities[0] if identities else None, store.now),
        "poll": _poll(runs, incidents.schedule.as_set(store.settings), store.now),
    }
    return respond(content, headers={"cache-control": "no-store"})


def _plain(partition: Mapping[str, Any]) -> dict[str, Any]:
    return {**partition, "params": dict(partition["params"])}


def _standing(partition: Mapping[str, Any] | None, now: datetime) -> dict[str, Any]:
    """How one partition stands; one that was never asked is due."""
    if partition is None:
        return {"state": "due", "records": 0, "collected_at": None, "age_s": None, "error": None}
    collected = partition["collected_at"]
    age = now - datetime.fromisoformat(collected) if collected else None
    return {
        "state": partition["verdict"] or "due",
        "records": partition["records"],
        "collected_at": _moment(datetime.fromisoformat(collected)) if collected else None,
        "age_s": int(age.total_seconds()) if age is not None else None,
        "error": partition["reason"] or None,
    }


def _poll(runs: Sequence[Run], schedule: Cron | Every, now: datetime) -> dict[str, Any]:
    """The last poll's beginning, the next one's, whether one is under way, and how many were left out in a day."""
    ended = [(run.started_at, run.ended_at or now) for run in runs if run.ended_at or run.running]
    skipped = {slot for began, end in ended for slot in schedule.missed(began, end)}
    return {
        "last": _moment(max((run.started_at for run in runs), default=None)),
        "next": _moment(schedule.next_after(now)),
        "running": any(run.running for run in runs),
        "skipped": len(skipped),
    }


def _moment(moment: datetime | None) -> str | None:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


# -- the report as a file -------------------------------------------------------------------------------------------


def write_report(store: Data, path: str) -> None:
    """Returns when the file holds the present report, whole: it is written beside and renamed. "" is no file.

    CatchmentError: it cannot be written.
    """
    if not path:
        return
    with store.open() as now:
        if not _ready(now):
            return
        found: Report = read_report(now, Asked(), store.now)
    file = Path(path)
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with beside.open("wb") as out:
            out.write(found.body)
            out.flush()
            os.fsync(out.fileno())
        beside.replace(file)
    except OSError as error:
        raise CatchmentError(f"INCIDENTS_FILE={path} is not written: {error.strerror}") from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


ROUTES = (report, unattributed, status)
