"""The Chromium of this machine: the system's own, or the one that playwright installed. As a program: is there one?"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def found() -> str | None:
    """Where it is; None where there is none."""
    if system := next(filter(None, map(shutil.which, NAMES)), None):
        return system
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if Path(own).exists() else None


if __name__ == "__main__":
    sys.exit(found() is None)
