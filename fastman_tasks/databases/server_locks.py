"""The migration lock on a database server: it belongs to a session, which is kept alive for it."""

from __future__ import annotations

import hashlib
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any, TypeVar

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from fastman_tasks.databases import pooler, sockets
from fastman_tasks.databases.database import Database, HeldConnection
from fastman_tasks.databases.transactions import driver_connection
from fastman_tasks.errors import LockLost, UsageError

T = TypeVar("T")
# For so many seconds a lock that was confirmed counts as held, unless the server has sent something.
_CONFIRMED = 1.0


class ServerLock:
    """See ``lock.Lock``. ``name`` is what is locked in ``database``."""

    def __init__(self, database: Database, name: str) -> None:
        self._database = database
        self._digest = hashlib.sha256(name.encode()).digest()
        self._connection: HeldConnection | None = None
        self._driver_connection: Any = None
        self._descriptor: int | None = None
        self._owner = 0
        self._is_pooled = False
        self._confirmed: tuple[float, float] | None = None

    def acquire(self) -> bool:
        if self._connection is None:
            self._connection = self._database.hold()
            self._owner = os.getpid()
            self._driver_connection = self._connection.run(driver_connection)
            self._descriptor = sockets.descriptor(self._driver_connection)
            with self._losses():
                self._is_pooled = require_session(self._database, self._connection, _MIGRATION_LOCK)
            self._run(self._introduce)
        acquired = self._run(self._try)
        if acquired:
            self._confirmed = _clocks()
        return acquired

    def confirm(self, what: str) -> None:
        # A session that ends says so before its lock is free. Behind a pooler it is the pooler that would have to.
        is_recent = self._confirmed is not None and all(
            0 <= now - then < _CONFIRMED for now, then in zip(_clocks(), self._confirmed, strict=True)
        )
        if is_recent and not self._is_pooled and not sockets.has_news(self._driver_connection):
            return
        if not self._run(self._is_held, what):
            raise _lost("its session was replaced", what)
        self._confirmed = _clocks()

    def holder(self) -> str | None:
        return self._run(self._holder) if self._connection else None

    def release(self) -> None:
        # The server releases the lock with its session, which may have ended. A forked child has no part in it.
        if self._connection is not None and self._owner == os.getpid():
            with suppress(SQLAlchemyError, OSError, LockLost):
                if self._is_pooled and self._confirmed:
                    self._run(self._unlock)
            with suppress(SQLAlchemyError, OSError):
                self._connection.close()

    def leave_to_parent(self) -> None:
        if self._descriptor is not None:
            sockets.leave_to_parent(self._descriptor)

    def _run(self, work: Callable[[Connection], T], what: str = "anything was changed") -> T:
        assert self._connection is not None
        with self._losses(what):
            return self._connection.run(work)

    @contextmanager
    def _losses(self, what: str = "anything was changed") -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            raise _lost(" ".join(str(getattr(error, "orig", error)).split()), what) from error

    def _introduce(self, connection: Connection) -> None:
        """Keep the session alive, and let the server's lists of sessions say who this is."""
        raise NotImplementedError

    def _try(self, connection: Connection) -> bool:
        raise NotImplementedError

    def _is_held(self, connection: Connection) -> bool:
        raise NotImplementedError

    def _unlock(self, connection: Connection) -> None:
        """Release the lock of a session that may go on without us."""

    def _holder(self, connection: Connection) -> str | None:
        raise NotImplementedError


def _clocks() -> tuple[float, float]:
    # The first stands still while the machine sleeps, the second can be set.
    return time.monotonic(), time.time()


def _lost(reason: str, what: str) -> LockLost:
    return LockLost(
        f"The connection that holds the migration lock was lost ({reason.rstrip('. ')}). Another process may have the "
        f"lock now, so this one stopped before {what}."
    )


_POOLED = (
    "The connection leads to a pooler in transaction mode, such as PgBouncer: a session there is not ours alone, so it "
    "cannot hold {}. Nothing was changed. Set {} to the server itself{}."
)
_MIGRATION_LOCK = _POOLED.format(
    "the migration lock", "DATABASE_URL", ", or set FASTMAN_LOCK=off if no other process migrates at the same time"
)
_SCRATCH_LOCK = _POOLED.format("the lock of a scratch database", "FASTMAN_SCRATCH_URL", "")


def require_session(database: Database, connection: HeldConnection, message: str = _SCRATCH_LOCK) -> bool:
    """Raises UsageError with ``message`` if ``connection`` to ``database`` has no session of its own. Returns whether
    it has one of a pooler."""
    if database.url.get_backend_name() != "postgresql" or not connection.run(pooler.may_be_pooled):
        return False
    with closing(database.hold()) as other:
        if pooler.shares_sessions(
            lambda: connection.run(pooler.server_process), lambda: other.run(pooler.server_process)
        ):
            raise UsageError(message)
    return True


_IS_OURS = (
    "l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND d.datname = current_database() "
    "AND ((l.classid::bigint << 32) | l.objid::bigint) = :key"
)
# A session gets a lock a second time that it has already. Had it been ours, we would not ask.
_TRY = (
    "SELECT pg_backend_pid(), s.is_shared, CASE WHEN NOT s.is_shared THEN pg_try_advisory_lock(:key) END FROM ("
    "SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database "
    f"WHERE l.pid = pg_backend_pid() AND {_IS_OURS}) AS is_shared OFFSET 0) s"
)


class PostgreSQLLock(ServerLock):
    _pid = 0

    @property
    def _key(self) -> int:
        return int.from_bytes(self._digest[:8], "big", signed=True)

    def _introduce(self, connection: Connection) -> None:
        who = f"fastman-tasks, process {os.getpid()} on {socket.gethostname()}"[:63]
        connection.execute(text("SELECT set_config('application_name', :who, false)"), {"who": who})
        # Older servers do not have each of them.
        connection.execute(
            text(
                "SELECT set_config(name, CASE name WHEN 'tcp_keepalives_idle' THEN '30' ELSE '0' END, false) "
                "FROM pg_settings WHERE name IN ('idle_session_timeout', 'statement_timeout', 'tcp_keepalives_idle')"
            )
        )

    def _try(self, connection: Connection) -> bool:
        self._pid, is_shared, acquired = connection.execute(text(_TRY), {"key": self._key}).one()
        if is_shared:
            raise UsageError(_MIGRATION_LOCK)
        return bool(acquired)

    def _is_held(self, connection: Connection) -> bool:
        # A session has its lock until it ends.
        return bool(connection.scalar(text("SELECT pg_backend_pid() = :pid"), {"pid": self._pid}))

    def _unlock(self, connection: Connection) -> None:
        query = text("SELECT pg_advisory_unlock(:key) WHERE pg_backend_pid() = :pid")
        connection.execute(query, {"key": self._key, "pid": self._pid})

    def _holder(self, connection: Connection) -> str | None:
        row = connection.execute(
            text(
                "SELECT a.application_name, a.usename, a.client_addr, a.pid FROM pg_locks l "
                "JOIN pg_stat_activity a ON a.pid = l.pid JOIN pg_database d ON d.oid = l.database "
                f"WHERE {_IS_OURS}"
            ),
            {"key": self._key},
        ).first()
        if row is None:
            return None
        name, user, address, pid = row
        return f"{name or 'a connection'}, user {user}, from {address or 'this machine'}, server process {pid}"


class MySQLLock(ServerLock):
    @property
    def _name(self) -> str:
        return f"fastman-tasks.{self._digest.hex()[:40]}"

    def _introduce(self, connection: Connection) -> None:
        # The most that every server takes: 24 days.
        connection.execute(text("SET SESSION wait_timeout = 2147483"))

    def _try(self, connection: Connection) -> bool:
        return bool(connection.scalar(text("SELECT GET_LOCK(:name, 0)"), {"name": self._name}))

    def _is_held(self, connection: Connection) -> bool:
        return bool(connection.scalar(text("SELECT IS_USED_LOCK(:name) = CONNECTION_ID()"), {"name": self._name}))

    def _holder(self, connection: Connection) -> str | None:
        row = connection.execute(
            text("SELECT id, user, host FROM information_schema.processlist WHERE id = IS_USED_LOCK(:name)"),
            {"name": self._name},
        ).first()
        return f"user {row[1]}, from {row[2]}, connection {row[0]}" if row else None
