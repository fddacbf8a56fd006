"""What every database engine keeps: each promise is a function that fails with an AssertionError where it is broken.

Whoever writes an engine runs them against a function that gives the URL of a new, empty database:

    @pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
    def test_the_engine_keeps(promise, new_database):
        promise(new_database)

They need nothing of pytest. What is to be equal is compared with SQLite, byte by byte, on the same history; what is to
hold over processes is tried with another process.
"""

from __future__ import annotations

from collections.abc import Callable

from . import collecting, engine, keeping, reading, writing
from .trying import New

__all__ = ["PROMISES", "New"]

PROMISES: tuple[Callable[[New], None], ...] = (
    *engine.PROMISES,
    *reading.PROMISES,
    *collecting.PROMISES,
    *writing.PROMISES,
    *keeping.PROMISES,
)
"""From what stands behind a connection, over what is answered, collected and written, to copies and backups."""
