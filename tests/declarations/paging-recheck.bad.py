# by_page: recheck is none, first or all
from catchment import by_page

by_page(total="total", recheck="some")
