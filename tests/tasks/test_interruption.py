"""Which signals end a run, and whose."""

from __future__ import annotations

import os
import signal
import time

import pytest

from fastman_tasks.tasks.interruption import interruptible


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_the_signals_of_a_forked_child_are_its_own() -> None:
    """A seeder's pool of processes is terminated; the run goes on."""
    abandoned: list[bool] = []
    received: list[int] = []
    with interruptible(lambda: abandoned.append(True)):
        signal.signal(signal.SIGTERM, lambda number, _: received.append(number))
        child = os.fork()
        if not child:
            while len(received) < 3:
                time.sleep(0.01)
            os._exit(0)
        while not os.waitpid(child, os.WNOHANG)[0]:
            os.kill(child, signal.SIGTERM)
            time.sleep(0.15)
    assert abandoned == []


def test_handlers_are_restored() -> None:
    """Also when the block raises."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(KeyboardInterrupt), interruptible(lambda: None):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
    assert before == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert signal.set_wakeup_fd(-1) == -1
