"""What people look at in a browser: pages of what is stored, read as the API reads it and with no other rights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["handlers", "warm"]


def handlers() -> Sequence[Any]:
    """The routes of the pages, as the framework takes them."""
    from .pages import HANDLERS

    return HANDLERS


def warm() -> None:
    """Returns when the templates are read, so that the first of each page need not wait for that."""
    from .look import read_templates

    read_templates()
