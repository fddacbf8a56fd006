"""One write as a value: what is to be done to which record, by whom, and what was done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from ..principal import Principal
from ..resource import Action, Resource
from .tables import Collection

__all__ = ["Done", "Made", "Once", "Write"]

Made = Callable[[Any], Mapping[str, Any]]
"""From the record that is there (None for a new one) to the values that are written. It may raise InvalidRecord."""


@dataclass(frozen=True, slots=True)
class Once:
    """A client's own key for one request, so that sending it again writes nothing. digest: of that request."""

    key: str
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One thing to do to one record.

    key: of the record; or the fields whose values it alone has. make: gives the values; for a deletion there are none.
    matches: whether (key, generation, version) is the version that the writer means; None: any. names_version: a
    record that is replaced by a new one has to be meant by its version. only_new: there may be none yet. as_owner:
    False lets the app's own code change what is not the principal's: then neither `may` nor `refuse` is asked.
    """

    collection: Collection
    action: Action
    principal: Principal
    key: str | Mapping[str, Any] = ""
    make: Made | None = None
    matches: Callable[[str, int, int], bool] | None = None
    names_version: bool = False
    only_new: bool = False
    once: Once | None = None
    request_id: str = ""
    as_owner: bool = True

    @property
    def resource(self) -> Resource:
        found = self.collection.feed
        assert isinstance(found, Resource)
        return found


class Done(msgspec.Struct, frozen=True):
    """What a write did. doc: the record's JSON, "" once it is deleted. at: the moment of this version."""

    outcome: Literal["created", "changed", "same", "deleted"]
    key: str
    doc: str
    version: int
    revision: int
    generation: int
    at: str
