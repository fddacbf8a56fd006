# by_offset: short is at least 0, empty 0 to 1, most at least 1
from catchment import by_offset

by_offset(empty=2)
