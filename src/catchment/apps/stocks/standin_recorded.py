"""Recorded series, as the upstream served them at several dates."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path

from .standin_data import Bar
from .standin_says import ADJUSTED

__all__ = ["Recorded"]


@dataclass(frozen=True)
class Recorded:
    """What a folder of recorded answers holds. vintages: date -> file, of each symbol."""

    vintages: Mapping[str, Mapping[date, Path]]
    sp500: Mapping[str, Path]

    @classmethod
    def load(cls, folder: Path) -> Recorded:
        """The folder's content."""
        vintages: dict[str, dict[date, Path]] = {}
        for path in sorted((folder / "vintages").glob("daily_*.csv")):
            *_, symbol, day = path.stem.replace("_full_", "_").split("_")
            vintages.setdefault(symbol, {})[date.fromisoformat(day)] = path
        return cls(vintages, {path.stem.removesuffix("_data"): path for path in (folder / "sp500").glob("*_data.csv")})

    def knows(self, symbol: str) -> bool:
        return symbol in self.vintages or symbol in self.sp500

    def bars(self, symbol: str, function: str, day: date, prefer: str) -> list[Bar]:
        """The newest file's bars that is not newer than `day`, newest first; empty when all are newer."""
        if symbol in self.sp500 and (prefer == "sp500" or symbol not in self.vintages):
            return list(read_bars(self.sp500[symbol]))
        files = {taken: path for taken, path in self.vintages[symbol].items() if taken <= day}
        adjusted = {taken: path for taken, path in files.items() if "_adjusted_" in path.name}
        fitting = adjusted if function == ADJUSTED and adjusted else files
        return list(read_bars(fitting[max(fitting)])) if fitting else []


@lru_cache(maxsize=16)
def read_bars(path: Path) -> tuple[Bar, ...]:
    """A recorded file's bars, newest first; a file without adjusted closes gives the closes for them."""
    with path.open(newline="", encoding="utf-8-sig") as lines:
        bars = [bar_of_row(row) for row in csv.DictReader(lines)]
    return tuple(sorted(bars, key=lambda bar: bar.day, reverse=True))


def bar_of_row(row: Mapping[str, str]) -> Bar:
    return Bar(
        row.get("timestamp") or row["date"],
        open=row["open"],
        high=row["high"],
        low=row["low"],
        close=row["close"],
        volume=row["volume"],
        adjusted_close=row.get("adjusted_close", row["close"]),
        dividend=row.get("dividend_amount", "0.0000"),
        split=row.get("split_coefficient", "1.0"),
    )
