"""The file that the report is written to, where the operator names one."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["writable"]


def writable(path: str) -> str:
    """The path, if the report can be written there by renaming; ValueError if not. "" is no file, and always right."""
    folder = Path(path).parent
    if path and (Path(path).is_dir() or not os.access(folder, os.W_OK | os.X_OK)):
        raise ValueError(f"cannot be written: it has to be a file's name in a folder that is there and ours ({folder})")
    return path
