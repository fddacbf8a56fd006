"""The keys that a person had erased: only their hashes are kept, so that nothing brings their records back. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

__all__ = ["MARK", "NOTHING", "Erased"]

MARK = b'{"_erased":true}'
"""What stands in an archived body in the place of a row that was erased: pages keep their numbers of rows."""


@dataclass(frozen=True, slots=True)
class Erased:
    """The erased keys of one collection, as hashes.

    secret: of this store, so that nobody without it can guess keys by their hashes. numbered: keys are the content, and
    equal records are numbered: they go together, since nobody can tell them apart.
    """

    secret: bytes = b""
    hashes: frozenset[bytes] = frozenset()
    numbered: bool = False

    def __bool__(self) -> bool:
        return bool(self.hashes)

    def hash(self, key: str) -> bytes:
        said = key.partition("-")[0] if self.numbered else key
        return hashlib.blake2b(said.encode(), key=self.secret, digest_size=32).digest()

    def holds(self, key: str | None) -> bool:
        """Whether this key was erased; False for None."""
        return key is not None and self.hash(key) in self.hashes


NOTHING = Erased()
