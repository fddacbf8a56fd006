# record Bar: field count: means something else in a query (e.g. count_value)
from catchment import Feed, Get, Record, Upstream


class Bar(Record):
    count: int


bars = Feed("bars", Bar, Upstream("quotes", "https://quotes.example"), request=Get("/"), key=("count",))
