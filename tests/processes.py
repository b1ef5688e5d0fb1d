"""Commands that run while the test goes on: several at once, stopped by a signal, or watched line by line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from command import Result, Sandbox

#: How often the tests that depend on chance are repeated.
ROUNDS = int(os.environ.get("FASTMAN_TEST_ROUNDS", "2"))
_PATIENCE = 60.0


class Running:
    """An ``inv`` that was started in a project and may be running yet."""

    def __init__(
        self, project: Sandbox, *args: str, env: Mapping[str, str] | None = None, prefix: Sequence[str] = ()
    ) -> None:
        self._process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "invoke", *args],
            cwd=project.root,
            env=project.environ(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        self._said = ""

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def read_until(self, text: str) -> None:
        """Wait for a line on stdout that has ``text``."""
        assert self._process.stdout is not None
        while text not in self._said:
            line = self._process.stdout.readline()
            assert line, f"{text!r} was not said before the end:\n{self._said}{self.finish(code=None).stderr}"
            self._said += line

    def send(self, number: signal.Signals) -> None:
        """Send the process a signal."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """Kill the process, at once and for certain."""
        self._process.kill()
        self._process.communicate()

    def finish(self, code: int | None = 0) -> Result:
        """Wait for the end, which has to come with ``code`` (any, when None)."""
        try:
            out, err = self._process.communicate(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            out, err = self._process.communicate()
            raise AssertionError(f"It hung.\n--- stdout\n{self._said}{out}--- stderr\n{err}") from None
        result = Result(self._process.returncode, self._said + out, err)
        shown = f"--- stdout\n{result.stdout}--- stderr\n{result.stderr}"
        assert code is None or result.code == code, f"It ended with {result.code}, not {code}\n{shown}"
        assert "Traceback" not in result.stdout + result.stderr, shown
        return result


def wait_for(what: Callable[[], object] | Path) -> None:
    """Wait until ``what`` is true, or until that file is there."""
    until = what.exists if isinstance(what, Path) else what
    deadline = time.monotonic() + _PATIENCE
    while not until():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.01)
