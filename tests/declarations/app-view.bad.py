# app shop: views: shop_sold is no name of a view, or one of our tables
from catchment import App

App("shop", feeds=[], views={"shop_sold": "SELECT 1"})
