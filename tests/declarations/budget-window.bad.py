# Budget: '25 a day' is no window
from catchment import Budget

Budget("25 a day")
