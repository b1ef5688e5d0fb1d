"""The databases' own programs: where they are, and how they connect without a password in their arguments."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import URL

from fastman_tasks.errors import ProgramFailed

# Where Debian, and others after it, have each version's own; PATH has one of them, not always the newest.
_POSTGRESQL = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
# libpq's variables for what a URL says in its query.
_SAME = ("host", "hostaddr", "port", "service", "passfile", "options", "sslmode", "sslrootcert", "sslcert", "sslkey")
_LIBPQ = {**{name: f"PG{name.upper()}" for name in _SAME}, "ssl": "PGSSLMODE"}
_MYSQL = {"unix_socket": "socket", "ssl_ca": "ssl-ca", "ssl_cert": "ssl-cert", "ssl_key": "ssl-key"}


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


def libpq(url: URL, lock_timeout: float = 0.0) -> dict[str, str]:
    """Returns the environment in which PostgreSQL's programs connect to ``url``, and wait ``lock_timeout`` seconds for
    the lock of a table (0: no limit)."""
    found = {"PGCONNECT_TIMEOUT": "10", "PGAPPNAME": "fastman-tasks"}
    for name, value in url.query.items():
        if name in _LIBPQ:
            found[_LIBPQ[name]] = ",".join(value) if isinstance(value, tuple) else value
    parts = {
        "PGHOST": url.host,
        "PGPORT": url.port,
        "PGUSER": url.username,
        "PGPASSWORD": url.password,
        "PGDATABASE": url.database,
    }
    found |= {name: str(value) for name, value in parts.items() if value is not None}
    if lock_timeout:
        limit = f"-c lock_timeout={round(lock_timeout * 1000)}"
        found["PGOPTIONS"] = f"{found['PGOPTIONS']} {limit}" if found.get("PGOPTIONS") else limit
    return {**os.environ, **found}


@contextmanager
def option_file(url: URL) -> Iterator[str]:
    """Yields the argument, which has to be the first, that lets MySQL's and MariaDB's programs connect to ``url``: a
    file that only this user can read, for the time of the block."""
    parts = {"host": url.host, "port": url.port, "user": url.username, "password": url.password}
    parts |= {option: value for name, option in _MYSQL.items() if isinstance(value := url.query.get(name), str)}
    lines = [f"{name}={_quote(str(value))}" for name, value in parts.items() if value is not None]
    # mkstemp: nobody else may read it.
    descriptor, name = tempfile.mkstemp(prefix="fastman-", suffix=".cnf")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write("\n".join(["[client]", *lines, ""]))
        yield f"--defaults-extra-file={name}"
    finally:
        Path(name).unlink(missing_ok=True)


def _quote(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'


def run(command: Sequence[str | Path], environ: Mapping[str, str] | None = None, *, input: Path | None = None) -> str:
    """Run a program, which reads ``input``, and return what it writes. Raises ProgramFailed with what it says."""
    try:
        with (input or Path(os.devnull)).open("rb") as source:
            done = subprocess.run(command, env=environ, stdin=source, capture_output=True)
    except OSError as error:
        raise ProgramFailed(f"{error.filename}: {error.strerror}.") from error
    if done.returncode:
        reason = done.stderr.decode("utf-8", "replace").strip() or f"it ended with {done.returncode}"
        raise ProgramFailed(f"{Path(command[0]).name}: {reason}")
    return done.stdout.decode("utf-8", "replace")
