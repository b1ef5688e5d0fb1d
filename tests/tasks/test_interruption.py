"""Which signals end a run, and whose."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
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


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_process_of_a_pool_that_is_terminated_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """It ends as it does without this package."""
    context = multiprocessing.get_context("fork")
    started = context.Event()

    def work() -> None:
        started.set()
        time.sleep(30)

    with interruptible(lambda: None):
        process = context.Process(target=work)
        process.start()
        assert started.wait(30)
        process.terminate()
        process.join()
    assert (process.exitcode, capfd.readouterr().err) == (-signal.SIGTERM, "")


def test_a_main_thread_that_waits_is_woken() -> None:
    """Also where the system gives the signal to another thread, or it comes just before the waiting begins."""
    over = threading.Event()
    other = threading.Thread(target=over.wait)
    other.start()

    def interrupt() -> None:
        signal.pthread_kill(other.ident or 0, signal.SIGINT)

    started = time.monotonic()
    later = threading.Timer(0.1, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt), interruptible(over.set):
            later.start()
            time.sleep(30)
    finally:
        over.set()
        later.join()
        other.join()
    assert time.monotonic() - started < 20


def test_handlers_are_restored() -> None:
    """Also when the block raises."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGURG)
    before = [signal.getsignal(number) for number in numbers]
    with pytest.raises(KeyboardInterrupt), interruptible(lambda: None):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
    assert before == [signal.getsignal(number) for number in numbers]
    assert signal.set_wakeup_fd(-1) == -1
