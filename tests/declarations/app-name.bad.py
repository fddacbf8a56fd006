# app My Shop: the name is lower case letters and digits
from catchment import App

App("My Shop", feeds=[])
