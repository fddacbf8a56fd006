# app shop: feed bars: needs the rows of lists, which is not in the app
from catchment import App, Feed, Get, Record, Upstream, rows_of


class Bar(Record):
    id: str


api = Upstream("quotes", "https://quotes.example")
lists = Feed("lists", Bar, api, request=Get("/"), key=("id",))
bars = Feed("bars", Bar, api, request=Get("/"), key=("id",), partitions=rows_of(lists, list="id"))
App("shop", feeds=[bars])
