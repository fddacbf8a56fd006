# upstream quotes: ftp://quotes.example is no base URL
from catchment import Upstream

Upstream("quotes", "ftp://quotes.example")
