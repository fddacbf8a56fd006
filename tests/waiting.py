"""What another process, thread or server does comes by itself: it is looked for until it is there, or never was."""

import time

PATIENCE_S = 20.0


def until(look):
    """The first answer of look() that is true."""
    end = time.monotonic() + PATIENCE_S
    while not (found := look()):
        assert time.monotonic() < end, f"{look} was never true"
    return found
