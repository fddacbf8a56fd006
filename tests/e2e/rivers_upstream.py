"""The upstream of the README's feed, and that feed as it stands there."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from catchment.standin import Answer, Paged, Request

README = (Path(__file__).parents[2] / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
FEED = next(text for kind, text in BLOCKS if kind == "python")

METRES = {
    "avon": {"bath": "0.84", "bristol": "1.10", "evesham": "1.62", "melksham": "1.49", "warwick": "1.90"},
    "severn": {"bewdley": "2.71", "gloucester": "3.05", "shrewsbury": "2.20"},
    "thames": {"teddington": "4.02"},
}


@dataclass(frozen=True)
class Switches:
    """None."""


class Rivers:
    """`/rivers/avon/levels`: rows two objects deep, and the next cursor beside them."""

    name = "rivers"

    def switches(self) -> Switches:
        return Switches()

    def reset(self) -> None:
        """It remembers nothing."""

    def answer(self, request: Request, switches: Switches) -> Answer:
        river = request.path.split("/")[2]
        rows = [
            {"gauge": gauge, "measured_at": f"2026-03-20T03:{30 if gauge > 'f' else 45}:00Z", "metres": float(metres)}
            for gauge, metres in METRES[river].items()
        ]
        query = {"cursor": request.query["after"]} if "after" in request.query else {}
        page = json.loads(Paged("cursor", size=2, key="gauge").answer(replace(request, query=query), rows).body)
        text = json.dumps({"data": {"gauges": page["items"]}, "paging": {"next": page["next_cursor"]}})
        # As its documentation would have it: two decimals, also where the second is 0.
        return Answer(200, re.sub(r'("metres": \d+\.\d)(?=\})', r"\g<1>0", text).encode())


def write_feed(folder: Path, url: str) -> Mapping[str, str]:
    """The settings with which the README's feed, put into this folder, asks the upstream at `url`."""
    (folder / "feeds.py").write_text(FEED)
    return {"CATCHMENT_UPSTREAM_RIVERS": url}
