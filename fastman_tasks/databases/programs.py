"""The databases' own programs: where they are, and how they connect without a password in their arguments."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.engine import URL

from fastman_tasks.databases.database import Database
from fastman_tasks.errors import ProgramFailed

# Where Debian, and others after it, have each version's own; PATH has one of them, not always the newest.
_POSTGRESQL = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
# libpq's variables for its parameters, and for asyncpg's.
_SAME = (
    *("host", "hostaddr", "port", "user", "password", "service", "passfile", "options"),
    *("sslmode", "sslrootcert", "sslcert", "sslkey"),
)
_LIBPQ = {**{name: f"PG{name.upper()}" for name in _SAME}, "dbname": "PGDATABASE", "ssl": "PGSSLMODE"}
_MYSQL = {"unix_socket": "socket", "ssl_ca": "ssl-ca", "ssl_cert": "ssl-cert", "ssl_key": "ssl-key"}

# MySQL's drivers that take localhost for a socket, as its programs do.
_SOCKETS = {"mysqldb", "mariadbconnector"}


def find(names: Sequence[str], package: str, version: int | None = None) -> Path:
    """Returns the first of the programs ``names`` that is installed; of PostgreSQL's the oldest that is not older than
    the server, whose major ``version`` is given.

    Raises ProgramFailed, which names the ``package`` to install.
    """
    if version is None:
        for name in names:
            if found := shutil.which(name):
                return Path(found)
        raise ProgramFailed(f"{' or '.join(names)} is needed and not installed. Install {package}.")
    candidates: dict[int, Path] = {}
    for folder in _postgresql_folders():
        file = folder / names[0]
        if os.access(file, os.X_OK) and (major := _major(file)) is not None:
            candidates.setdefault(major, file)
    fitting = [major for major in candidates if major >= version]
    if not fitting:
        there = f"; there is {', '.join(map(str, sorted(candidates)))}" if candidates else " and not installed"
        raise ProgramFailed(
            f"{names[0]} of PostgreSQL {version} or newer is needed{there}. Install {package}-{version}."
        )
    return candidates[min(fitting)]


def _postgresql_folders() -> list[Path]:
    folders = [Path(each) for each in os.get_exec_path() if each]
    for pattern in _POSTGRESQL:
        folders += sorted(Path("/").glob(pattern[1:]))
    return folders


def _major(program: Path) -> int | None:
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"\) (\d+)", said)
    return int(found[1]) if found else None


def libpq(database: Database, lock_timeout: float = 0.0, url: URL | None = None) -> dict[str, str]:
    """Returns the environment in which PostgreSQL's programs connect to ``database``, and wait ``lock_timeout`` seconds
    for the lock of a table (0: no limit). ``url`` has more options than the database's own. Raises
    DatabaseUnavailable."""
    # A service of the user's own would go before everything else that is said here.
    found = {name: value for name, value in os.environ.items() if name not in ("PGSERVICE", "PGHOSTADDR")}
    found |= {"PGCONNECT_TIMEOUT": "10", "PGAPPNAME": "fastman-tasks"}
    url = url or database.url
    said: dict[str, Any] = {
        name: ",".join(value) if isinstance(value, tuple) else value for name, value in url.query.items()
    }
    said |= {"host": url.host, "port": url.port, "user": url.username, "password": url.password, "dbname": url.database}
    said |= database.run(_parameters)
    found |= {_LIBPQ[name]: str(value) for name, value in said.items() if name in _LIBPQ and value is not None}
    if lock_timeout:
        limit = f"-c lock_timeout={round(lock_timeout * 1000)}"
        found["PGOPTIONS"] = f"{found['PGOPTIONS']} {limit}" if found.get("PGOPTIONS") else limit
    return found


def _parameters(connection: Connection) -> dict[str, Any]:
    """What libpq has connected with, where it is the driver's: env.py may have said what no URL says."""
    info: Any = getattr(connection.connection.driver_connection, "info", None)
    own = {"service": None, "password": getattr(info, "password", None) or None}
    if hasattr(info, "get_parameters"):
        return {**info.get_parameters(), **own}
    if hasattr(info, "dsn_parameters"):
        return {**info.dsn_parameters, **own}
    return {}


@contextmanager
def option_file(url: URL) -> Iterator[str]:
    """Yields the argument, which has to be the first, that lets MySQL's and MariaDB's programs connect to ``url``, as
    its driver does: a file that only this user can read, for the time of the block. They read no other, as one in the
    home folder would go before it and may lead to another server."""
    named = url.query.get("read_default_file")
    parts = {"host": url.host, "port": url.port, "user": url.username, "password": url.password}
    parts |= {option: value for name, option in _MYSQL.items() if isinstance(value := url.query.get(name), str)}
    if not named:
        parts["host"] = url.host or "localhost"
    if "unix_socket" not in url.query and url.get_driver_name() not in _SOCKETS:
        # They take localhost for a socket.
        parts["protocol"] = "TCP"
    lines = [f"{name}={_quote(str(value))}" for name, value in parts.items() if value is not None]
    # mkstemp: nobody else may read it.
    descriptor, name = tempfile.mkstemp(prefix="fastman-", suffix=".cnf")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write("\n".join([*([f"!include {named}"] if named else []), "[client]", *lines, ""]))
        yield f"--defaults-file={name}"
    finally:
        Path(name).unlink(missing_ok=True)


def _quote(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'


def pipe(
    source: Sequence[str | Path], target: Sequence[str | Path], environ: Mapping[str, str], *, before: str, after: str
) -> None:
    """Run ``target``, which reads ``before``, then what ``source`` writes, and ``after`` only if that has not failed.
    Raises ProgramFailed with what one of them says."""
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as answered:
        try:
            with (
                subprocess.Popen(
                    target, env=environ, stdin=subprocess.PIPE, stdout=answered, stderr=answered
                ) as reader,
                subprocess.Popen(source, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said) as writer,
            ):
                assert reader.stdin is not None and writer.stdout is not None
                try:
                    # Where it has ended early, it has said why.
                    with suppress(BrokenPipeError), reader.stdin:
                        reader.stdin.write(before.encode())
                        shutil.copyfileobj(writer.stdout, reader.stdin)
                        if not writer.wait():
                            reader.stdin.write(after.encode())
                except BaseException:
                    reader.kill()
                    writer.kill()
                    raise
                writer.stdout.close()
        except FileNotFoundError as error:
            raise ProgramFailed(f"{error.filename}: {error.strerror}.") from error
        for command, process, file in ((target, reader, answered), (source, writer, said)):
            if process.returncode:
                file.seek(0)
                raise _failure(command, process.returncode, file.read())


def run(command: Sequence[str | Path], environ: Mapping[str, str] | None = None, *, input: Path | None = None) -> str:
    """Run a program, which reads ``input``, and return what it writes. Raises ProgramFailed with what it says."""
    try:
        with (input or Path(os.devnull)).open("rb") as source:
            done = subprocess.run(command, env=environ, stdin=source, capture_output=True)
    except OSError as error:
        raise ProgramFailed(f"{error.filename}: {error.strerror}.") from error
    if done.returncode:
        raise _failure(command, done.returncode, done.stderr)
    return done.stdout.decode("utf-8", "replace")


def _failure(command: Sequence[str | Path], code: int, said: bytes) -> ProgramFailed:
    reason = said.decode("utf-8", "replace").strip() or f"it ended with {code}"
    return ProgramFailed(f"{Path(command[0]).name}: {reason}")
