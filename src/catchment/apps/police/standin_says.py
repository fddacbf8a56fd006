"""How the stand-in says a month: what its switches have removed, changed or written in another way since."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Literal

from .standin_data import Record

__all__ = ["Switches", "rendered", "revised"]


@dataclass(frozen=True, slots=True)
class Switches:
    """What can be turned while it runs.

    window, late and records are as the size says when -1. `_since`: from the n-th read of a force-month on; 0 never.
    error_every: each n-th request answers error_status; 0 never. outcome_style: how a missing outcome is written.
    """

    lag: int = 2
    window: int = -1
    late: int = -1
    records: int = -1
    paused_force: str = ""
    unpublished: Literal["[]", "404", "500", "502"] = "[]"
    rate_limit: bool = False
    rate_per_second: float = 15
    rate_burst: int = 30
    retry_after: Literal["none", "seconds", "date"] = "none"
    retry_after_s: int = 2
    ignore_date: bool = False
    outcome_style: Literal["empty", "false", "absent"] = "empty"
    escape_slashes: bool = False
    key_order: Literal["2023", "sorted", "reversed"] = "2023"
    wrong_type: bool = False
    single_object: bool = False
    removed_since: int = 0
    removed_count: int = 1
    added_since: int = 0
    changed_since: int = 0
    error_every: int = 0
    error_status: int = 503
    html: bool = False
    truncated: bool = False
    slow: bool = False
    hang: bool = False


def revised(records: list[Record], read: int, switches: Switches) -> list[Record]:
    """The month as this read of it shows it: something removed, added, changed or broken since."""
    if since(switches.removed_since, read):
        records = without_most_repeated(records, switches.removed_count)
    if since(switches.changed_since, read) and records:
        records = [{**records[0], "object_of_search": "Corrected by the force"}, *records[1:]]
    if since(switches.added_since, read) and records:
        records = [*records, {**records[-1], "operation_name": "Added later"}]
    if switches.wrong_type and records:
        records = [{**records[0], "involved_person": "yes"}, *records[1:]]
    return records


def since(first: int, read: int) -> bool:
    return 0 < first <= read


def without_most_repeated(records: list[Record], count: int) -> list[Record]:
    """All but `count`, taken from the largest groups of equal records first."""
    left = list(records)
    texts = [json.dumps(record, sort_keys=True) for record in records]
    for _ in range(min(count, len(left))):
        place = texts.index(Counter(texts).most_common(1)[0][0])
        del left[place], texts[place]
    return left


def rendered(records: list[Record], switches: Switches) -> bytes:
    """The records as the body says them."""
    styled = [ordered(outcome_styled(record, switches.outcome_style), switches.key_order) for record in records]
    said: object = styled[0] if switches.single_object and styled else styled
    text = json.dumps(said, separators=(",", ":"))
    return (text.replace("/", "\\/") if switches.escape_slashes else text).encode()


def outcome_styled(record: Record, style: str) -> Record:
    if style == "absent":
        record = {name: value for name, value in record.items() if name != "outcome_object"}
    return record if style == "empty" or record["outcome"] else {**record, "outcome": False}


def ordered(record: Record, order: str) -> Record:
    if order == "2023":
        return record
    return {name: record[name] for name in (sorted(record) if order == "sorted" else reversed(list(record)))}
