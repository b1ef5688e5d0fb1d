"""Parse, complete and display database URLs. Pure functions over ``sqlalchemy.engine.URL``."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from fastman_tasks.errors import SettingsError
from fastman_tasks.text import printable
from fastman_tasks.text.secrets import is_secret

# What other tools call a backend (Heroku: postgres, Laravel: pgsql and sqlsrv) -> SQLAlchemy's name.
_BACKENDS = {"postgres": "postgresql", "pgsql": "postgresql", "sqlsrv": "mssql"}
# Drivers to try, in order, for a URL that names none: (SQLAlchemy's driver name, module).
_DRIVERS = {
    "postgresql": (("psycopg", "psycopg"), ("psycopg2", "psycopg2")),
    "mysql": (("pymysql", "pymysql"), ("mysqldb", "MySQLdb")),
    "mariadb": (("pymysql", "pymysql"), ("mysqldb", "MySQLdb")),
}
_LOCAL_HOSTS = {"", "localhost", "[::1]"}


def parse(text: str, *, name: str = "DATABASE_URL") -> URL:
    """Returns ``text`` as a URL, with the backend's name and driver completed.

    Raises SettingsError, without the text (it may contain a password), if it is not a database URL.
    """
    try:
        url = make_url(text)
        if "@" in (url.host or ""):
            # A part of the password: an @ in it ends it too early.
            raise ValueError
        return complete(url)
    except (ArgumentError, ValueError):
        # What was raised may quote a piece of the password (taken for the port), and --debug prints causes.
        raise SettingsError(
            f"{name} is not a database URL. Expected something like "
            "postgresql://user:password@host:5432/database or sqlite:///app.db; "
            "characters such as @ : / % in a password must be URL-quoted (%40 %3A %2F %25)."
        ) from None


def complete(url: URL) -> URL:
    """Returns ``url`` with SQLAlchemy's name for its backend and, if it names no driver, an installed one."""
    backend, _, driver = url.drivername.partition("+")
    backend = _BACKENDS.get(backend, backend)
    candidates = _DRIVERS.get(backend, ())
    if not driver and candidates:
        installed = [name for name, module in candidates if find_spec(module)]
        driver = installed[0] if installed else candidates[0][0]
    return url.set(drivername=f"{backend}+{driver}" if driver else backend)


def require_known(url: URL) -> None:
    """Raises SettingsError if SQLAlchemy does not know the database or its driver."""
    try:
        url.get_dialect()
    except NoSuchModuleError as error:
        name = str(error).rpartition(":")[2]
        raise SettingsError(f"Unknown database {name!r} ({mask(url)}); use sqlite, postgresql or mysql.") from error


def sqlite_file(url: URL) -> Path | None:
    """Returns the file of a SQLite URL, also of one that has a ``file:`` URI; None for memory and other databases."""
    name = url.database
    if url.get_backend_name() != "sqlite" or not name or name == ":memory:":
        return None
    if not _has_uri(url):
        return Path(name)
    in_memory = url.query.get("mode") == "memory" or url.query.get("vfs") == "memdb"
    return None if in_memory else uri_file(name)


def uri_file(uri: str) -> Path | None:
    """Returns the file that a ``file:`` URI of SQLite names; None for memory. Source: sqlite.org/uri.html."""
    name = unquote(urlsplit(uri).path)
    return None if name in ("", ":memory:") else Path(name)


def _has_uri(url: URL) -> bool:
    # As SQLAlchemy reads a switch in a URL.
    switch = str(url.query.get("uri", "")).lower() in {"true", "yes", "on", "y", "t", "1"}
    return switch and (url.database or "").startswith("file:")


def anchor(url: URL, root: Path) -> URL:
    """Returns ``url`` with a relative SQLite file made absolute, relative to ``root``; a URI stays as it is."""
    file = sqlite_file(url)
    return url if file is None or _has_uri(url) else url.set(database=str(root / file))


def display_url(url: URL, root: Path) -> str:
    """Returns ``url`` as text for people: password masked, a SQLite file inside ``root`` relative to it."""
    file = sqlite_file(url)
    if file is not None and file.is_relative_to(root) and not _has_uri(url):
        url = url.set(database=file.relative_to(root).as_posix())
    return mask(url)


def mask(url: URL) -> str:
    """Returns ``url`` as printable text with every password masked, also the part that an unquoted @ leaves in the
    host."""
    secret, _, host = (url.host or "").rpartition("@")
    if secret:
        url = url.set(host=f"***@{host}")
    masked = url.set(query={key: "***" if is_secret(key) else value for key, value in url.query.items()})
    return printable(masked.render_as_string(hide_password=True))


def passwords(url: URL) -> list[str]:
    """Returns the passwords of ``url``, also those in its query.

    One that also occurs elsewhere in the masked URL (as the user's name, say) is left out: masking it would reveal it.
    """
    found = [str(url.password)] if url.password else []
    found += [text for key, value in url.query.items() if is_secret(key) for text in _several(value)]
    shown = mask(url)
    return [password for password in found if password and password not in shown]


def hosts(url: URL) -> list[str]:
    """Returns the hosts that ``url`` names; libpq takes them from the query too, several in one or each in its own."""
    named = [url.host, *(url.query.get(key) for key in ("host", "hostaddr"))]
    return [host for value in named if value for text in _several(value) for host in text.split(",")]


def is_local(url: URL) -> bool:
    """Whether the database is on this machine: a file, a socket, or a loopback address."""
    return all(is_local_host(host) for host in hosts(url))


def is_local_host(host: str | None) -> bool:
    """Whether ``host``, which may have a port, is this machine; so is a socket, and no host at all."""
    if host is None or host in _LOCAL_HOSTS or host.startswith(("/", "@")):
        return True
    name = host.rpartition(":")[0] if host.count(":") == 1 else host
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name.lower() == "localhost"


def _several(value: str | Iterable[str]) -> Iterable[str]:
    return (value,) if isinstance(value, str) else value
