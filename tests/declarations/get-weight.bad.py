# Get('/export'): weight=0 is no whole number of at least 1
from catchment import Get

Get("/export", weight=0)
