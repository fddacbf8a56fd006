# feed passages: derived: name is no field that may be null
from catchment import Derived, Feed, Get, Record, Upstream


class Holder(Record):
    badge: str


class Passage(Record):
    badge: str
    person: int | None = None


api = Upstream("doors", "https://doors.example")
holders = Feed("holders", Holder, api, request=Get("/holders"), key=("badge",))
derived = Derived(holders, lambda record, lookup, before: record, fields=("name",))
passages = Feed("passages", Passage, api, request=Get("/passages"), key=("badge",), derived=derived)
