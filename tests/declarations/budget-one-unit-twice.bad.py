# Budget: has two windows of one unit
from catchment import Budget

Budget("1/day", "2/day")
