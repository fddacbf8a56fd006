# Compared: records of holders have no key to look up by
from catchment import CONTENT, Compared, Feed, Get, Record, Upstream


class Holder(Record):
    badge: str


api = Upstream("doors", "https://doors.example")
holders = Feed("holders", Holder, api, request=Get("/holders"), key=CONTENT)
guard = Compared(holders, lambda answer, lookup: "")
