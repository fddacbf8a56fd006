# record Bar: has no fields
from catchment import Feed, Get, Record, Upstream


class Bar(Record):
    pass


bars = Feed("bars", Bar, Upstream("quotes", "https://quotes.example"), request=Get("/"), key=("id",))
