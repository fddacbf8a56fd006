# Budget: '0/day' is no window
from catchment import Budget

Budget("0/day")
