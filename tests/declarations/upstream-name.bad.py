# upstream Quotes: the name is lower case
from catchment import Upstream

Upstream("Quotes", "https://quotes.example")
