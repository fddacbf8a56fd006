# Cron('99 4 * * *'): Bad minute
from catchment import Cron

Cron("99 4 * * *")
