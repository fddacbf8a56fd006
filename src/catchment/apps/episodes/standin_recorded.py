"""What OMDb has answered for real: a folder of bodies and of whole exchanges, found by what was asked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["NEEDED", "Recorded", "Said"]

NEEDED = ("game_of_thrones/*.json", "recorded/*.json")
_IGNORED = frozenset({"apikey", "r", "v", "plot", "type"})
_SERIES = "tt0944947"

Asked = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Said:
    """A recorded status and body."""

    status: int
    body: bytes


@dataclass(frozen=True)
class Recorded:
    """What a folder holds: from what was asked to what was said, of the later capture and of the earlier."""

    later: Mapping[Asked, Said]
    earlier: Mapping[Asked, Said]

    @classmethod
    def load(cls, folder: Path) -> Recorded:
        """The folder's content. Of answers to one question the last recorded counts."""
        later = {asked(query): said for query, said in _exchanges(folder / "recorded")}
        bare = folder / "game_of_thrones"
        later |= {
            asked({"i": _SERIES}): _bare(bare / "series_2017-08.json"),
            asked({"i": _SERIES, "Season": "1"}): _bare(bare / "season1_2017-08.json"),
            asked({"i": "tt1480055"}): _bare(bare / "episode_tt1480055_2017-08.json"),
        }
        first = {asked({"i": _SERIES, "Season": "1"}): _bare(bare / "season1_earlier_keyless_era.json")}
        return cls(later | _by_id(later), later | first | _by_id(later))

    def said(self, query: Mapping[str, str], capture: str) -> Said | None:
        """What was said to this question; None where nobody has recorded that."""
        return (self.earlier if capture == "earlier" else self.later).get(asked(query))


def asked(query: Mapping[str, str]) -> Asked:
    """What of a query makes the answer, in one form: names in lower case, without the key and the format."""
    pairs = {name.lower(): value for name, value in query.items()}
    if "s" in pairs:
        pairs.setdefault("page", "1")
    return frozenset((name, value) for name, value in pairs.items() if name not in _IGNORED)


def _bare(path: Path) -> Said:
    return Said(200, path.read_bytes())


def _exchanges(folder: Path) -> Iterator[tuple[Mapping[str, str], Said]]:
    """The envelopes: parameters, status, some headers and the decoded body."""
    for path in sorted(folder.glob("*.json")):
        envelope: dict[str, Any] = json.loads(path.read_bytes())
        body = json.dumps(envelope["body"], ensure_ascii=False).encode()
        if envelope["status"] != 401 or "Request limit" in str(envelope["body"]):
            yield envelope["request"]["params"], Said(envelope["status"], body)


def _by_id(known: Mapping[Asked, Said]) -> dict[Asked, Said]:
    """The same answers for those who ask by id: what was asked by title says its id itself."""
    found = {}
    for said in known.values():
        body = json.loads(said.body)
        if key := body.get("imdbID"):
            found[asked({"i": key})] = said
    return found
