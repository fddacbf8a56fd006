"""What there is to be asked for in the matrix of rights: the apps, what they collected, and what people wrote."""

import json
from collections.abc import Mapping
from pathlib import Path

import market
from many_people import NOW
from people import PLACE, somebody

from catchment.app import App
from catchment.apps import episodes, incidents, police, providers, stocks
from catchment.clock import FakeClock
from catchment.derive import derive
from catchment.exchange import Answer, Request
from catchment.partitions import Partition
from catchment.plan import State
from catchment.settings import load_settings
from catchment.store.archive import Place
from catchment.store.engines import Database
from catchment.store.lease import Outcome
from catchment.store.store import Store
from catchment.store.tables import collections_of
from catchment.store.writes import Write, Writer

REVIEWED = (stocks.app, police.app, providers.app, market.app)
COMMENTED = (incidents.app, episodes.app)
"""The apps that are served together: each half is a test file of its own, so that two cores ask."""

OWNER, OTHER, LISTER, REST, GATEWAYS, JUDGE = range(1, 7)
YEAR = {"from_date": "2026-01-01", "to_date": "2026-12-31"}
PROVIDER = {"name": "Mill", "skills": ["milling"], "cost_in_pence": 100, "availability": [YEAR]}
REVIEW = {"skill": None, "rating": 4, "comment": "canary"}
EPISODE = "tt1480055"

SAID_NOTHING = (  # members that every record of the upstream has
    *("location", "operation", "operation_name", "gender", "age_range", "self_defined_ethnicity"),
    *("officer_defined_ethnicity", "legislation", "object_of_search", "outcome_linked_to_object_of_search"),
    "removal_of_more_than_outer_clothing",
)
SEEN = {"datetime": "2024-03-01T10:00:00+00:00", "type": "Person search", "involved_person": True, "outcome": "Arrest"}
STOP = dict.fromkeys(SAID_NOTHING) | SEEN
SERIES = {"1. open": "1.5", "2. high": "2", "3. low": "1", "4. close": "1.5", "5. volume": "10"}
DAILY = {"Meta Data": {"2. Symbol": "IBM"}, "Time Series (Daily)": {"2026-01-02": SERIES}}
LISTED = {"Title": "Winter Is Coming", "imdbID": EPISODE, "Episode": "1", "Released": "2011-04-17"}
COLLECTED = {  # collection: the partition, and what its upstream answered
    "stocks/bars": ({"symbol": "IBM"}, DAILY),
    "stocks/splits": (
        {"symbol": "IBM"},
        {"symbol": "IBM", "data": [{"effective_date": "2026-01-02", "split_factor": "2.0"}]},
    ),
    "stocks/dividends": (
        {"symbol": "IBM"},
        {"symbol": "IBM", "data": [{"ex_dividend_date": "2026-01-02", "amount": "0.5"}]},
    ),
    "police/forces": ({}, [{"id": "btp", "name": "Transport"}]),
    "police/availability": ({}, [{"date": "2024-03", "stop-and-search": ["btp"]}]),
    "police/stops": ({"force": "btp", "month": "2024-03"}, [STOP]),
    "market/bars": (
        {},
        [{"symbol": name, "date": "2026-01-02", "close": "1.5"} for name in ("IBM", "AAPL")],
    ),
    "incidents/identities": ({}, {"10.0.0.1": 7}),
    "incidents/incidents": (
        {"type": "executable"},
        {"results": [{"priority": "high", "timestamp": 1769860000.5, "machine_ip": "10.0.0.1"}]},
    ),
    "episodes/series": (
        {"series": "tt0944947"},
        {"Title": "Game of Thrones", "imdbID": "tt0944947", "Type": "series", "Year": "2011", "totalSeasons": "1"},
    ),
    "episodes/seasons": ({"series": "tt0944947", "season": "1"}, {"Season": "1", "Episodes": [LISTED]}),
    "episodes/episodes": ({"id": EPISODE}, LISTED | {"Type": "episode", "seriesID": "tt0944947", "Season": "1"}),
    "episodes/search": (
        {"term": "thrones"},
        {
            "Search": [{"Title": "Game of Thrones", "imdbID": "tt0944947", "Type": "series", "Year": "2011"}],
            "totalResults": "1",
        },
    ),
}


def collect(folder: Path, settings: Mapping[str, str], apps: tuple[App, ...]) -> None:
    """A record in every collected collection, with the exchange that it came from."""
    with Store(load_settings(settings, folder=folder), apps) as store:
        for collection in (item for app in apps for item in collections_of(app) if not item.written):
            values, content = COLLECTED[collection.name]
            partition = Partition(tuple(values.items()))
            run = store.ledger.begin_run(collection.app, NOW)
            lease = store.ledger.claim(run, collection.name, State(partition), NOW)
            assert lease is not None
            place = Place(collection.name, partition.key, lease.number, lease.attempt)
            answer = Answer(200, json.dumps(content).encode(), NOW)
            page = store.archive.put(place, Request("/x"), "https://upstream.example/x", answer)
            outcome = Outcome("failed", digest=page.digest)
            derive(collection.feed, lease, [page], store.records(collection), outcome, NOW)


WRITTEN = {  # by its name: the collection, what is written, the label of what it is about, and by whom
    "listed market/places": ("market/places", PLACE, {}, LISTER),
    "listed providers/providers": ("providers/providers", PROVIDER, {}, LISTER),
    "market/places": ("market/places", PLACE, {}, OWNER),
    "providers/providers": ("providers/providers", PROVIDER, {}, OWNER),
    "market/reviews": ("market/reviews", REVIEW, {"place": "listed market/places"}, OWNER),
    "providers/reviews": ("providers/reviews", REVIEW, {"provider": "listed providers/providers"}, OWNER),
    "market/notes": ("market/notes", {"symbol": "IBM", "date": "2026-01-02", "text": "canary"}, {}, OWNER),
    "episodes/comments": ("episodes/comments", {"episode": EPISODE, "text": "canary"}, {}, OWNER),
}


def write(database: Database, apps: tuple[App, ...]) -> Mapping[str, str]:
    """A record of the owner's in every written collection, by its name; what is reviewed is another's."""
    collections = {item.name: item for app in apps for item in collections_of(app)}
    writer, keys = Writer(database, list(collections.values()), FakeClock(NOW)), {}
    try:
        for label, (name, members, about, who) in WRITTEN.items():
            if (collection := collections.get(name)) is None:
                continue
            draft = collection.feed.drafts.new(members | {field: keys[other] for field, other in about.items()})
            asked = Write(
                collection=collection, action="create", principal=somebody(who), make=lambda _, made=draft: made
            )
            keys[label] = writer.submit(asked).result().key
        return keys
    finally:
        writer.close()
