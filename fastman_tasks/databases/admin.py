"""Create and drop databases on a server: over a connection to another one of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from sqlalchemy import Connection, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from fastman_tasks.databases import places, urls
from fastman_tasks.databases.attempts import Attempt
from fastman_tasks.databases.database import Database, HeldConnection
from fastman_tasks.databases.verbatim import execute
from fastman_tasks.errors import DatabaseInUse, DatabaseUnavailable
from fastman_tasks.text import pluralize

#: Those that each server of PostgreSQL has, unless somebody has dropped one.
MAINTENANCE = ("postgres", "template1")
# PostgreSQL's states, MySQL's and MariaDB's numbers. Two that are made at the same moment collide in an index.
_EXISTS, _FORBIDDEN, _IN_USE = {"42P04", "23505", 1007}, {"42501", 1044, 1227}, {"55006"}
# While another process creates one, or is connected to its template. In seconds.
_PATIENCE, _PAUSE = 10.0, 0.1
_MOMENT = 20


class Server:
    """The server that ``attempt`` is to, as the same user; ``url`` is that of the database that it is about, on the
    server that the connection really leads to.

    Connecting raises DatabaseUnavailable. ``close`` ends the connection.
    """

    def __init__(self, attempt: Attempt, url: URL, connect_timeout: float) -> None:
        self.url = url
        self._connection = self._connect(attempt, url, connect_timeout)
        # PGHOST and the like may lead to another server than the URL says.
        server = self._connection.run(places.find)[0]
        if urls.is_local(server) != urls.is_local(url):
            self.url = url.set(host=server.host, port=server.port)

    def exists(self) -> bool:
        """Whether the database exists; False too, on MySQL and MariaDB, if the user has no right to anything in it."""
        query = (
            "SELECT count(*) FROM pg_database WHERE datname = :name"
            if self._is_postgresql
            else "SELECT count(*) FROM information_schema.schemata WHERE schema_name = :name"
        )
        return bool(self._run(lambda connection: connection.scalar(text(query), {"name": self.url.database})))

    def creation(self) -> str:
        """The statement that ``create`` executes."""
        # MariaDB's own default depends on its version and distribution, and may hold no emoji.
        ending = "" if self._is_postgresql else " CHARACTER SET utf8mb4"
        return f"CREATE DATABASE {self._quoted}{ending}"

    def create(self, sleep: Callable[[float], None] = time.sleep) -> bool:
        """Create the database; returns False if it exists by now. Raises DatabaseUnavailable, which names the right
        that is missing."""
        for _ in range(int(_PATIENCE / _PAUSE)):
            try:
                self._run(lambda connection: execute(connection, self.creation()))
                return True
            except DBAPIError as error:
                codes = _codes(error)
                if codes & _EXISTS:
                    return False
                if codes & _FORBIDDEN:
                    raise DatabaseUnavailable(self._forbidden()) from error
                failure = error
                if not codes & _IN_USE:
                    break
            if self.exists():
                return False
            sleep(_PAUSE)
        raise DatabaseUnavailable(f"The database {self.url.database} cannot be created: {said(failure)}") from failure

    def connections(self) -> int:
        """How many connections to the database there are, as far as the user may see them."""
        query = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = :name AND backend_type = 'client backend'"
            if self._is_postgresql
            else "SELECT count(*) FROM information_schema.processlist WHERE db = :name"
        )
        return int(str(self._run(lambda connection: connection.scalar(text(query), {"name": self.url.database}))))

    def removal(self, *, end_connections: bool = False) -> str:
        """The statement that ``drop`` executes."""
        version = self._run(lambda connection: connection.dialect.server_version_info)
        force = end_connections and self._is_postgresql and isinstance(version, tuple) and version >= (13,)
        return f"DROP DATABASE {self._quoted}{' WITH (FORCE)' if force else ''}"

    def drop(self, *, end_connections: bool = False, sleep: Callable[[float], None] = time.sleep) -> None:
        """Drop the database. Raises DatabaseInUse if there are connections to it, unless it is to ``end_connections``,
        and DatabaseUnavailable if the user may not."""
        statement = self.removal(end_connections=end_connections)
        try:
            if end_connections and "FORCE" not in statement:
                self._run(self._end_connections)
            elif not end_connections:
                self._require_unused(sleep)
            self._run(lambda connection: execute(connection, statement))
        except DBAPIError as error:
            codes = _codes(error)
            if codes & _IN_USE:
                raise self._in_use() from error
            if codes & _FORBIDDEN:
                lacking = "only its owner may" if self._is_postgresql else "it lacks the right DROP"
                raise DatabaseUnavailable(
                    f"{self.url.username or 'The user'} may not drop the database {self.url.database}: {lacking}. "
                    f"{said(error)}"
                ) from error
            raise DatabaseUnavailable(f"The database {self.url.database} cannot be dropped: {said(error)}") from error

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _require_unused(self, sleep: Callable[[float], None]) -> None:
        # Those that have just been closed may be seen for a moment.
        for _ in range(_MOMENT):
            if not self.connections():
                return
            sleep(_PAUSE)
        raise self._in_use()

    def _in_use(self) -> DatabaseInUse:
        return DatabaseInUse(
            f"The database {self.url.database} is in use: {pluralize(self.connections(), 'connection')}. Nothing was "
            "changed. End them, or drop the database with --force, which ends them."
        )

    def _end_connections(self, connection: Connection) -> None:
        name = {"name": self.url.database}
        if self._is_postgresql:
            query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
            connection.execute(text(query), name)
            return
        query = "SELECT id FROM information_schema.processlist WHERE db = :name"
        for number in connection.scalars(text(query), name).all():
            # One that has ended by itself is not there any more.
            with suppress(DBAPIError):
                connection.exec_driver_sql(f"KILL {int(number)}")

    def _forbidden(self) -> str:
        user, name = self.url.username or "The user", self.url.database
        right, grant = (
            ("CREATEDB", f"ALTER ROLE {self._quote(user)} CREATEDB;")
            if self._is_postgresql
            else ("CREATE", f"GRANT ALL ON {self._quoted}.* TO {self._user()};")
        )
        other = f"CREATE DATABASE {self._quoted} OWNER {self._quote(user)};" if self._is_postgresql else self.creation()
        return (
            f"{user} may not create the database {name}: it lacks the right {right}. Ask an administrator of the "
            f"server for it:\n  {grant}\nor for the database:\n  {other}"
        )

    def _user(self) -> str:
        found = str(self._run(lambda connection: connection.scalar(text("SELECT CURRENT_USER()"))))
        name, _, host = found.rpartition("@")
        return f"'{name}'@'{host}'"

    @property
    def _is_postgresql(self) -> bool:
        return self.url.get_backend_name() == "postgresql"

    @property
    def _quoted(self) -> str:
        return self._quote(self.url.database or "")

    def _quote(self, name: str) -> str:
        return self.url.get_dialect()().identifier_preparer.quote_identifier(name)

    def _run(self, work: Callable[[Connection], object]) -> object:
        return self._connection.run(work)

    def _connect(self, attempt: Attempt, url: URL, connect_timeout: float) -> HeldConnection:
        failure: DatabaseUnavailable | None = None
        for name in [each for each in MAINTENANCE if each != url.database] if self._is_postgresql else [None]:
            engine = attempt.engine(name)
            try:
                return Database(engine.url, "", engine, connect_timeout).hold()
            except DatabaseUnavailable as error:
                failure = failure or error
        raise DatabaseUnavailable(
            f"{failure}\nTo create or drop {url.database}, {urls.mask(url.set(database=None))} has to be connected to."
        ) from failure


def said(error: DBAPIError) -> str:
    """What the server says, as one line."""
    return " ".join(str(error.orig.args[-1] if error.orig and error.orig.args else error).split())


def _codes(error: DBAPIError) -> set[object]:
    codes = [getattr(error.orig, name, None) for name in ("sqlstate", "pgcode")]
    return {code for code in (*codes, *(error.orig.args[:1] if error.orig else ())) if isinstance(code, str | int)}
