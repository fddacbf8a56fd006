"""What a month of 20,000 records and 132 partitions ask of the collector: memory, and manners."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from itertools import pairwise

from collecting import collecting, finished

from catchment.apps.police.standin import PUBLISHERS

NOW = datetime(2026, 3, 20, 4, 0, tzinfo=UTC)
PATH = "/api/stops-force"

# The command, which at its end says the most memory that it ever had (of this program, not of what started it).
MEASURED = """
import atexit, pathlib, sys
def say():
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    sys.stderr.write(next(line for line in lines if line.startswith("VmHWM:")) + "\\n")
atexit.register(say)
from catchment.cli import main
main()
"""


def start(police, *arguments: str, program: str = "from catchment.cli import main; main()") -> subprocess.Popen[str]:
    """`catchment` with these arguments on the same stand-in and data folder; on the machine's own clock."""
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        cwd=police.folder,
        env={"PATH": os.environ["PATH"], **police.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_month_of_20000_records_fits_in_little_memory(tmp_path):
    """Acceptance 9."""
    switches = {"window": 1, "late": 0, "records": 20_000}
    values = {"FORCES": "leicestershire"}
    with collecting("police", tmp_path, now=NOW, switches=switches, real_time=True, **values) as police:
        code, out, err = finished(start(police, "collect", "police", program=MEASURED))
        assert code == 0, out + err
        assert police.sql("SELECT count(*) FROM police_stops") == [(20_000,)]
        assert police.sql("SELECT received, rejected FROM _attempt WHERE feed = 'police/stops'") == [(20_000, 0)]
        assert police.number("SELECT max(size) FROM _exchange") > 8_000_000
    (peak,) = (int(line.split()[1]) for line in err.splitlines() if line.startswith("VmHWM:"))
    assert peak < 150 * 1024, f"{peak / 1024:.0f} MB"


def test_two_collectors_of_132_months_stay_within_the_upstreams_second(tmp_path):
    """Acceptance 6."""
    switches = {"window": 3, "late": 0, "records": 1}
    with collecting(
        "police", tmp_path, now=NOW, size="medium", switches=switches, real_time=True, FORCES="all"
    ) as police:
        workers = [start(police, "collect", "police") for _ in range(2)]
        for code, out, err in [finished(worker) for worker in workers]:
            assert code == 0, out + err
        log = police.control.log()
        assert len(police.asked(PATH)) == 3 * len(PUBLISHERS) == 132
        assert len({entry["target"] for entry in police.asked(PATH)}) == 132
        assert {entry["status"] for entry in log} == {200}
        assert police.control.max_open() <= 4
        assert police.number("SELECT count(*) FROM police_stops") == 132
    times = sorted(entry["received_s"] for entry in log)
    # As they arrived. Without a budget that both share there would be 52 in a second.
    assert most_within(times, 1.0) <= 30
    assert most_within(times, 10.0) <= 165
    assert all(later >= before for before, later in pairwise(times))


def most_within(times: list[float], span: float) -> int:
    """The most moments that any span of this length holds."""
    return max(sum(1 for time in times[first:] if time < begin + span) for first, begin in enumerate(times))
