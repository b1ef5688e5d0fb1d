"""Where a connection really leads: to which server, database and schema.

A URL is what somebody asked for. ``connect_args``, a ``creator``, PGHOST, PGSERVICE, PyMySQL's ``read_default_file``,
USE and SET search_path may have made something else of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.engine import URL

from fastman_tasks.databases import urls

_QUERIES = {
    "postgresql": "SELECT current_database(), current_schema(), host(inet_server_addr()), inet_server_port()",
    "mysql": "SELECT database(), database(), NULL, NULL",
    "mariadb": "SELECT database(), database(), NULL, NULL",
    "sqlite": "SELECT file, NULL, NULL, NULL FROM pragma_database_list WHERE name = 'main'",
}
_PORTS = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306}


def find(connection: Connection) -> tuple[URL, str | None]:
    """Returns the URL of the database that ``connection`` leads to, and the schema in it that comes first."""
    url = connection.engine.url
    query = _QUERIES.get(connection.dialect.name)
    if query is None:
        return url, connection.dialect.default_schema_name
    database, schema, host, port = connection.exec_driver_sql(query).one()
    named = urls.sqlite_file(url)
    is_named = named is not None and database and named.resolve() == Path(database).resolve()
    if database and not is_named and not (url.database or "").startswith("file:"):
        url = url.set(database=database)
    if connection.dialect.name in _PORTS and (server := _server(connection)) is not None:
        url = _with_server(url, *server)
    elif host and not urls.hosts(url) and "service" not in url.query:
        # Behind a forwarded port the server has an address that only it knows.
        url = url.set(host=host, port=port)
    return url, schema


def _server(connection: Connection) -> tuple[str, int | None] | None:
    """The host, or the folder of the socket, and the port that the driver is connected to; None if it does not say."""
    driver: Any = connection.connection.driver_connection
    if (info := getattr(driver, "info", None)) is not None and hasattr(info, "dbname"):
        # psycopg and psycopg2; the host is a name, which PGHOSTADDR replaces.
        address = getattr(info, "hostaddr", None) or getattr(info, "dsn_parameters", {}).get("hostaddr")
        host = address if address and urls.is_local_host(info.host) and not urls.is_local_host(address) else info.host
        return host or "", info.port
    if (address := getattr(driver, "_addr", None)) is not None:
        # asyncpg has no public name for it.
        return (address[0], address[1]) if isinstance(address, tuple) else (str(address), None)
    if getattr(driver, "unix_socket", None):
        return str(driver.unix_socket), None
    for name in ("host", "server_host"):
        if isinstance(host := getattr(driver, name, None), str):
            return host, getattr(driver, name.replace("host", "port"), None)
    return None


def _with_server(url: URL, host: str, port: int | None) -> URL:
    # A socket has a folder for a host, or none.
    shown = host if host and not host.startswith(("/", "@")) else "localhost"
    named, is_local = urls.hosts(url), urls.is_local_host(host)
    if is_local != urls.is_local(url) or (not is_local and host not in named):
        url = url.set(host=shown)
    # Several hosts have ports of their own in the query.
    is_single = len(named) <= 1 and "host" not in url.query and "port" not in url.query
    if port and is_single and port != (url.port or _PORTS[url.get_backend_name()]):
        url = url.set(host=url.host or shown, port=port)
    return url
