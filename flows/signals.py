"""Ctrl-C and SIGTERM: what they interrupt has a moment to end in order, and none when told again."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

END_SECONDS = 9.0
"""From the signal to the end of the process, whatever it hangs on."""

_received: int | None = None


class Terminated(KeyboardInterrupt):
    """SIGTERM: like Ctrl-C, from another program."""


@contextmanager
def heeded() -> Iterator[None]:
    """Have Ctrl-C and SIGTERM raise KeyboardInterrupt in the block, and then end the process soon.

    A signal that the process was started to ignore stays ignored.
    """
    heeding = [
        number
        for number in (signal.SIGINT, signal.SIGTERM)
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler)
    ]
    before = {number: signal.signal(number, _interrupt) for number in heeding}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_soon(number: int) -> None:
    """See to it that this process, which a signal told to end, does so within END_SECONDS.

    At once, when it is told again. Its exit code is the one that shells expect, 128 and the signal's number.
    """
    global _received
    _received = number
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, _end_at_once)
    last_moment = threading.Timer(END_SECONDS, os._exit, (128 + number,))
    last_moment.daemon = True
    last_moment.start()


def exit_code() -> int:
    """That of a process that was interrupted: 130, or 143 for SIGTERM."""
    return 128 + (_received or signal.SIGINT)


def _end_at_once(number: int, frame: FrameType | None) -> None:
    os._exit(128 + number)


def _interrupt(number: int, frame: FrameType | None) -> None:
    end_soon(number)
    if number == signal.SIGTERM:
        raise Terminated
    raise KeyboardInterrupt
