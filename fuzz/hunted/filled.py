"""A database with a record in every collection, so that every route finds something to answer."""

import json
from datetime import UTC, datetime
from pathlib import Path

from catchment import App
from catchment.apps.episodes.standin import episode_body, season_row, series_body
from catchment.apps.episodes.standin_world import World
from catchment.derive import derive
from catchment.exchange import Answer, Request
from catchment.partitions import Partition
from catchment.plan import State
from catchment.settings import load_settings
from catchment.store.archive import Place
from catchment.store.lease import Outcome
from catchment.store.store import Store
from catchment.store.tables import collections_of

NOW = datetime.now(UTC)
SERIES = {"1. open": "1.5", "2. high": "2", "3. low": "1", "4. close": "1.5", "5. volume": "10"}
STOP = {
    **dict.fromkeys(("operation", "operation_name", "gender", "age_range", "legislation", "object_of_search")),
    **dict.fromkeys(("self_defined_ethnicity", "officer_defined_ethnicity", "location")),
    **dict.fromkeys(("outcome_linked_to_object_of_search", "removal_of_more_than_outer_clothing")),
    "datetime": "2024-03-01T10:00:00+00:00",
    "type": "Person search",
    "involved_person": True,
    "outcome": "Arrest",
}
SHOW = next(World("tiny", 0).series())
PILOT = World("tiny", 0).season(SHOW, 1)[0]
DENIAL = {"priority": "high", "reported_by": 7, "timestamp": NOW.timestamp() - 3600, "source_ip": "145.215.132.183"}
COLLECTED = {  # collection: the partition, and what its upstream answered
    "stocks/splits": (
        {"symbol": "IBM"},
        {"symbol": "IBM", "data": [{"effective_date": "2026-01-02", "split_factor": "2.0"}]},
    ),
    "stocks/dividends": (
        {"symbol": "IBM"},
        {"symbol": "IBM", "data": [{"ex_dividend_date": "2026-01-02", "amount": "0.5"}]},
    ),
    "stocks/bars": (
        {"symbol": "IBM"},
        {"Meta Data": {"2. Symbol": "IBM"}, "Time Series (Daily)": {"2026-01-02": SERIES}},
    ),
    "police/forces": ({}, [{"id": "btp", "name": "Transport"}]),
    "police/availability": ({}, [{"date": "2024-03", "stop-and-search": ["btp"]}]),
    "incidents/identities": ({}, {"10.0.0.1": 7}),
    "incidents/incidents": ({"type": "denial"}, {"results": [DENIAL]}),
    "episodes/series": ({"series": SHOW.id}, series_body(SHOW)),
    "episodes/seasons": (
        {"series": SHOW.id, "season": "1"},
        {"Title": SHOW.title, "Season": "1", "Episodes": [season_row(PILOT)]},
    ),
    "episodes/episodes": ({"id": PILOT.id}, episode_body(PILOT, bare=False)),
    "episodes/search": ({"term": "fox"}, {"Search": [], "totalResults": "0"}),
    "police/stops": ({"force": "btp", "month": "2024-03"}, [STOP]),
}


def fill(folder: Path, apps: list[App]) -> None:
    """Collects one answer into every collected collection."""
    with Store(load_settings({"CATCHMENT_DATA": str(folder)}, folder=folder), apps) as store:
        for collection in (item for app in apps for item in collections_of(app) if not item.written):
            values, content = COLLECTED[collection.name]
            partition = Partition(tuple(values.items()))
            lease = store.ledger.claim(1, collection.name, State(partition), NOW)
            assert lease is not None
            place = Place(collection.name, partition.key, lease.number, lease.attempt)
            answer = Answer(200, json.dumps(content).encode(), NOW)
            page = store.archive.put(place, Request("/x"), "https://upstream.example/x", answer)
            outcome = Outcome("failed", digest=page.digest)
            derive(collection.feed, lease, [page], store.records(collection), outcome, NOW)
