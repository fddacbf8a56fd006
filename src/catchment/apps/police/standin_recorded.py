"""A folder of recorded answers, as the stand-in serves it: CSV rows in the form of the JSON records."""

from __future__ import annotations

import csv
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

from .standin_data import OUTCOMES, Record

__all__ = ["Recorded"]


@dataclass(frozen=True)
class Recorded:
    """What a folder of recorded answers holds. availability: newest first, with the months that only files have."""

    forces: dict[str, str]
    availability: dict[str, list[str]]
    files: Mapping[tuple[str, str], Path]
    single: bytes

    needed: ClassVar = ("reference/forces.json", "reference/crimes-street-dates_*.json", "api/sample_single_stop.json")

    @classmethod
    def load(cls, folder: Path) -> Recorded:
        """The folder's content."""
        files = {force_month(path): path for path in sorted((folder / "csv").glob("*.csv"))}
        files |= {force_month(path): path for path in sorted((folder / "api").glob("stops_*.json"))}
        listed = next(iter(sorted((folder / "reference").glob("crimes-street-dates_*.json"))))
        months: dict[str, set[str]] = {
            row["date"]: set(row["stop-and-search"]) for row in json.loads(listed.read_bytes())
        }
        for force, month in files:
            months.setdefault(month, set()).add(force)
        forces = json.loads((folder / "reference" / "forces.json").read_bytes())
        return cls(
            {row["id"]: row["name"] for row in forces},
            {month: sorted(months[month]) for month in sorted(months, reverse=True)},
            files,
            (folder / "api" / "sample_single_stop.json").read_bytes(),
        )

    def read(self, force: str, month: str) -> list[Record]:
        """The file's records, one for each of its rows, in its order."""
        return list(read_recorded(self.files[force, month]))


def force_month(path: Path) -> tuple[str, str]:
    """Force and month that a recorded file is of, by its name."""
    stem = path.stem.removeprefix("stops_").removesuffix("-stop-and-search")
    return stem[8:], stem[:7]


@lru_cache(maxsize=64)
def read_recorded(path: Path) -> tuple[Record, ...]:
    if path.suffix == ".json":
        return tuple(json.loads(path.read_bytes()))
    with path.open(newline="", encoding="utf-8-sig") as lines:
        return tuple(record_of_row(row) for row in csv.DictReader(lines))


def record_of_row(row: Mapping[str, str]) -> Record:
    """The JSON record of which this CSV row is the other form.

    The CSV leaves out whether a person was involved (the type says it), and the street: its id is derived from the
    map point, which stands for one street, and its name is blank, as the upstream writes it where it knows none.
    """
    outcome = row["Outcome"]
    return {
        "age_range": row["Age range"] or None,
        "outcome": outcome,
        "involved_person": row["Type"].startswith("Person"),
        "self_defined_ethnicity": row["Self-defined ethnicity"] or None,
        "gender": row["Gender"] or None,
        "legislation": row["Legislation"] or None,
        "outcome_linked_to_object_of_search": truth(row["Outcome linked to object of search"]),
        "datetime": row["Date"],
        "removal_of_more_than_outer_clothing": truth(row["Removal of more than just outer clothing"]),
        "outcome_object": {"id": outcome_id(outcome), "name": outcome},
        "location": place_of_row(row["Latitude"], row["Longitude"]),
        "operation": truth(row["Part of a policing operation"]),
        "officer_defined_ethnicity": row["Officer-defined ethnicity"] or None,
        "type": row["Type"] or None,
        "operation_name": row["Policing operation"] or None,
        "object_of_search": row["Object of search"] or None,
    }


def truth(said: str) -> bool | None:
    return {"True": True, "False": False, "": None}[said]


def outcome_id(outcome: str) -> str:
    """The upstream's id of an outcome; of one it has no other word for, made in the same way."""
    if outcome in OUTCOMES:
        return OUTCOMES[outcome][0]
    return "bu-" + re.sub(r"[^a-z]+", "-", outcome.lower()).strip("-")


def place_of_row(latitude: str, longitude: str) -> Record | None:
    if not latitude or not longitude:
        return None
    street = {"id": zlib.crc32(f"{latitude},{longitude}".encode()) % 2_000_000, "name": "On or near "}
    return {"latitude": latitude, "street": street, "longitude": longitude}
