"""Python commands as processes of their own, forked from one that has imported the libraries and this package.

Starting Python and importing SQLAlchemy and Alembic takes longer than most commands do. Each process has a folder, an
environment, output and an end of its own.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import gc
import importlib.abc
import importlib.machinery
import json
import logging
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import threading
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from types import ModuleType
from typing import IO

from invoke.parser import Argument

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
        """Start ``python -m command`` in ``folder``, writing to ``out`` and ``err``; on a terminal if they are one."""
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
    """A process that was started; ``status`` tells its id in the first line and how it ended in the second."""

    def __init__(self, status: IO[str]) -> None:
        self._status = status
        self.pid = int(status.readline())

    def wait(self) -> int:
        """Its exit code, or minus the signal that ended it, when it is over."""
        with self._status:
            return os.waitstatus_to_exitcode(int(self._status.readline()))


def text_file() -> IO[str]:
    """A file for what a process writes."""
    return tempfile.TemporaryFile("w+", encoding="utf-8", newline=None)


def everything(file: IO[str]) -> str:
    """All that was written to ``file``."""
    file.seek(0)
    return file.read()


class _Server:
    """Forks for each of ``requests``, and tells whoever asked how the fork has ended."""

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._statuses: dict[int, int] = {}
        # What a signal writes ends a select that waits; the signal itself does not.
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        self._handler = signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake)

    def serve(self) -> list[str]:
        """Returns, in a fork, the command that it is to be."""
        while True:
            ready, _, _ = select.select([self._requests, self._woken], [], [])
            if self._woken in ready:
                os.read(self._woken, _LONGEST)
                self._tell()
            if self._requests not in ready:
                continue
            request, fds, _, _ = socket.recv_fds(self._requests, _LONGEST, 3)
            if not request:
                # Whoever asked is gone.
                os._exit(0)
            *outputs, status = fds
            if (child := os.fork()) == 0:
                self._forget(status)
                return _become(json.loads(request), *outputs)
            self._statuses[child] = status
            _write(status, child)
            for number in outputs:
                os.close(number)

    def _tell(self) -> None:
        while self._statuses:
            child, ended = os.waitpid(-1, os.WNOHANG)
            if not child:
                break
            status = self._statuses.pop(child)
            _write(status, ended)
            os.close(status)

    def _forget(self, status: int) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, self._handler)
        self._requests.close()
        for number in (self._woken, self._wake, status, *self._statuses.values()):
            os.close(number)


def _write(status: int, number: int) -> None:
    # Whoever asked may not want to know.
    with contextlib.suppress(BrokenPipeError):
        os.write(status, f"{number}\n".encode())


def _become(asked: dict, out: int, err: int) -> list[str]:
    if os.isatty(out):
        os.setsid()
        fcntl.ioctl(out, termios.TIOCSCTTY, 0)
        os.dup2(out, 0)
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.close(out)
    os.close(err)
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["folder"])
    signal.alarm(120)
    return asked["command"]


def _import_all(package: str) -> None:
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
        (_import_all if module.ispkg else importlib.import_module)(module.name)


class _Before(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives the modules of ``package``, which were imported before, to who imports them; the package itself, which asks
    Invoke how it was called, is imported then."""

    def __init__(self, package: str) -> None:
        del sys.modules[package]
        names = [name for name in sys.modules if name.startswith(f"{package}.")]
        self._modules = {name: sys.modules.pop(name) for name in names}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        return importlib.machinery.ModuleSpec(fullname, self) if fullname in self._modules else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return self._modules[spec.name]

    def exec_module(self, module: ModuleType) -> None:
        # Whether Invoke was called with --debug.
        self._modules["fastman_tasks.tasks.boundary"]._DEBUG = logging.getLogger("invoke").isEnabledFor(logging.DEBUG)


def _copy_at_once(argument: Argument, memo: dict[int, object]) -> Argument:
    memo[id(argument)] = copied = object.__new__(type(argument))
    for name, value in vars(argument).items():
        # One that stands for another one.
        vars(copied)[name] = deepcopy(value, memo) if isinstance(value, Argument) else value
    return copied


def _main() -> None:
    requests = socket.socket(fileno=int(sys.argv[1]))
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    _import_all("fastman_tasks")
    sys.meta_path.insert(0, _Before("fastman_tasks.tasks"))
    # Invoke copies every flag of every command twice, which takes longer than most commands do. What a flag holds is
    # replaced, never changed.
    Argument.__deepcopy__ = _copy_at_once  # type: ignore[attr-defined]
    gc.freeze()
    command = _Server(requests).serve()
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
