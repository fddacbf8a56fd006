# Budget: New York is no time zone
from catchment import Budget

Budget("25/day", zone="New York")
