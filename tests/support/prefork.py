"""Python commands as processes of their own, forked from one that has imported the libraries.

Starting Python and importing SQLAlchemy and Alembic takes longer than most commands do. Each process begins with the
libraries and with nothing of this project imported; it has its own folder, environment, output and end.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

LIBRARIES = (
    *("alembic.command", "alembic.config", "alembic.autogenerate", "alembic.runtime.environment"),
    *("dotenv", "filelock", "invoke", "mako.template", "rich.console", "rich.progress"),
    *("sqlalchemy.orm", "sqlalchemy.dialects.sqlite", "sqlalchemy.dialects.postgresql", "sqlalchemy.dialects.mysql"),
    *("sqlalchemy.ext.asyncio", "aiosqlite", "asyncpg", "psycopg", "pymysql", "ruff", "asyncio", "subprocess"),
)
_LONGEST = 1 << 20


class Prefork:
    """The process that is forked; ``environment`` is what its interpreter starts with."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                env=dict(environment),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )

    def start(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str], out: IO[str], err: IO[str]
    ) -> Forked:
        """Start ``python -m command`` in ``folder``, writing to ``out`` and ``err``."""
        request = json.dumps({"command": command, "folder": str(folder), "environment": dict(environment)}).encode()
        assert len(request) < _LONGEST
        ours, theirs = os.pipe()
        try:
            socket.send_fds(self._socket, [request], [out.fileno(), err.fileno(), theirs])
        finally:
            os.close(theirs)
        return Forked(os.fdopen(ours))

    def run(self, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> tuple[int, str, str]:
        """Run ``python -m command``; its code (or minus the signal that ended it), what it printed, its errors."""
        with text_file() as out, text_file() as err:
            code = self.start(command, folder, environment, out, err).wait()
            return code, everything(out), everything(err)

    def close(self) -> None:
        """End the process that is forked."""
        self._socket.close()
        self._process.wait(timeout=10)


class Forked:
    """A process that was started; ``status`` tells its id in the first line and, once it is over, how it ended."""

    def __init__(self, status: IO[str]) -> None:
        self._status = status
        self.pid = int(status.readline())

    def wait(self) -> int:
        """Its exit code, or minus the signal that ended it, when it is over."""
        with self._status:
            return os.waitstatus_to_exitcode(int(self._status.read()))


def text_file() -> IO[str]:
    """A file for what a process writes."""
    return tempfile.TemporaryFile("w+", encoding="utf-8", newline=None)


def everything(file: IO[str]) -> str:
    """All that was written to ``file``."""
    file.seek(0)
    return file.read()


def _serve(requests: socket.socket) -> list[str]:
    """Fork for each request; returns, in the fork, the command that it is to be."""
    while True:
        request, fds, _, _ = socket.recv_fds(requests, _LONGEST, 3)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if not request:
            # Whoever asked is gone.
            os._exit(0)
        if os.fork() == 0:
            requests.close()
            return _become(json.loads(request), *fds)
        for number in fds:
            os.close(number)


def _become(asked: dict, out: int, err: int, status: int) -> list[str]:
    child = os.fork()
    if child:
        os.write(status, f"{child}\n".encode())
        _, ended = os.waitpid(child, 0)
        os.write(status, str(ended).encode())
        os._exit(0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    for number in (out, err, status):
        os.close(number)
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["folder"])
    signal.alarm(120)
    return asked["command"]


def _main() -> None:
    requests = socket.socket(fileno=int(sys.argv[1]))
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()
    command = _serve(requests)
    sys.argv[:] = command
    try:
        runpy.run_module(command[0], run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    # As multiprocessing ends its forks: taking everything down would copy what is shared, which takes longest of all.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _main()
