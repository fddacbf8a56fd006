# Cron: Mars/Base is no time zone
from catchment import Cron

Cron("0 4 * * *", zone="Mars/Base")
