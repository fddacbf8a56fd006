"""`/metrics`: the product's own vital signs, in the text form that Prometheus reads."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from itertools import accumulate

from litestar import Response, get
from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from ..clock import parse_moment
from ..feed import Feed
from ..store.seen import Freshness
from ..store.snapshot import Snapshot
from ..store.tables import Collection
from . import freshness
from .allowance import Allowance, allowances
from .data import Data
from .status import Ask, asked, lately
from .traffic import BOUNDS_S, Count, Traffic

__all__ = ["HANDLERS", "MEDIA_TYPE", "TRAFFIC"]

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
TRAFFIC = "traffic"
"""Where the service's `Traffic` stands in the framework's state."""
_DAY = timedelta(days=1)
Counts = Mapping[tuple[str, str, int], Count]


@get("/metrics")
async def metrics(request: Ask) -> Response[bytes]:
    """How collecting stands, as the store knows it, and what this process answered since it began."""
    data, known = asked(request), lately(request)
    traffic: Traffic = request.app.state[TRAFFIC]
    names = ("metrics", *(item.name for item in data.visible()))
    found = known.get(names, data.now)
    if found is None:
        counts = traffic.counts()
        found = known.put(names, data.now, await asyncio.to_thread(_told, data, counts))
    return Response(found, media_type=MEDIA_TYPE)


def _told(data: Data, counts: Counts) -> bytes:
    with data.reader.snapshot() as snapshot:
        families = [*_collecting(snapshot, data), *_answering(counts)]
    return generate_latest(_Found(families))


class _Found(Collector):
    """What was found, as the library takes it."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


# -- collecting ----------------------------------------------------------------------------------------------------


def _collecting(snapshot: Snapshot, data: Data) -> Iterator[Metric]:
    collections = [item for item in data.visible() if isinstance(item.feed, Feed)]
    ages = {item.name: freshness.read(snapshot, item, data.now, data.settings) for item in collections}
    yield from _ages(ages, data)
    names = list(ages)
    verdicts = _gauge("partitions", "Partitions by the verdict of their last attempt.", "feed", "verdict")
    for name, verdict, count in snapshot.attempts.verdicts(names):
        verdicts.add_metric([name, verdict or "none"], count)
    yield verdicts
    yield from _brought(snapshot, names, data)
    revisions = _gauge("revision", "The revision of the collection.", "collection")
    for item in data.visible():
        revisions.add_metric([item.name], snapshot.state(item).revision)
    yield revisions
    yield from _budgets(snapshot, collections, data)


def _ages(ages: Mapping[str, Freshness], data: Data) -> Iterator[Metric]:
    up = _gauge("feed_up", "1 where no partition is stale or missing, and where none is wanted.", "feed")
    age = _gauge("feed_age_seconds", "Since the oldest partition was collected that is still re-read.", "feed")
    late = _gauge("feed_partitions_late", "Partitions that are stale, or were never collected.", "feed", "state")
    for name, fresh in ages.items():
        up.add_metric(
            [name], not (fresh.stale or fresh.missing or (fresh.oldest is None and _wanted(fresh, name, data)))
        )
        if fresh.oldest is not None:
            age.add_metric([name], max(0.0, (data.now - parse_moment(fresh.oldest)).total_seconds()))
        late.add_metric([name, "stale"], fresh.stale)
        late.add_metric([name, "missing"], fresh.missing)
    return iter((up, age, late))


def _wanted(fresh: Freshness, name: str, data: Data) -> bool:
    """Whether there is anything to collect: settings may want nothing, rows or a list may not be known yet."""
    feed = data.collection(name).feed
    return bool(fresh.partitions) or (isinstance(feed, Feed) and bool(feed.partitions.feeds))


def _brought(snapshot: Snapshot, names: list[str], data: Data) -> Iterator[Metric]:
    """What a day brought. No counters: attempts are swept, and several processes collect into one store."""
    requests = _gauge("feed_requests_day", "Requests of the attempts that ended in the last 24 hours.", "feed")
    records = _gauge("feed_records_day", "Records of those attempts, by what became of them.", "feed", "kind")
    for name, day in snapshot.attempts.brought(names, data.now - _DAY).items():
        requests.add_metric([name], day.requests)
        for kind in ("new", "changed", "same", "rejected"):
            records.add_metric([name, kind], getattr(day, kind))
    return iter((requests, records))


def _budgets(snapshot: Snapshot, collections: list[Collection], data: Data) -> Iterator[Metric]:
    found: list[Allowance] = allowances(snapshot, collections, data)
    left = _gauge("budget_left", "Requests that the upstream allows until its day turns.", "upstream")
    paused = _gauge("upstream_paused", "1 while the upstream is left alone.", "upstream")
    for item in found:
        if item.left is not None:
            left.add_metric([item.upstream], item.left)
        paused.add_metric([item.upstream], item.paused_until is not None)
    return iter((left, paused))


def _gauge(name: str, words: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"catchment_{name}", words, labels=labels)


# -- answering -----------------------------------------------------------------------------------------------------


def _answering(counts: Counts) -> Iterator[Metric]:
    labels = ["route", "method", "status"]
    requests = CounterMetricFamily("catchment_requests", "Requests answered by this process.", labels=labels)
    kept = CounterMetricFamily("catchment_cache_hits", "Of them those answered from memory.", labels=labels)
    words = "Until the answer began, or was whole where it came in one piece."
    took = HistogramMetricFamily("catchment_request_seconds", words, labels=labels)
    for (route, method, status), count in sorted(counts.items()):
        values = [route, method, str(status)]
        requests.add_metric(values, count.all)
        kept.add_metric(values, count.kept)
        bounds = [*map(str, BOUNDS_S), "+Inf"]
        took.add_metric(values, list(zip(bounds, accumulate(count.classes), strict=True)), count.seconds)
    return iter((requests, kept, took))


HANDLERS = (metrics,)
