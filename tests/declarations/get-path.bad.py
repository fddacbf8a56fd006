# Get('query'): the path begins with /
from catchment import Get

Get("query")
