"""What one request may take."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]

MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """What one request may take.

    deadline_s: everything from looking up the name to the last byte. connect_s: until the connection stands. header_s:
    from there until the headers are complete. ratio: decoded to wire bytes, once 1 MiB is decoded.
    redirects: how many are followed, to the same scheme, host and port only.
    open_ended: take a body that ends with the connection although it cannot prove that it is whole.
    """

    deadline_s: float = 60.0
    connect_s: float = 5.0
    header_s: float = 10.0
    wire_bytes: int = 32 * MIB
    decoded_bytes: int = 64 * MIB
    ratio: int = 100
    header_bytes: int = 64 * 1024
    redirects: int = 0
    open_ended: bool = False
