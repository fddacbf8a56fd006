"""A resource with more fields than what people wrote with it before: they are added in place, or it is said why not."""

import sqlite3
from contextlib import closing
from datetime import datetime
from typing import Annotated

import msgspec
import pytest
from people import NOW, somebody

from catchment import App, Link, Record, Resource, Rollup
from catchment.clock import FakeClock
from catchment.errors import FieldsDiffer, UsageError
from catchment.serve.app import build
from catchment.settings import Settings
from catchment.store.check import check
from catchment.store.engines.sqlite import File
from catchment.store.planned import apply, look
from catchment.store.store import prepare
from catchment.store.tables import collections_of
from catchment.store.writes import Write, Writer


class Stall(Record):
    """A stall, as it was first declared."""

    id: str
    owner: str
    created_at: datetime
    name: str
    state: str = "new"


class Visit(Record):
    """A visit to a stall."""

    id: str
    owner: str
    stall: str
    spent: int


class Wider(Record):
    """A stall, as it is declared by now: what is new stands between, and one of it is made of the others."""

    id: str
    owner: str
    created_at: datetime
    note: str | None
    name: str
    folded: str = ""
    tags: list[str] = msgspec.field(default_factory=lambda: ["none"])
    state: str = "new"
    level: Annotated[int, msgspec.Meta(ge=1)] = 7


class Needy(Stall, kw_only=True):
    """A stall with something that nobody has written."""

    size: int


class Narrow(Record):
    """A stall with something less."""

    id: str
    owner: str
    created_at: datetime
    name: str


def fold(stall, before):
    """What is new is judged again, and a change is not: nothing has changed."""
    return msgspec.structs.replace(stall, folded=stall.name.casefold(), state="judged" if before is None else "kept")


def app_of(record, **options):
    stalls = Resource("stalls", record, owner="owner", public=True, **options)
    rollups = (Rollup(of="spent", by=("stall",)),) if "lists" in options else ()
    visits = Resource("visits", Visit, about=Link(stalls, "stall"), owner="owner", rollups=rollups, public=True)
    return App("fair", resources=[stalls, visits])


OLD = app_of(Stall, read_only=("state",))
NEW = app_of(Wider, read_only=("folded", "state"), normal=fold, lists=("tags",), sort=("folded",))


@pytest.fixture
def database(tmp_path):
    """What people wrote while the declaration was the old one: a stall that was changed, one that is gone, a visit."""
    path = tmp_path / "catchment.sqlite"
    prepare(File(path), [OLD])
    stalls, visits = collections_of(OLD)
    writer = Writer(File(path), [stalls, visits], FakeClock(NOW))

    def send(collection, action, who, key="", **values):
        def make(before):
            whole = {name: getattr(before, name) for name in ("name", "state")} if before else {}
            return whole | values

        return (
            writer.submit(Write(collection=collection, action=action, principal=somebody(who), key=key, make=make))
            .result()
            .key
        )

    try:
        kept, gone = send(stalls, "create", 1, name="Plums"), send(stalls, "create", 2, name="Nuts")
        send(stalls, "change", 1, kept, name="PEARS")
        writer.submit(Write(collection=stalls, action="delete", principal=somebody(2), key=gone)).result()
        send(visits, "create", 3, stall=kept, spent=40)
    finally:
        writer.close()
    return path


def states(path):
    with closing(sqlite3.connect(path)) as sql:
        return sql.execute("SELECT name, generation, revision FROM _collection ORDER BY name").fetchall()


def rows(path, table):
    with closing(sqlite3.connect(path)) as sql:
        sql.row_factory = sqlite3.Row
        return [dict(row) for row in sql.execute(f'SELECT * FROM "{table}" ORDER BY _id')]


def test_new_fields_are_added_in_place(database):
    before, versions = rows(database, "fair_stalls"), rows(database, "fair_stalls_version")
    prepare(File(database), [NEW])
    (now,) = rows(database, "fair_stalls")
    added = {"note": None, "folded": "pears", "tags": '["none"]', "level": 7}
    own = ("_key", "_version", "_said_at", "_revision", "_author", "name", "state")
    assert {name: now[name] for name in added} == added
    assert {name: now[name] for name in own} == {name: before[0][name] for name in own}
    document = msgspec.json.decode(now["_doc"])
    assert list(document) == ["_key", *Wider.__struct_fields__]
    assert (document["state"], document["tags"], document["level"]) == ("new", ["none"], 7)
    older = rows(database, "fair_stalls_version")
    assert [item["folded"] for item in older] == ["plums", "nuts"]
    ends = ("_key", "_version", "_until", "_until_revision", "_gone")
    assert [[item[name] for name in ends] for item in older] == [[item[name] for name in ends] for item in versions]
    assert [(item.rule, item.shown) for item in check(File(database), collections_of(NEW)) if item.wrong] == []
    assert states(database) == [("fair/stalls", 2, 4), ("fair/visits", 2, 1)]


def test_it_is_shown_before_it_is_done(database):
    planned = look(File(database), [NEW])
    assert [(item.of, item.way, item.says) for item in planned] == [
        ("fair/stalls", "filled", "+ note, + folded, + tags, + level"),
        ("fair/visits", "filled", "tables fair_visits__rollup_0"),
    ]
    assert states(database)[0][1] == 1
    assert apply(File(database), [NEW], planned) == []
    assert states(database)[0][1] == 2
    assert look(File(database), [NEW]) == []


def test_what_nobody_can_fill_is_shown_and_not_done(database):
    needy = app_of(Needy)
    (planned,) = look(File(database), [needy])
    assert (planned.way, planned.says) == ("stands", "nothing says what becomes of size")
    with pytest.raises(UsageError, match="declare a default"):
        apply(File(database), [needy], [planned])
    assert states(database)[0][1] == 1


def test_it_is_done_once(database):
    prepare(File(database), [NEW])
    once = states(database)
    prepare(File(database), [NEW])
    assert states(database) == once


def test_what_is_served_is_the_new_form_and_the_past_is_as_it_was(database):
    prepare(File(database), [NEW])
    settings = Settings().with_values("test", {"CATCHMENT_DATA": str(database.parent)})
    from asgi_client import Client

    front = build([NEW], settings, FakeClock(NOW))
    try:
        client = Client(front, "127.0.0.1")
        (found,) = client.get("/v1/fair/stalls?level=7&folded=pears").json()["data"]
        assert (found["note"], found["tags"]) == (None, ["none"])
        past = client.get("/v1/fair/stalls?as_of=2&sort=folded").json()["data"]
        assert [item["folded"] for item in past] == ["nuts", "plums"]
        history = client.get(f"/v1/fair/stalls/{found['_key']}/history").json()["data"]
        assert [item["record"]["name"] for item in history] == ["PEARS", "Plums"]
    finally:
        front.close()


REFUSED = {
    "has to be written": (Needy, "size"),
    "is declared no more": (Narrow, "state"),
}


@pytest.mark.parametrize(("record", "field"), REFUSED.values(), ids=REFUSED)
def test_anything_else_is_refused_and_changes_nothing(database, record, field):
    before = states(database), rows(database, "fair_stalls")
    with pytest.raises(FieldsDiffer, match=rf"fair/stalls: .*\({field}\)"):
        prepare(File(database), [app_of(record)])
    assert (states(database), rows(database, "fair_stalls")) == before
