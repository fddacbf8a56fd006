# record Bar: field size: has a type that cannot be stored
from catchment import Feed, Get, Record, Upstream


class Bar(Record):
    size: int | str


bars = Feed("bars", Bar, Upstream("quotes", "https://quotes.example"), request=Get("/"), key=("size",))
