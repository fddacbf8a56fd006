"""What `catchment collect stocks` does, under the name that it had: `python get_raw_data.py`, as often as you like."""

import sys

from catchment.cli import main

sys.argv[1:] = ["collect", "stocks"]
main()
