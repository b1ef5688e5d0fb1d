"""The database's own client, for a user at a terminal: without the password in its arguments, and with Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.engine import URL

from fastman_tasks.databases import programs
from fastman_tasks.databases.attempts import Attempt
from fastman_tasks.databases.database import Database

# These connect to localhost over TCP; MySQL's own client would look for a socket.
_OVER_TCP = {"pymysql", "aiomysql", "asyncmy"}
_SECRET = ("password", "passwd")


@dataclass(frozen=True)
class Client:
    """A ``program`` with its ``arguments``. It finds the database in ``environ``, or in a file of options that are made
    of ``options``."""

    program: Path
    arguments: tuple[str, ...]
    environ: Mapping[str, str] | None = field(default=None, repr=False)
    options: URL | None = None

    def run(self) -> int:
        """Run it with this process's terminal, and return its exit code. Ctrl-C is the program's."""
        options: AbstractContextManager[str | None] = nullcontext()
        if self.options is not None:
            options = programs.option_file(self.options)
        with options as first, _leave_interrupts():
            words: list[str | Path] = [self.program, *([first] if first else []), *self.arguments]
            with subprocess.Popen(words, env=self.environ) as process:
                try:
                    code = process.wait()
                except BaseException:
                    # A signal that ends this process ends the program, too.
                    process.terminate()
                    raise
        return code if code >= 0 else 128 - code


def postgresql(database: Database, attempt: Attempt, command: str | None) -> Client:
    """Returns psql on ``database``, which is that of ``attempt``, for ``command`` or for a user. Raises ProgramFailed
    if it is not installed."""
    run = () if command is None else (f"--command={command}",)
    return Client(
        programs.find(["psql"], "postgresql-client"), run, programs.libpq(database, url=_with_options(attempt))
    )


def mysql(attempt: Attempt, command: str | None, *, is_mariadb: bool) -> Client:
    """Returns mariadb or mysql on the database of ``attempt``; see ``postgresql``."""
    url = _with_options(attempt)
    names, package = ["mariadb", "mysql"], "mariadb-client"
    if not is_mariadb:
        names, package = names[::-1], "mysql-client"
    words = [] if url.database is None else [f"--database={url.database}"]
    if attempt.dialect.driver in _OVER_TCP and "unix_socket" not in url.query:
        words.append("--protocol=TCP")
    words += [] if command is None else [f"--execute={command}"]
    return Client(programs.find(names, package), tuple(words), options=url)


def sqlite(file: Path, command: str | None) -> Client:
    """Returns sqlite3 on ``file``; see ``postgresql``."""
    # What begins with a dash, such as a comment, would be an option.
    run = () if command is None else (f" {command}",)
    return Client(programs.find(["sqlite3"], "sqlite3"), (os.fspath(file), *run))


def _with_options(attempt: Attempt) -> URL:
    """The URL with the driver's options, also those that ``connect_args`` has added, in its query."""
    options = {name: str(value) for name, value in attempt.options.items() if isinstance(value, str | int)}
    return attempt.url.update_query_dict({name: value for name, value in options.items() if name not in _SECRET})


@contextmanager
def _leave_interrupts() -> Iterator[None]:
    """Leave Ctrl-C, which every process of the terminal gets, to a program that is started in this block."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # A function that does nothing, as a signal that is ignored would be so in the program, too.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
