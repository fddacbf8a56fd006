# {} is no plain parameter name
from catchment import Get

Get("/query/{}")
