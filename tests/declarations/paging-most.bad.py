# by_cursor: most is at least 1
from catchment import by_cursor

by_cursor(most=0)
