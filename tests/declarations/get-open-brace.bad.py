# Get('/query/{symbol'):
from catchment import Get

Get("/query/{symbol")
