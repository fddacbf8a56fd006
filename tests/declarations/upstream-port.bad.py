# upstream quotes: https://quotes.example:99999 is no base URL
from catchment import Upstream

Upstream("quotes", "https://quotes.example:99999")
