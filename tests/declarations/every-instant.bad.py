# Every: is at least one second
from catchment import Every

Every(seconds=0.5)
