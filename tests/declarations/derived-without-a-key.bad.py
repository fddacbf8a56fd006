# feed passages: derived: records of holders have no key to look up by
from catchment import CONTENT, Derived, Feed, Get, Record, Upstream


class Holder(Record):
    badge: str


class Passage(Record):
    badge: str
    person: int | None = None


api = Upstream("doors", "https://doors.example")
holders = Feed("holders", Holder, api, request=Get("/holders"), key=CONTENT)
derived = Derived(holders, lambda record, lookup, before: record, fields=("person",))
passages = Feed("passages", Passage, api, request=Get("/passages"), key=("badge",), derived=derived)
