# listed_by(lists): force is not in the list's key
from catchment import Feed, Get, Record, Upstream, listed_by


class Bar(Record):
    id: str


api = Upstream("quotes", "https://quotes.example")
lists = Feed("lists", Bar, api, request=Get("/"), key=("id",))
listed_by(lists, force=["a"])
