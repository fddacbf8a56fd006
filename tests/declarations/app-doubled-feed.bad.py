# app shop: has two feeds called bars
from catchment import App, Feed, Get, Record, Upstream


class Bar(Record):
    id: str


api = Upstream("quotes", "https://quotes.example")
bars = Feed("bars", Bar, api, request=Get("/"), key=("id",))
App("shop", feeds=[bars, bars])
