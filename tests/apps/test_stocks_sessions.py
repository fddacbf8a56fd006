"""The sessions that are kept are those of the calendar library's locked release, which nobody who asks has to import.

`python tests/apps/test_stocks_sessions.py` writes them anew, for another release.
"""

import json
import subprocess
import sys
from datetime import UTC, date, datetime
from importlib.metadata import version

import pytest
from collecting import collecting

from catchment.apps.stocks.sessions import (
    EXCHANGES,
    KEPT,
    LIBRARY,
    NEW_YORK,
    kept_sessions,
    library_sessions,
    weekdays,
)

NOW = datetime(2026, 1, 31, 17, 0, tzinfo=UTC)


def written() -> str:
    """What the file has to be, by the library that is installed."""
    exchanges = {}
    for exchange in sorted({NEW_YORK, *EXCHANGES.values()}):
        found = library_sessions(exchange)
        last = max(found)
        exchanges[exchange] = {"last": str(last), "others": sorted(map(str, weekdays(last) ^ found))}
    return json.dumps({"release": version(LIBRARY), "exchanges": exchanges}, indent=0) + "\n"


@pytest.mark.storeless
def test_the_sessions_that_are_kept_are_the_librarys():
    """Closed for storms and mourning, open on some Saturdays, and half days are sessions."""
    assert KEPT.read_text() == written(), "write them anew: see above"
    assert kept_sessions("XBOM") == library_sessions("XBOM")
    assert date(2012, 10, 29) not in kept_sessions(NEW_YORK)
    assert date(2012, 11, 23) in kept_sessions(NEW_YORK)


ASKED = """
import sys
from datetime import UTC, datetime
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from asgi_client import Client
from catchment.app import load_app
from catchment.clock import FakeClock
from catchment.serve.app import build
from catchment.settings import load_settings

folder = Path(sys.argv[1])
settings = load_settings({"CATCHMENT_DATA": sys.argv[1], "STOCK_SYMBOLS": "IBM"}, folder=folder, environ={})
front = build([load_app("stocks")], settings, FakeClock(datetime(2026, 1, 31, 17, tzinfo=UTC)))
print(Client(front, "127.0.0.1").get("/api/coverage?symbol=IBM").text)
print({name.partition(".")[0] for name in sys.modules} & {"exchange_calendars", "pandas", "numpy"})
"""


@pytest.mark.once  # what an interpreter imports
def test_the_first_question_for_coverage_imports_no_calendar(tmp_path):
    """In a process of its own, as a server that has just started."""
    with collecting("stocks", tmp_path, now=NOW, switches={"missing_bar": 5}, STOCK_SYMBOLS="IBM") as stocks:
        stocks.run()
    serve = str(KEPT.parents[4] / "tests" / "serve")
    command = [sys.executable, "-c", ASKED, str(tmp_path), serve]
    answer, imported = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split(
        "\n"
    )[:2]
    (found,) = json.loads(answer)["data"]
    assert found["gaps"] == [{"first": "2026-01-26", "last": "2026-01-26", "sessions": 1, "reason": "missing"}]
    assert imported == "set()"


if __name__ == "__main__":
    KEPT.write_text(written())
