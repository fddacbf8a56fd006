# Budget: burst and concurrency are at least 1
from catchment import Budget

Budget("1/second", burst=0)
