# upstream quotes: the URL holds a password
from catchment import Upstream

Upstream("quotes", "https://me:canary@quotes.example")
