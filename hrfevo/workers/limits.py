"""Time and memory that one evaluation may take."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import psutil

from hrfevo.space.sections import Limits
from signal_model.support.errors import counted

# How often a watcher looks at clock and memory, and after how long it strikes again, seconds.
LOOK, AGAIN = 0.2, 5.0
GIB = 2**30


class OverLimit(BaseException):
    """An evaluation took more than it may; the message says of what.

    No Exception, as KeyboardInterrupt is none: it strikes anywhere, also where errors of a file system are expected.
    """


@contextmanager
def enforced(limits: Limits) -> Iterator[None]:
    """Raise OverLimit in the body when it takes longer, or its process holds more memory, than it may.

    A thread watches and interrupts the main thread by a signal, so this must be entered there; anywhere else, and
    without limits, it does nothing. Code that never returns to Python is not interrupted: whoever waits for the
    evaluation has to end the process.
    """
    unlimited = limits.minutes is None and limits.memory_gib is None
    if unlimited or threading.current_thread() is not threading.main_thread():
        yield
        return
    over: list[str] = []
    has_ended, done = False, threading.Event()
    began, process, main = time.monotonic(), psutil.Process(), threading.get_ident()

    def watch() -> None:
        while not done.wait(LOOK):
            if limits.minutes is not None and time.monotonic() - began > 60 * limits.minutes:
                over.append(f"over the limit of {counted(limits.minutes, 'minute')}")
            elif limits.memory_gib is not None and (held := process.memory_info().rss / GIB) > limits.memory_gib:
                over.append(f"over the limit of {limits.memory_gib:g} GiB of memory ({held:.2f} held)")
            if over:
                signal.pthread_kill(main, signal.SIGUSR1)
                done.wait(AGAIN)  # what strikes inside a callback of a library is lost

    def strike(_: int, __: FrameType | None) -> None:
        if not has_ended:
            raise OverLimit(over[0])

    before = signal.signal(signal.SIGUSR1, strike)
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        has_ended = True  # by no call, in which it could strike and leave its watcher and handler behind
        done.set()
        watcher.join()
        signal.signal(signal.SIGUSR1, before)
