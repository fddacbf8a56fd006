"""What is kept: forces, the months that each has published, and stops."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from catchment import Record, Setting

__all__ = ["ALIASES", "CATEGORIES", "FORCES", "KNOWN_FORCES", "LONDON", "Availability", "Force", "Stop"]

LONDON = "Europe/London"

FORCES = Setting("FORCES", "avon-and-somerset,leicestershire,cambridgeshire")
"""The forces that are collected; `all` is every one of the list."""

KNOWN_FORCES = tuple(
    """avon-and-somerset bedfordshire btp cambridgeshire cheshire city-of-london cleveland cumbria derbyshire
    devon-and-cornwall dorset durham dyfed-powys essex gloucestershire greater-manchester gwent hampshire hertfordshire
    humberside kent lancashire leicestershire lincolnshire merseyside metropolitan norfolk north-wales north-yorkshire
    northamptonshire northern-ireland northumbria nottinghamshire south-wales south-yorkshire staffordshire suffolk
    surrey sussex thames-valley warwickshire west-mercia west-midlands west-yorkshire wiltshire""".split()  # noqa: SIM905 - 45 quoted names would be three times as long
)
"""The forces that there are: those of `/forces`, and the transport police, whom only the list of months has.

Source: `/forces` and `/crimes-street-dates`, as recorded.
"""


CATEGORIES = (
    *("type", "gender", "age_range", "self_defined_ethnicity", "officer_defined_ethnicity"),
    *("legislation", "object_of_search", "outcome", "force"),
)
"""The fields by which stops break down."""


ALIASES = {
    "outcome_linked": "outcome_linked_to_object_of_search",
    "removal": "removal_of_more_than_outer_clothing",
}
"""Shorter names to filter stops by."""


class Force(Record):
    """A police force."""

    id: str
    name: str


class Availability(Record):
    """A month that a force has published."""

    month: str
    force: str


class Stop(Record):
    """One stop and search, with the force and the month that it was asked for: the upstream's record has neither."""

    force: str
    month: str
    datetime: datetime
    type: str | None
    involved_person: bool | None
    operation: bool | None
    operation_name: str | None
    latitude: Decimal | None
    longitude: Decimal | None
    street_id: int | None
    street_name: str | None
    gender: str | None
    age_range: str | None
    self_defined_ethnicity: str | None
    officer_defined_ethnicity: str | None
    legislation: str | None
    object_of_search: str | None
    outcome: str | None
    outcome_id: str | None
    outcome_linked_to_object_of_search: bool | None
    removal_of_more_than_outer_clothing: bool | None
