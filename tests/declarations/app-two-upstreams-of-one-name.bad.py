# app shop: feed bars: another upstream is called quotes
from catchment import App, Feed, Get, Record, Upstream


class Bar(Record):
    id: str


api = Upstream("quotes", "https://quotes.example")
other = Upstream("quotes", "https://other.example")
bars = Feed("bars", Bar, api, request=Get("/"), key=("id",))
lists = Feed("lists", Bar, other, request=Get("/"), key=("id",))
App("shop", feeds=[bars, lists])
