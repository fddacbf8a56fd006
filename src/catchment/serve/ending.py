"""Whether this process was asked to end: answers that go on for as long as the client listens end then at once."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from types import FrameType

__all__ = ["Ending"]


@dataclass
class Ending:
    """asked: whether it was. watches: whether it looks for the signals itself; in a test's process it does not."""

    watches: bool = False
    asked: bool = False

    def begin(self) -> None:
        """Looks for signals from now on, when the server's loop does already.

        The loop hears of a signal by its own way, which stays: this is beside it, not in its place.
        """
        if self.watches:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, self._note)
                signal.siginterrupt(number, False)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True
