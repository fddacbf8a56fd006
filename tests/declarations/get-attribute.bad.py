# {symbol.__class__} is no plain parameter name
from catchment import Get

Get("/query", symbol="{symbol.__class__}")
