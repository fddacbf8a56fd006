"""A bounded inflater that proves the end of what it inflated.

Common clients take half a gzip body for a whole one and inflate without a bound; see the tests for both.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from ..errors import Incomplete, TooLarge

__all__ = ["Caps", "Inflater", "encoding_of"]

_GZIP = 31  # zlib's way to say: gzip header and trailer, CRC checked
_ZLIB, _RAW = 15, -15
_RATIO_AFTER = 1 << 20  # small bodies may well be very regular
_PIECE = 1 << 20  # inflated at most at once, so that a cap is met within one piece


@dataclass(frozen=True)
class Caps:
    """decoded: bytes at most. ratio: decoded to wire bytes at most, once 1 MiB is decoded."""

    decoded: int
    ratio: int


def encoding_of(headers: list[str]) -> str:
    """The one content encoding that these `Content-Encoding` headers name: "gzip", "deflate" or "" for none.

    Raises:
        Incomplete: (cause `encoding`) two layers, or one that was not asked for: it cannot be read to its end.
    """
    layers = [layer for text in headers for item in text.split(",") if (layer := item.strip().lower())]
    named = [layer.removeprefix("x-") for layer in layers if layer != "identity"]
    if not named:
        return ""
    if named in (["gzip"], ["deflate"]):
        return named[0]
    raise Incomplete("the body is encoded in a way that was not asked for", cause="encoding", retry=False)


class Inflater:
    """Feed it wire bytes in pieces of any size, then `close` it: what it gave back is then whole.

    `ended` says whether the encoding itself proved its end; without an encoding it never does.
    """

    def __init__(self, encoding: str, caps: Caps) -> None:
        self._encoding = encoding
        self._caps = caps
        self._stream = None if encoding != "gzip" else zlib.decompressobj(_GZIP)
        self.wire = 0
        self.decoded = 0

    @property
    def ended(self) -> bool:
        return self._stream is not None and self._stream.eof

    def feed(self, data: bytes) -> bytes:
        """What these bytes inflate to.

        Raises:
            TooLarge: a cap was passed; at most one piece over it was inflated.
            Incomplete: (cause `encoding`) the bytes are not what the encoding says.
        """
        self.wire += len(data)
        if not self._encoding:
            return self._counted(data)
        try:
            return b"".join(self._pieces(data))
        except zlib.error:
            raise Incomplete("the body is not what its encoding says", cause="encoding") from None

    def close(self) -> None:
        """Returns when the encoded stream has ended. Incomplete when it has not."""
        if self._encoding and not self.ended:
            raise Incomplete("the compressed body was cut before its end")

    def _pieces(self, data: bytes) -> list[bytes]:
        pieces = []
        pending = False  # a full piece may leave output behind although all input is taken
        while data or pending:
            stream = self._open(data)
            pieces.append(self._counted(stream.decompress(data, _PIECE)))
            # After the end of one gzip member the next one's bytes lie in unused_data.
            data = stream.unused_data if stream.eof else stream.unconsumed_tail
            pending = len(pieces[-1]) == _PIECE and not stream.eof
        return pieces

    def _open(self, data: bytes) -> zlib._Decompress:
        """The running stream; a new one at the start and after each gzip member."""
        if self._stream is None:
            # "deflate" means zlib's wrapping, but some servers send it bare: no bare stream starts with low nibble 8.
            self._stream = zlib.decompressobj(_ZLIB if data[0] & 0x0F == 8 else _RAW)
        elif self._stream.eof:
            if self._encoding != "gzip":
                raise zlib.error("bytes after the end")
            self._stream = zlib.decompressobj(_GZIP)
        return self._stream

    def _counted(self, piece: bytes) -> bytes:
        self.decoded += len(piece)
        if self.decoded > self._caps.decoded:
            raise TooLarge(f"the body passes {self._caps.decoded} bytes decoded", cause="decoded-bytes")
        if self._encoding and self.decoded > _RATIO_AFTER and self.decoded > self._caps.ratio * self.wire:
            raise TooLarge(f"the body inflates more than {self._caps.ratio} times", cause="ratio")
        return piece
