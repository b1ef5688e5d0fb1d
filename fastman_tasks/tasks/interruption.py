"""Ctrl-C and SIGTERM, also while the main thread waits for a server that is silent."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

#: Seconds that a run may take to end after the first signal.
PATIENCE = 4.0
# One stop may arrive as several signals: timeout(1) signals the process, and then its group.
_SAME = 0.2
_ENDS = (signal.SIGINT, signal.SIGTERM)
# Seconds until the main thread is woken, and what wakes it: nothing else uses it, and it is ignored otherwise.
_WAKES = 0.3
_WAKER = getattr(signal, "SIGURG", None)
_OVER = 0


@contextmanager
def interruptible(abandon: Callable[[], None]) -> Iterator[None]:
    """Treat SIGTERM in this block like Ctrl-C: the running step is rolled back and reported, the lock is released. When
    the terminal goes away, the block goes on.

    If the block has not ended ``PATIENCE`` seconds later, or if a second signal comes, ``abandon`` is called in another
    thread, to end the process: a driver may wait in C, where Python cannot interrupt it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, _as_ctrl_c)}
    hangup = getattr(signal, "SIGHUP", None)
    # With nohup it is so anyway.
    if hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN:
        # Child processes do not inherit a function.
        before[hangup] = signal.signal(hangup, lambda number, frame: None)
    if _WAKER is not None:
        before[_WAKER] = signal.signal(_WAKER, lambda number, frame: None)
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    # Python's handlers run between two steps of the main thread; this is written to even while it waits in C.
    former = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    _watched[theirs.fileno()] = before[signal.SIGTERM]
    thread = threading.Thread(target=_watch, args=(ours, abandon), daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(former)
        for number, handler in before.items():
            signal.signal(number, handler)
        del _watched[theirs.fileno()]
        # A forked child may have the socket too, so closing it would tell nothing.
        theirs.send(bytes([_OVER]))
        thread.join()
        ours.close()
        theirs.close()


def _as_ctrl_c(number: int, frame: FrameType | None) -> None:
    # With an async URL asyncio has its own handler, which cancels the running task.
    handler = signal.getsignal(signal.SIGINT)
    if callable(handler):
        handler(number, frame)
    else:
        raise KeyboardInterrupt


def _watch(signals: socket.socket, abandon: Callable[[], None]) -> None:
    first: float | None = None
    woken = False
    while True:
        patience = PATIENCE if woken else _WAKES
        signals.settimeout(None if first is None else max(first + patience - time.monotonic(), 0.001))
        try:
            (number,) = signals.recv(1)
        except TimeoutError:
            if woken:
                break
            woken = True
            # One that comes just before the main thread begins to wait does not end the waiting.
            if _WAKER is not None:
                signal.pthread_kill(threading.main_thread().ident or 0, _WAKER)
            continue
        if number == _OVER:
            return
        if number in _ENDS:
            now = time.monotonic()
            if first is not None and now > first + _SAME:
                break
            first = first or now
    abandon()


# A hook for forks cannot be removed again, so there is one. In a forked child the signals are its own: a pool ends its
# processes with SIGTERM, and as Ctrl-C it would have each print a traceback.
_watched: dict[int, Any] = {}


def _forget() -> None:
    if _watched:
        signal.set_wakeup_fd(-1)
        if signal.getsignal(signal.SIGTERM) is _as_ctrl_c:
            signal.signal(signal.SIGTERM, next(iter(_watched.values())))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
