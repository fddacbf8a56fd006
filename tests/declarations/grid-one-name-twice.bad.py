# grid: needs two or more sources with different parameters
from catchment import each, grid

grid(each(a=["x"]), each(a=["y"]))
