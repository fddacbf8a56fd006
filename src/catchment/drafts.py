"""Bodies of what people write: which members they may have, and the typed values that they give. Pure rules."""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from .bodies import Fault, InvalidRecord, merge_patch, pointer_to, typed, unfit, unstorable
from .record import Record, columns

__all__ = ["Drafts"]


@dataclass(frozen=True)
class Drafts:
    """The bodies of one type of record. filled: the fields that no body has. fixed: those that never change after."""

    record: type[Record]
    filled: frozenset[str]
    fixed: tuple[str, ...]

    @cached_property
    def writable(self) -> tuple[str, ...]:
        """The fields that people write."""
        return tuple(column.name for column in columns(self.record) if column.name not in self.filled)

    @cached_property
    def optional(self) -> frozenset[str]:
        """The fields with a default."""
        return frozenset(item.encode_name for item in self._fields if not item.required)

    @cached_property
    def _nullable(self) -> frozenset[str]:
        return frozenset(column.name for column in columns(self.record) if column.nullable)

    @cached_property
    def _fields(self) -> tuple[msgspec.inspect.Field, ...]:
        info = msgspec.inspect.type_info(self.record)
        assert isinstance(info, msgspec.inspect.StructType)
        return info.fields

    @cached_property
    def _types(self) -> dict[str, Any]:
        """Field -> its type with its bounds, as `msgspec.convert` takes it."""
        return typing.get_type_hints(self.record, include_extras=True)

    def body_type(self, title: str, *, partial: bool, only: Sequence[str] = ()) -> type[msgspec.Struct]:
        """The type of a body, for the API's description: the fields that people write; partial: none is needed.

        only: the fields that an own route takes, `()` for all.
        """
        shown: list[Any] = []
        for item in self._fields:
            name = item.encode_name
            if name not in (only or self.writable):
                continue
            if partial:
                shown.append((name, self._types[name] | None, None))
            elif item.default is not msgspec.NODEFAULT:
                shown.append((name, self._types[name], item.default))
            elif item.default_factory is not msgspec.NODEFAULT:
                shown.append((name, self._types[name], msgspec.field(default_factory=item.default_factory)))
            else:
                shown.append((name, self._types[name]))
        return msgspec.defstruct(title, shown, kw_only=True, forbid_unknown_fields=True)

    def new(self, members: Any) -> dict[str, Any]:
        """The typed values of a body's members.

        Raises:
            InvalidRecord: a member is unknown, read-only, missing or of the wrong type.
        """
        if not isinstance(members, dict):
            raise InvalidRecord([Fault("", "a JSON object is wanted")])
        return self._at_once(members) or self._one_by_one(members)

    def _at_once(self, members: dict[str, Any]) -> dict[str, Any]:
        """The typed values of members with which nothing is wrong, as nearly all are; else none."""
        if any(unstorable(members)):
            return {}
        try:
            found = msgspec.convert(members, self._body)
        except msgspec.ValidationError:
            return {}
        values = {name: getattr(found, name) for name in self.writable if name in members}
        return {} if any(unfit(members[name], value, "") for name, value in values.items()) else values

    @cached_property
    def _body(self) -> type[msgspec.Struct]:
        """All members that a body may have, in their types."""
        shown = [
            (name, self._types[name], None) if name in self.optional else (name, self._types[name])
            for name in self.writable
        ]
        return msgspec.defstruct("Body", shown, kw_only=True, forbid_unknown_fields=True)

    def _one_by_one(self, members: dict[str, Any]) -> dict[str, Any]:
        """The same, with everything that is wrong."""
        faults = self._unwanted(members)
        if broken := list(unstorable(members)):
            raise InvalidRecord([*faults, *broken])  # no type can be asked of what is no text
        values: dict[str, Any] = {}
        for name in self.writable:
            if name in members:
                value, found = typed(members[name], self._types[name], f"/{name}")
                values[name] = value
                faults += found
            elif name not in self.optional:
                faults.append(Fault(pointer_to("", name), "is missing"))
        if faults:
            raise InvalidRecord(faults)
        return values

    def _unwanted(self, members: Mapping[str, Any]) -> list[Fault]:
        return [
            Fault(pointer_to("", name), "is read-only" if name in self.filled else "is no field of this record")
            for name in members
            if name not in self.writable
        ]

    def replacing(self, members: Any, before: Record) -> dict[str, Any]:
        """The typed values of a whole body for a record that is there: what never changes may be left out."""
        if isinstance(members, dict):
            members = {name: self._written(before)[name] for name in self.fixed} | members
        return self._unmoved(self.new(members), before)

    def patching(self, patch: Any, before: Record) -> dict[str, Any]:
        """The typed values that a merge-patch makes of a record; null empties a field, or gives its default."""
        if not isinstance(patch, dict):
            raise InvalidRecord([Fault("", "a JSON object is wanted")])
        if faults := [*self._unwanted(patch), *unstorable(patch)]:
            raise InvalidRecord(faults)
        merged = merge_patch(self._written(before), patch)
        merged |= {name: None for name, value in patch.items() if value is None and name in self._nullable}
        return self._unmoved(self.new(merged), before)

    def _written(self, record: Record) -> dict[str, Any]:
        content: dict[str, Any] = msgspec.to_builtins(record)
        return {name: content[name] for name in self.writable}

    def _unmoved(self, draft: dict[str, Any], before: Record) -> dict[str, Any]:
        moved = [name for name in self.fixed if draft.get(name) != getattr(before, name)]
        if moved:
            raise InvalidRecord([Fault(pointer_to("", name), "cannot be changed") for name in moved])
        return draft
