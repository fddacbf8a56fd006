"""What people look at in a browser: pages of what is stored, read as the API reads it and with no other rights."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..errors import QueryError, StoreError

if TYPE_CHECKING:  # the command line loads us with its commands
    from ..serve.data import Data

__all__ = ["handlers", "warm"]


def handlers() -> Sequence[Any]:
    """The routes of the pages, as the framework takes them."""
    from .pages import HANDLERS

    return HANDLERS


def warm(data: Data) -> None:
    """Returns when what the first of the pages would wait for is made: templates, and what pages remember."""
    from .home import home
    from .look import read_templates
    from .operations import last_runs

    read_templates()
    with suppress(StoreError, QueryError):  # it is not there yet: whoever asks is told
        home(data)
        with data.reader.snapshot() as snapshot:
            last_runs(data, snapshot)
