"""Texts and bytes without their secrets."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable
from typing import AnyStr
from urllib.parse import quote, quote_plus

__all__ = ["redact"]

_MASK = b"***"
_SHORTEST = 4  # a shorter key guards nothing, and masking it would eat the data: `a` is in every body
_BARE = 8  # a shorter key is masked only where it stands alone: `demo` must not eat `demography`


def redact(text: AnyStr, secrets: Iterable[str]) -> AnyStr:
    """The same text or bytes with `***` for each secret, however it is spelled.

    Masked in any case, and percent-encoded, JSON-escaped or HTML-escaped. Secrets shorter than 4 characters are left
    (they would mask half of every body); those shorter than 8 are masked where no letter or digit adjoins them.
    """
    spellings = {spelling for secret in secrets if len(secret) >= _SHORTEST for spelling in _spellings(secret)}
    if isinstance(text, bytes):
        return _masked(text, spellings)
    return _masked(text.encode("utf-8", "surrogatepass"), spellings).decode("utf-8", "surrogatepass")


def _spellings(secret: str) -> Iterable[bytes]:
    escaped = json.dumps(secret)[1:-1]
    plain = json.dumps(secret, ensure_ascii=False)[1:-1]
    written = [secret, quote(secret), quote(secret, safe=""), quote_plus(secret), html.escape(secret)]
    written += [escaped, plain, escaped.replace("/", "\\/"), plain.replace("/", "\\/")]
    return {spelling.encode("utf-8", "surrogatepass").lower() for spelling in written}


def _masked(text: bytes, spellings: Iterable[bytes]) -> bytes:
    if not spellings:
        return text
    # Looking for plain bytes first is about a hundred times faster than the expression, and nearly always enough.
    lowered = text.lower()
    present = sorted((spelling for spelling in spellings if spelling in lowered), key=len, reverse=True)
    if not present:
        return text
    return re.sub(b"|".join(map(_pattern, present)), _MASK, text, flags=re.IGNORECASE)


def _pattern(spelling: bytes) -> bytes:
    bare = re.escape(spelling)
    return bare if len(spelling) >= _BARE else b"(?<![A-Za-z0-9])" + bare + b"(?![A-Za-z0-9])"
