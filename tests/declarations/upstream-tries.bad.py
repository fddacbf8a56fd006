# upstream quotes: tries are waits in seconds
from catchment import Upstream

Upstream("quotes", "https://quotes.example", tries=(-1,))
