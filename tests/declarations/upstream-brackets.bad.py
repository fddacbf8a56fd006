# upstream quotes: https://[::1 is no base URL
from catchment import Upstream

Upstream("quotes", "https://[::1")
