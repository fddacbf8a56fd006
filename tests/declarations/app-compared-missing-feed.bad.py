# app doors: feed passages: needs the rows of holders, which is not in the app
from catchment import App, Compared, Feed, Get, Record, Upstream


class Holder(Record):
    badge: str


class Passage(Record):
    badge: str
    person: int | None = None


api = Upstream("doors", "https://doors.example")
holders = Feed("holders", Holder, api, request=Get("/holders"), key=("badge",))
guard = Compared(holders, lambda answer, lookup: "")
passages = Feed("passages", Passage, api, request=Get("/passages"), key=("badge",), guard=guard)
app = App("doors", feeds=[passages])
