"""Texts and bytes without their secrets."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator
from typing import AnyStr
from urllib.parse import quote, quote_plus

__all__ = ["Masking", "redact"]

_MASK = b"***"
_SHORTEST = 4  # a shorter key guards nothing, and masking it would eat the data: `a` is in every body
_BARE = 8  # a shorter key is masked only where it stands alone: `demo` must not eat `demography`


def redact(text: AnyStr, secrets: Iterable[str]) -> AnyStr:
    """The same text or bytes with `***` for each secret, however it is spelled.

    Masked in any case, and percent-encoded, JSON-escaped or HTML-escaped. Secrets shorter than 4 characters are left
    (they would mask half of every body); those shorter than 8 are masked where no letter or digit adjoins them.
    """
    masking = Masking(secrets)
    if isinstance(text, bytes):
        return masking.last(text)
    return masking.last(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")


class Masking:
    """`redact` for bytes that come in pieces: the same, wherever they are cut."""

    def __init__(self, secrets: Iterable[str]) -> None:
        spellings = {spelling for secret in secrets if len(secret) >= _SHORTEST for spelling in _spellings(secret)}
        self._spellings = sorted(spellings, key=len, reverse=True)
        self._held, self._told = b"", 0  # told: how many of the bytes held are only what stands before the others

    def next(self, piece: bytes) -> bytes:
        """What is certain by now, and was not told before."""
        if not self._spellings:
            return piece
        # What begins before the end is seen whole, with the byte behind it.
        return self._until(piece, end=len(self._held) + len(piece) - len(self._spellings[0]))

    def last(self, piece: bytes = b"") -> bytes:
        """The rest, with this piece at its end."""
        return self._until(piece, end=len(self._held) + len(piece)) if self._spellings else piece

    def _until(self, piece: bytes, *, end: int) -> bytes:
        held, at = self._held + piece, self._told
        told = list[bytes]()
        for found in self._found(held, at):
            if found.start() >= end:
                break
            told += held[at : found.start()], _MASK
            at = found.end()
        if not told and not at and end == len(held):
            return held
        told.append(held[at : max(at, end)])
        self._told = min(1, max(at, end))
        self._held = held[max(at, end) - self._told :]
        return b"".join(told)

    def _found(self, held: bytes, at: int) -> Iterator[re.Match[bytes]]:
        # Looking for plain bytes first is about a hundred times faster than the expression, and nearly always enough.
        lowered = held.lower()
        present = [spelling for spelling in self._spellings if spelling in lowered]
        return re.compile(b"|".join(map(_pattern, present)), re.IGNORECASE).finditer(held, at) if present else iter(())


def _spellings(secret: str) -> Iterable[bytes]:
    escaped = json.dumps(secret)[1:-1]
    plain = json.dumps(secret, ensure_ascii=False)[1:-1]
    written = [secret, quote(secret), quote(secret, safe=""), quote_plus(secret), html.escape(secret)]
    written += [escaped, plain, escaped.replace("/", "\\/"), plain.replace("/", "\\/")]
    return {spelling.encode("utf-8", "surrogatepass").lower() for spelling in written}


def _pattern(spelling: bytes) -> bytes:
    bare = re.escape(spelling)
    return bare if len(spelling) >= _BARE else b"(?<![A-Za-z0-9])" + bare + b"(?![A-Za-z0-9])"
