"""The recorded upstream data: of each file the app that it goes through, to what, and how many rows it brings there.

The tests that collect the files take their numbers from here: a file in this table is one that some app has read.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["ERROR", "RECORDED", "REPORT", "of"]

ERROR = "an answer without data"
REPORT = "the report of the service before: its shape"

_OMDB = {
    "game_of_thrones/series_2017-08.json": ("series", 1),
    "game_of_thrones/season1_2017-08.json": ("seasons", 10),
    "game_of_thrones/season1_earlier_keyless_era.json": ("seasons", 10),
    "game_of_thrones/episode_tt1480055_2017-08.json": ("episodes", 1),
    "recorded/episode_Band_of_Brothers_episode_5_001.json": ("episodes", 1),
    "recorded/episode_Psych_episode_10_002.json": ("episodes", 1),
    "recorded/episodes_Band_of_Brothers_003.json": ("seasons", 10),
    "recorded/episodes_Battlestar_Galactica_004.json": ("seasons", 13),
    "recorded/episodes_Battlestar_Galactica_005.json": ("seasons", 20),
    "recorded/episodes_Battlestar_Galactica_006.json": ("seasons", 20),
    "recorded/episodes_Battlestar_Galactica_007.json": ("seasons", 21),
    "recorded/episodes_Psych_008.json": ("seasons", 16),
    "recorded/exceptions_bad_api_key_Band_of_Brothers_009.json": (ERROR, 0),
    **{f"recorded/exceptions_limit_reached_order_{10 + page:03}.json": ("search", 10) for page in range(9)},
    "recorded/exceptions_limit_reached_order_019.json": (ERROR, 0),
    "recorded/exceptions_no_results_Band_of_Brothers_020.json": (ERROR, 0),
    "recorded/exceptions_no_results_Random_Movie_Title_021.json": (ERROR, 0),
    "recorded/exceptions_no_results_Random_Movie_Title_022.json": (ERROR, 0),
    "recorded/exceptions_no_results_tt596799_023.json": (ERROR, 0),
    "recorded/exceptions_too_many_results_A_024.json": (ERROR, 0),
}
# Force -> the rows of its months, from January 2019 on.
_FORCES = {
    "avon-and-somerset": (519, 532, 591, 674, 745, 693),
    "cambridgeshire": (272, 144, 187, 138, 117, 234),
    "city-of-london": (153, 147, 130, 185, 162, 167),
    "leicestershire": (240, 276, 277, 211, 276, 259),
}
_POLICE = {
    **{
        f"csv/2019-{month:02}-{force}-stop-and-search.csv": ("stops", rows)
        for force, months in _FORCES.items()
        for month, rows in enumerate(months, 1)
    },
    "csv/2019-04-sussex-stop-and-search.csv": ("stops", 557),
    "csv/2019-05-sussex-stop-and-search.csv": ("stops", 921),
    "api/stops_2023-01_city-of-london.json": ("stops", 165),
    "api/sample_single_stop.json": (ERROR, 0),
    "reference/forces.json": ("forces", 44),
    "reference/crimes-street-dates_2016-12_2019-11.json": ("availability", 1_516),
    "reference/crimes-street-dates_2016-12_2019-11.csv": ("availability", 1_516),
}
_INCIDENTS = {
    "identities_2022-07-26.json": ("identities", 5_000),
    **{
        f"poll_2022-07-26T2050Z/{kind}.json": ("incidents", 300)
        for kind in ("denial", "executable", "intrusion", "misuse", "unauthorized")
    },
    "poll_2022-07-26T2050Z/probing.json": ("incidents", 19),
    "poll_2022-07-26T2050Z/other_ip_half_from_two_earlier_polls.json": ("incidents", 323),
    "downstream_report_2022-07-26_a.json": (REPORT, 3_893),
}
_STOCKS = {
    **{f"sp500/{symbol}_data.csv": ("bars", 1_259) for symbol in ("AAPL", "AMZN", "AOS", "BBY", "CHD")},
    "sp500/BMY_data.csv": ("bars", 1_257),
    "vintages/daily_AAPL_2019-09-20.csv": ("bars", 100),
    "vintages/daily_AAPL_full_2020-05-22.csv": ("bars", 5_031),
    "vintages/daily_AAPL_full_2022-04-12.csv": ("bars", 5_649),
    "vintages/daily_adjusted_AAPL_2018-07-17.csv": ("bars", 4_664),
    "vintages/daily_IBM_2020-07-29.csv": ("bars", 100),
    "vintages/daily_IBM_2022-01-28.csv": ("bars", 100),
}

RECORDED: Mapping[str, Mapping[str, tuple[str, int]]] = {
    "omdb": _OMDB,
    "police": _POLICE,
    "incidents": _INCIDENTS,
    "stocks": _STOCKS,
}
"""Folder -> file in it -> the collection that it goes to, and how many rows it brings."""


def of(folder: str, what: str) -> dict[str, int]:
    """File -> its rows, of those that go to this collection."""
    return {name: rows for name, (to, rows) in RECORDED[folder].items() if to == what}
