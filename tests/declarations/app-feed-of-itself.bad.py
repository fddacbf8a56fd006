# app shop: feed lists: depends on itself: lists > lists
from catchment import App, Feed, Get, Record, Upstream, rows_of


class Bar(Record):
    id: str


api = Upstream("quotes", "https://quotes.example")
first = Feed("lists", Bar, api, request=Get("/"), key=("id",))
lists = Feed("lists", Bar, api, request=Get("/"), key=("id",), partitions=rows_of(first, list="id"))
App("shop", feeds=[lists])
