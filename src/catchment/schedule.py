"""When a partition is due: by the clock of a place, or by distance."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from .errors import DeclarationError, UsageError
from .settings import Setting, Settings

__all__ = ["Cron", "Due", "Every", "changed", "known_zone", "older_than"]


@dataclass(frozen=True)
class Cron:
    """A schedule by the clock of a place: `Cron("30 22 * * mon-fri", zone="America/New_York")`.

    expression: or the `Setting` that holds it; `as_set` reads it.
    """

    expression: str | Setting
    zone: str = "UTC"

    def __post_init__(self) -> None:
        from cronsim import CronSim, CronSimError

        known_zone("Cron", self.zone)
        expression = self.expression.default if isinstance(self.expression, Setting) else self.expression
        try:
            CronSim(expression, datetime(2026, 1, 1, tzinfo=ZoneInfo(self.zone)))
        except CronSimError as error:
            raise DeclarationError(f"Cron({expression!r})", str(error), hint='e.g. "0 4 * * *"') from error

    def as_set(self, settings: Settings) -> Cron:
        """The same with the setting's value in its place. UsageError, naming the setting, where that is no schedule."""
        if not isinstance(self.expression, Setting):
            return self
        text = self.expression.text(settings)
        try:
            return Cron(text, self.zone)
        except DeclarationError as error:
            raise UsageError(
                f"{self.expression.name}={text} is no schedule: {error.message.removeprefix(f'{error.where}: ')}",
                hint=error.hint,
            ) from error

    def next_after(self, moment: datetime) -> datetime:
        """The first slot after `moment`. A slot in the hour that summer time skips comes right after it, one in the
        hour that comes twice comes once.
        """
        assert isinstance(self.expression, str)  # `as_set` comes before
        # Slots are whole minutes, so the next one is that of the whole minute before: many moments have the same.
        minute = moment.astimezone(UTC).replace(second=0, microsecond=0)
        return _next_slot(self.expression, self.zone, minute).astimezone(moment.tzinfo)

    def missed(self, began: datetime, ended: datetime) -> list[datetime]:
        """The slots that passed during a run that outlasted the interval between them; none for a shorter run.

        They are left out: what should have begun then is not begun late, close to the next slot.
        """
        first = self.next_after(began)
        if first > ended or ended - began <= self.next_after(first) - first:
            return []
        slots = [first]
        while (slot := self.next_after(slots[-1])) <= ended:
            slots.append(slot)
        return slots


@lru_cache(maxsize=4096)
def _next_slot(expression: str, zone: str, moment: datetime) -> datetime:
    """The first slot after a moment of UTC, in UTC. A plan asks for each of a thousand partitions."""
    from cronsim import CronSim

    # In the second pass of an hour that comes twice, the first answers are slots of its first pass: gone by.
    slots = CronSim(expression, moment.astimezone(ZoneInfo(zone)))
    return next(slot for slot in (item.astimezone(UTC) for item in slots) if slot > moment)


@dataclass(frozen=True)
class Every:
    """A schedule by distance: `Every(minutes=30)` after the last time."""

    interval: timedelta

    def __init__(self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0) -> None:
        interval = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        if interval < timedelta(seconds=1):
            raise DeclarationError("Every", "is at least one second")
        object.__setattr__(self, "interval", interval)

    def as_set(self, settings: Settings) -> Every:  # noqa: ARG002 (as a Cron)
        return self

    def next_after(self, moment: datetime) -> datetime:
        return moment + self.interval

    def missed(self, began: datetime, ended: datetime) -> list[datetime]:  # noqa: ARG002 (as a Cron)
        """None: a distance begins at the end of a run."""
        return []


@dataclass(frozen=True)
class Due:
    """When a collected partition that comes from a row is asked again, in the place of a schedule.

    changed: when that row is another than the one it was last collected for. ages: from the first to the second,
    each partition at an age of its own between them; None for at no age.
    """

    changed: bool = False
    ages: tuple[timedelta, timedelta] | None = None

    def __or__(self, other: Due) -> Due:
        if self.ages and other.ages:
            raise DeclarationError("due", "names two ages", hint="e.g. changed() | older_than(days=(28, 35))")
        return Due(self.changed or other.changed, self.ages or other.ages)


def changed() -> Due:
    """Asked again when the row that the partition comes from is another than when it was last collected."""
    return Due(changed=True)


def older_than(*, days: float | tuple[float, float]) -> Due:
    """Asked again at an age: `older_than(days=30)`, or `days=(28, 35)`: each partition at a fixed age between them,
    so that what was collected together does not fall due together.
    """
    low, high = days if isinstance(days, tuple) else (days, days)
    if not 0 < low <= high:
        raise DeclarationError("older_than", f"{low} to {high} days is no span", hint="e.g. days=(28, 35)")
    return Due(ages=(timedelta(days=low), timedelta(days=high)))


def known_zone(where: str, name: str) -> str:
    """The zone's name. DeclarationError, naming `where`, if there is no such zone."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise DeclarationError(where, f"{name} is no time zone", hint="e.g. Europe/London") from error
    return name
