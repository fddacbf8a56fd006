# by_page: does not say how the last page is known
from catchment import by_page

by_page("page")
