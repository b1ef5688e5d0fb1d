"""Commands that run while the test goes on: several at once, stopped by a signal, or watched line by line."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from command import Result, Sandbox
from prefork import everything, text_file

#: How often the tests that depend on chance are repeated.
ROUNDS = int(os.environ.get("FASTMAN_TEST_ROUNDS", "2"))
_PATIENCE = 60.0


class Running:
    """An ``inv`` that was started in a project and may be running yet."""

    def __init__(self, project: Sandbox, *args: str, env: Mapping[str, str] | None = None) -> None:
        ours, theirs = os.pipe()
        self._out, self._err = os.fdopen(ours, encoding="utf-8"), text_file()
        with os.fdopen(theirs, "w") as out:
            self._process = project.start("invoke", *args, out=out, err=self._err, env=env)
        self._said = ""

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def read_until(self, text: str) -> None:
        """Wait for a line on stdout that has ``text``."""
        while text not in self._said:
            line = self._out.readline()
            assert line, f"{text!r} was not said before the end:\n{self._said}{self.finish(code=None).stderr}"
            self._said += line

    def send(self, number: signal.Signals) -> None:
        """Send the process a signal."""
        os.kill(self.pid, number)

    def kill(self) -> int:
        """Kill the process, at once and for certain; how it ended, which is by itself where it was quicker."""
        self._kill()
        return self._end().code

    def finish(self, code: int | None = 0) -> Result:
        """Wait for the end, which has to come with ``code`` (any, when None)."""
        hung = threading.Timer(_PATIENCE, self._kill)
        hung.start()
        result = self._end()
        hung.cancel()
        shown = f"--- stdout\n{result.stdout}--- stderr\n{result.stderr}"
        assert result.code != -signal.SIGKILL, f"It hung.\n{shown}"
        assert code is None or result.code == code, f"It ended with {result.code}, not {code}\n{shown}"
        assert "Traceback" not in result.stdout + result.stderr, shown
        return result

    def _kill(self) -> None:
        # It may be over by now.
        with contextlib.suppress(ProcessLookupError):
            self.send(signal.SIGKILL)

    def _end(self) -> Result:
        with self._out, self._err:
            self._said += self._out.read()
            return Result(self._process.wait(), self._said, everything(self._err))


def chance() -> random.Random:
    """What a test decides by. Its seed is printed, so a failure shows it; FASTMAN_TEST_SEED gives one again."""
    seed = int(os.environ.get("FASTMAN_TEST_SEED") or random.SystemRandom().getrandbits(32))
    print(f"FASTMAN_TEST_SEED={seed}")
    return random.Random(seed)


def wait_for(what: Callable[[], object] | Path) -> None:
    """Wait until ``what`` is true, or until that file is there."""
    until = what.exists if isinstance(what, Path) else what
    deadline = time.monotonic() + _PATIENCE
    while not until():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.01)
