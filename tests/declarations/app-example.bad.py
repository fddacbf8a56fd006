# app shop: example: prices is no path
from catchment import App

App("shop", example="prices")
