"""The words for declaring what people write: a record, whose it is, what it is about, and the rules it must meet.

Frozen values and pure rules. What is written is text of anybody's: nothing here trusts it, nothing here stores it.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from functools import cached_property
from typing import Any, Literal, Protocol

import msgspec

from .bodies import Fault, InvalidRecord, pointer_to
from .drafts import Drafts
from .errors import DeclarationError
from .feed import Feed
from .grouping import Counter, check_counters
from .principal import Principal
from .record import Column, Record, check_search, columns, stored_values, to_stored
from .settings import Setting

__all__ = [
    "REFUSE",
    "REPLACE",
    "Action",
    "Link",
    "Refusal",
    "Resource",
    "Rollup",
    "Spelling",
    "View",
    "WriteLimit",
]

Action = Literal["create", "change", "delete"]

_NAME = re.compile(r"[a-z](?:_?[a-z0-9]){0,40}(?<!_version)\Z")
_TAKEN = re.compile(r"(partition|one|revision|order_[0-9]+|rollup_[0-9]+|counter_[0-9]+)\Z")
_MOMENTS = ("created_at", "updated_at")
MAX_BODY = 2**20
_EXAMPLE_AT = datetime(2024, 3, 31, 12, tzinfo=UTC)


class Again(Enum):
    """What happens when somebody writes a second record where one is allowed."""

    REFUSE = "refuse"
    REPLACE = "replace"


REFUSE, REPLACE = Again.REFUSE, Again.REPLACE


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an acceptable record is not taken from this person: `Refusal(403, "This provider is your own.")`."""

    status: Literal[403, 404, 409, 422]
    message: str


class View(Protocol):
    """What a rule may look up: the store as it is inside the writing transaction."""

    def get(self, collection: str, *key: Any) -> Record | None:
        """The record of that key, e.g. `view.get("providers", review.provider)`; None if there is none."""
        ...

    def find(self, collection: str, **fields: Any) -> list[Record]:
        """The records whose fields have these very values, in the order of their keys."""
        ...


Check = Callable[[Any], Sequence[tuple[str, str]]]
Refuse = Callable[[Any, Principal, View], Refusal | None]
May = Callable[[Action, Principal, Any], bool]
Normal = Callable[[Any, Any], Any]


# -- the declaration ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Link:
    """What a record is about: `Link(providers, "provider")`, or with the fields that make the target's key in order.

    The target must be there when the record is created. These fields never change after. A record outlives what is
    collected; when what else people wrote goes, the records about it are no longer listed, read or changed: their
    versions stay.
    """

    target: Feed | Resource
    fields: tuple[str, ...]

    def __init__(self, target: Feed | Resource, *fields: str) -> None:
        object.__setattr__(self, "target", target)
        object.__setattr__(self, "fields", fields)
        parts = len(target.key) if isinstance(target.key, tuple) else 1
        if len(fields) != parts:
            raise DeclarationError(f"Link({target.name})", f"the key of {target.name} has {parts} fields")


@dataclass(frozen=True)
class Rollup:
    """A count and an exact sum for each group, kept with every write: `Rollup(of="rating", by=("provider",))`.

    Records whose `of` is null are not counted; without `of` every record is, and the sum is 0.

    Args:
        carries: fields of the record that the groups are about (their first field links to it), kept in the groups'
            rows too. Where `by` is that link alone, every record that may be written about has a row, with a count
            of 0 at first.
        orders: what rows are looked up and walked by besides: fields, carried ones, `_count`, `_whole` (the sum
            without its fraction, as far as 64 bits hold it) and `_mean` (the nearest number of 64 bits; 0 of
            nothing), with `-` for descending.
        standing: a record counts only as long as what it is about is there.
    """

    of: str = ""
    by: tuple[str, ...] = field(default=(), kw_only=True)
    standing: bool = field(default=False, kw_only=True)
    carries: tuple[str, ...] = field(default=(), kw_only=True)
    orders: tuple[tuple[str, ...], ...] = field(default=(), kw_only=True)

    @property
    def names(self) -> tuple[str, ...]:
        """What an order may name."""
        return (*self.by, *self.carries, "_count", "_whole", "_mean")


@dataclass(frozen=True)
class Spelling:
    """Texts that are one where `key` makes them equal: shown as whoever wrote them first, by all who name them so.

    `Spelling("skill", folded)`: the records of an app whose fields have the spelling `skill` share what is written.
    """

    name: str
    key: Callable[[str], str]


@dataclass(frozen=True)
class WriteLimit:
    """How often one person may write: `WriteLimit(Setting("LIMIT_REVIEWS", "20/hour"), ("create", "change"))`.

    All processes of a store count together, and so do resources that name the same setting; what was refused does not
    count. rate: `20/hour` is never more than 20 in any 60 minutes, `5/second,20` never more than 20 in any 4 seconds;
    `off` lifts it.
    """

    rate: Setting
    actions: tuple[Action, ...] = ("create", "change", "delete")


def _theirs(action: Action, principal: Principal, record: Any, owner: str) -> bool:
    if action == "create":
        return True
    return "write" in principal.scopes and (not owner or getattr(record, owner) == principal.id)


@dataclass(frozen=True)
class Resource:
    """A collection that people write through the API.

    The record names the fields that people write and those that are filled in: `id` (a new UUID, the key), the
    owner's, and `created_at` and `updated_at` where it declares them.

    Args:
        about: what a record is about; it must be there when the record is created.
        owner: the field that holds its author's id; without one whoever may write may change it.
        one_per_owner: nobody has two records with equal values in these fields; `()`: one at all. None: no limit.
        again: what a second one does: REFUSE (409), or REPLACE the first.
        read_only: further fields that bodies may not have; they have defaults, and only `normal` or the app's own
            routes change them.
        normal: (record, the record before it or None) -> the record in its normal form.
        check: (record) -> pairs of field and what is wrong with it.
        refuse: (record, principal, view) -> why it is not taken, or None.
        may: (action, principal, record) -> whether this person may change or delete this record. Without it the
            owner may.
        moderates: what who may moderate does too, whoever's the record is and without the right to write:
            `moderates=("delete",)`.
        conceal: who may not gets 404, as if there were no such record, instead of 403.
        retracts: what is deleted is taken back: in what held before it is shown to moderators alone, and the changes
            tell of it as gone from the first.
        outlives: its records outlive who wrote them: where that person is erased they stay, without the owner's id,
            which may be null, under keys of their own and without what they were before. Else they go with him.
        if_match: a change or deletion must name the version that it is meant for.
        limits: how often one person may write.
        spellings: field -> how its text, or each text of its list, is shown.
        rollups: counts and sums by group. lists: list fields that are kept apart too, a row an element.
        hidden: fields that only those read who may moderate; for all others, on every generic route, it is as if there
            were none. Who writes is answered with his own. An app's own routes decide for themselves.
        max_body: bytes of a body. sort, indexes, search, counters, public: as in a feed.
        example: the members of a body that is taken, which the API's description shows.
    """

    name: str
    record: type[Record]
    about: Link | Sequence[Link] = field(default=(), kw_only=True)
    owner: str = field(default="", kw_only=True)
    one_per_owner: tuple[str, ...] | None = field(default=None, kw_only=True)
    again: Again = field(default=REFUSE, kw_only=True)
    read_only: Sequence[str] = field(default=(), kw_only=True)
    normal: Normal | None = field(default=None, kw_only=True)
    check: Check | None = field(default=None, kw_only=True)
    refuse: Refuse | None = field(default=None, kw_only=True)
    may: May | None = field(default=None, kw_only=True)
    moderates: Sequence[Action] = field(default=(), kw_only=True)
    conceal: bool = field(default=False, kw_only=True)
    retracts: bool = field(default=False, kw_only=True)
    outlives: bool = field(default=False, kw_only=True)
    if_match: bool = field(default=False, kw_only=True)
    limits: Sequence[WriteLimit] = field(default=(), kw_only=True)
    spellings: Mapping[str, Spelling] = field(default_factory=dict, kw_only=True)
    rollups: Sequence[Rollup] = field(default=(), kw_only=True)
    lists: Sequence[str] = field(default=(), kw_only=True)
    hidden: Sequence[str] = field(default=(), kw_only=True)
    max_body: int = field(default=256 * 2**10, kw_only=True)
    sort: Sequence[str] = field(default=(), kw_only=True)
    indexes: Sequence[Sequence[str]] = field(default=(), kw_only=True)
    search: Sequence[str] = field(default=(), kw_only=True)
    counters: Sequence[Counter] = field(default=(), kw_only=True)
    public: bool = field(default=False, kw_only=True)
    example: Mapping[str, Any] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        where = f"resource {self.name}"
        if not _NAME.match(self.name):
            raise DeclarationError(where, "the name is lower case, digits and single underscores, without _version")
        self._check_names(where)
        self._check_filled(where)
        self._check_sums(where)
        if taken := [name for name in self.lists if _TAKEN.match(name)]:
            raise DeclarationError(
                f"{where}: lists", f"a list cannot be called {taken[0]}", hint="an index of ours is called so"
            )
        _ = self.elements
        if not 1 <= self.max_body <= MAX_BODY:
            raise DeclarationError(f"{where}: max_body", f"is 1 to {MAX_BODY} bytes")
        self._check_example(where)

    def _check_names(self, where: str) -> None:
        named = {"owner": [self.owner] if self.owner else [], "read_only": self.read_only, "lists": self.lists}
        named |= {"one_per_owner": self.one_per_owner or (), "sort": self.sort, "spellings": list(self.spellings)}
        named |= {"hidden": self.hidden}
        named |= {f"indexes[{number}]": names for number, names in enumerate(self.indexes)}
        named |= {
            f"rollups[{number}]": (*item.by, *filter(None, [item.of])) for number, item in enumerate(self.rollups)
        }
        named |= {"about": [name for link in self.links for name in link.fields]}
        for place, names in named.items():
            for name in names:
                if name.removeprefix("-") not in self._kinds:
                    hint = f"fields: {', '.join(self._kinds)}"
                    raise DeclarationError(f"{where}: {place}", f"{name} is no field", hint=hint)

    def _check_filled(self, where: str) -> None:
        for name, kind in {"id": "text", **({self.owner: "text"} if self.owner else {})}.items():
            if self._kinds.get(name) != kind:
                raise DeclarationError(f"{where}: field {name}", "is missing or no text", hint=f"declare {name}: str")
        for name in _MOMENTS:
            if self._kinds.get(name, "datetime") != "datetime":
                raise DeclarationError(f"{where}: field {name}", "is filled in with a moment", hint=f"{name}: datetime")
        for name in self.read_only:
            if name not in self.drafts.optional:
                raise DeclarationError(f"{where}: read_only", f"{name} needs a default")
        if shown := {*self.key, self.owner, *(name.removeprefix("-") for name in self.order)} & set(self.hidden):
            raise DeclarationError(f"{where}: hidden", f"{min(shown)} is the key, the owner or the order of lists")
        check_search(where, self.search, [column for column in self.columns if column.name not in self.hidden])
        check_counters(where, self.counters, self.columns)
        if self.one_per_owner is not None and not self.owner:
            raise DeclarationError(f"{where}: one_per_owner", "needs owner=")
        if self.outlives and self.owner not in self._nullable:
            raise DeclarationError(f"{where}: outlives", "needs an owner that may be null", hint="owner: str | None")
        if not self.writable:
            raise DeclarationError(where, "has no field that people write")

    def _check_sums(self, where: str) -> None:
        for name in self.spellings:
            if self._kinds[name] not in ("text", "json"):
                raise DeclarationError(f"{where}: spellings", f"{name} is no text and no list of texts")
        for number, item in enumerate(self.rollups):
            if item.of and self._kinds[item.of] not in ("integer", "decimal"):
                raise DeclarationError(f"{where}: rollups[{number}]", f"{item.of} is no exact number")
            if item.standing and not (self.links and all(isinstance(link.target, Resource) for link in self.links)):
                raise DeclarationError(f"{where}: rollups[{number}]", "standing needs about= a resource")
            if loose := [name for name in item.by if self._kinds[name] in ("json", "number")]:
                raise DeclarationError(f"{where}: rollups[{number}]", f"{loose[0]} makes no groups")
            self._check_carried(f"{where}: rollups[{number}]", item)

    def _check_carried(self, where: str, item: Rollup) -> None:
        target = self.carried_from(item)
        if item.carries and target is None:
            raise DeclarationError(where, "carries fields of nothing", hint="the first of `by` links to a resource")
        for name in item.carries:
            assert target is not None
            if target._kinds.get(name, "json") == "json" or name in target._nullable or name in item.by:
                raise DeclarationError(where, f"{name} cannot be carried", hint="a field that is always there, no list")
        for name in (name.removeprefix("-") for names in item.orders for name in names):
            if name not in item.names:
                raise DeclarationError(where, f"{name} orders nothing", hint=f"columns: {', '.join(item.names)}")

    def _check_example(self, where: str) -> None:
        if self.example is None:
            return
        try:
            self.complete(self.drafts.new(dict(self.example)), None, key="example", owner="example", at=_EXAMPLE_AT)
        except InvalidRecord as error:
            fault = error.faults[0]
            message = f"{fault.pointer.removeprefix('/')} {fault.message}".strip()
            raise DeclarationError(f"{where}: example", message, hint="show a body that is taken") from error

    def carried_from(self, item: Rollup) -> Resource | None:
        """The resource whose records the groups of a roll-up are about; None for none."""
        found = (link.target for link in self.links if link.fields == item.by[:1])
        return next((target for target in found if isinstance(target, Resource)), None)

    # -- what reading needs of a feed too ----------------------------------------------------------------------

    @property
    def key(self) -> tuple[str, ...]:
        return ("id",)

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        return columns(self.record)

    @property
    def order(self) -> tuple[str, ...]:
        """The fields by which lists are sorted when nobody asks otherwise; the key comes after them."""
        return tuple(self.sort) or self.key

    # -- fields ------------------------------------------------------------------------------------------------

    @cached_property
    def links(self) -> tuple[Link, ...]:
        return (self.about,) if isinstance(self.about, Link) else tuple(self.about)

    @property
    def fixed(self) -> tuple[str, ...]:
        """The fields that stand once the record is created."""
        return tuple(name for link in self.links for name in link.fields)

    @cached_property
    def filled(self) -> frozenset[str]:
        """The fields that no body may have."""
        moments = [name for name in _MOMENTS if name in self._kinds]
        return frozenset({"id", *filter(None, [self.owner]), *moments, *self.read_only})

    @cached_property
    def drafts(self) -> Drafts:
        """What the bodies of these records may be."""
        return Drafts(self.record, self.filled, self.fixed)

    @property
    def writable(self) -> tuple[str, ...]:
        """The fields that people write."""
        return self.drafts.writable

    @cached_property
    def elements(self) -> Mapping[str, tuple[Column, ...]]:
        """The lists that are kept apart, each with the columns of its elements: `value`, or the fields of a struct.

        Raises:
            DeclarationError: a field is no list, or one of lists.
        """
        return {name: self._elements(name) for name in self.lists}

    def _elements(self, name: str) -> tuple[Column, ...]:
        where = f"resource {self.name}: lists"
        plain = typing.get_type_hints(self.record)[name]
        lists = [item for item in (plain, *typing.get_args(plain)) if typing.get_origin(item) is list]
        if not lists:
            raise DeclarationError(where, f"{name} is no list")
        element = typing.get_args(lists[0])[0]
        if not (isinstance(element, type) and issubclass(element, msgspec.Struct)):
            element = msgspec.defstruct("Element", [("value", element)])
        found = columns(element)
        if [item for item in found if item.kind == "json"]:
            raise DeclarationError(where, f"{name} holds lists")
        return found

    @cached_property
    def _kinds(self) -> dict[str, str]:
        return {column.name: column.kind for column in self.columns}

    @cached_property
    def _nullable(self) -> frozenset[str]:
        return frozenset(column.name for column in self.columns if column.nullable)

    # -- rules -------------------------------------------------------------------------------------------------

    def allows(self, action: Action, principal: Principal, record: Any) -> bool:
        """Whether this person may do that to this record."""
        if action in self.moderates and "moderate" in principal.scopes:
            return True
        return self.may(action, principal, record) if self.may else _theirs(action, principal, record, self.owner)

    def complete(self, draft: Mapping[str, Any], before: Any, *, key: str, owner: str, at: datetime) -> Any:
        """The record that a draft makes: filled in, in its normal form, checked.

        before: the record that it changes, None for a new one. owner: who writes; a change keeps the owner.
        Raises:
            InvalidRecord: it breaks a rule, or cannot be stored.
        """
        moments = dict.fromkeys((name for name in _MOMENTS if name in self._kinds), at)
        filled: dict[str, Any] = moments | ({self.owner: owner or None} if self.owner else {})
        if before is not None:
            filled = {name: getattr(before, name) for name in self.filled} | {"updated_at": at}
        # A body's draft holds none of these; what the app's own code drafts may.
        values = {name: value for name, value in filled.items() if name in self._kinds} | dict(draft) | {"id": key}
        record = self.record(**values)
        record = self.normal(record, before) if self.normal else record
        faults = [Fault(pointer_to("", name), message) for name, message in (self.check(record) if self.check else ())]
        if faults := faults or self._unkeepable(record):
            raise InvalidRecord(faults)
        return record

    def _unkeepable(self, record: Record) -> list[Fault]:
        """What not every engine stores the same, should the declared normal form have made it."""
        try:
            stored_values(self.record)(record)
        except (ValueError, ArithmeticError):
            return self._unkept(record)
        return []

    def _unkept(self, record: Record) -> list[Fault]:
        faults = []
        for column in self.columns:
            try:
                to_stored(column.kind, getattr(record, column.name))
            except (ValueError, ArithmeticError) as error:
                faults.append(Fault(pointer_to("", column.name), str(error)))
        return faults

    def same(self, record: Any, before: Any) -> bool:
        """Whether the records differ in nothing but the moment at which they were written."""
        if "updated_at" in self._kinds:
            record = msgspec.structs.replace(record, updated_at=before.updated_at)
        return bool(record == before)
