"""Numbers, sizes and moments in few words, for a person to read. Pure."""

from __future__ import annotations

from datetime import datetime

from ..clock import parse_moment

__all__ = ["age", "amount", "day", "minute", "plural", "size"]

_STEPS = ((86400 * 365, "y"), (86400, "d"), (3600, "h"), (60, "min"))


def amount(number: int) -> str:
    """A whole number with its thousands apart: `1 234 567`."""
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def plural(number: int, one: str, many: str = "") -> str:
    """`1 record`, `3 records`."""
    return f"{amount(number)} {one if number == 1 else many or one + 's'}"


def size(count: int) -> str:
    """A number of bytes: `812 B`, `4.1 kB`, `2.0 MB`."""
    if count < 1000:
        return f"{count} B"
    value, unit = (count / 1000, "kB") if count < 1_000_000 else (count / 1_000_000, "MB")
    return f"{value:.1f} {unit}"


def age(moment: str | None, now: datetime) -> str:
    """How long ago a stored moment is, in its largest unit: `3 h ago`; `never` for none."""
    if not moment:
        return "never"
    seconds = (now - parse_moment(moment)).total_seconds()
    for unit, name in _STEPS:
        if abs(seconds) >= unit:
            whole = f"{int(abs(seconds) // unit)} {name}"
            return f"{whole} ago" if seconds > 0 else f"in {whole}"
    return "just now" if seconds >= 0 else "in a moment"


def minute(moment: str | None) -> str:
    """A stored moment to the minute, in UTC: `2026-01-31 04:00`."""
    return moment[:16].replace("T", " ") if moment else ""


def day(moment: str | None) -> str:
    """The day of a stored moment, in UTC."""
    return moment[:10] if moment else ""
