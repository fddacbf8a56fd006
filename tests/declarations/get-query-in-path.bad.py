# Get('/query?symbol=IBM'): the path holds a query
from catchment import Get

Get("/query?symbol=IBM")
