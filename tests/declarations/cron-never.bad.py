# Cron('0 0 31 2 *'): Bad day-of-month
from catchment import Cron

Cron("0 0 31 2 *")
