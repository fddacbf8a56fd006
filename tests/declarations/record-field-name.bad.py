# record Bar: field 'Symbol': is no usable name
from catchment import Feed, Get, Record, Upstream


class Bar(Record):
    Symbol: str


bars = Feed("bars", Bar, Upstream("quotes", "https://quotes.example"), request=Get("/"), key=("Symbol",))
