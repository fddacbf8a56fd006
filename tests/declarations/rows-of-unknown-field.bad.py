# rows_of(lists): has no field imdb_id (it has id)
from catchment import Feed, Get, Record, Upstream, rows_of


class Bar(Record):
    id: str


api = Upstream("quotes", "https://quotes.example")
lists = Feed("lists", Bar, api, request=Get("/"), key=("id",))
rows_of(lists, id="imdb_id")
