# upstream quotes: https://quotes.example/?key=1 is no base URL
from catchment import Upstream

Upstream("quotes", "https://quotes.example/?key=1")
