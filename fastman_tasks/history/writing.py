"""Add rows to the history's table at little cost: applying a thousand migrations writes a thousand of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from sqlalchemy import ColumnElement, Connection, insert, literal_column
from sqlalchemy.exc import OperationalError

from fastman_tasks.databases import commits
from fastman_tasks.databases.outages import is_busy
from fastman_tasks.databases.transactions import commits_each_statement, driver_connection, ensure_begun
from fastman_tasks.history import table

# The server's clock, in UTC: those of the machines that migrate may differ.
_NOW = {
    "postgresql": "CAST(clock_timestamp() AT TIME ZONE 'UTC' AS TIMESTAMP(3))",
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f', 'now')",
    "mysql": "UTC_TIMESTAMP(3)",
    "mariadb": "UTC_TIMESTAMP(3)",
}
_SAVEPOINT = "fastman_history"


class NotWritten(Exception):
    """A row was refused; the transaction is as it was before. The cause says why."""


class Writer:
    """Adds rows through ``connection`` to the table in ``schema``; each has all of ``columns``."""

    def __init__(self, connection: Connection, schema: str | None, columns: Sequence[str]) -> None:
        dialect = connection.dialect
        now: ColumnElement[Any] = literal_column(_NOW.get(dialect.name, "CURRENT_TIMESTAMP"))
        statement = insert(table.of(schema)).values(at=now).inline()
        compiled: Any = statement.compile(dialect=dialect, column_keys=list(columns))
        self._connection = connection
        # psycopg prepares what it sends often, and has the server forget it with the next DDL: two messages more.
        self._more: Any = {"prepare": False} if dialect.driver in ("psycopg", "psycopg_async") else {}
        # That of the last row.
        self._transaction: object = None
        self._statement = str(compiled)
        self._order: Sequence[str] | None = compiled.positiontup if compiled.positional else None

    def write(self, row: Mapping[str, Any], *, postpones_flush: bool = False) -> None:
        """Add ``row`` within the connection's transaction, whose commit PostgreSQL need not flush to its disk if it
        ``postpones_flush``. Raises NotWritten, and DBAPIError if the connection, or the transaction, is lost."""
        connection = self._connection
        dialect = connection.dialect
        dbapi: Any = dialect.loaded_dbapi
        ensure_begun(connection)
        # Otherwise a statement that fails ends the transaction.
        guards = dialect.name == "postgresql" and not commits_each_statement(connection)
        # SQLAlchemy's own execution takes twice as long as the insert.
        with closing(connection.connection.cursor()) as cursor:
            try:
                if guards:
                    before = [commits.POSTPONE_FLUSH] if postpones_flush else []
                    before.append(f"SAVEPOINT {_SAVEPOINT}")
                    # Each message takes as long as the insert itself, and psycopg can send both in one.
                    for each in ["; ".join(before)] if self._more else before:
                        cursor.execute(each, **self._more)
                values = row if self._order is None else [row[each] for each in self._order]
                cursor.execute(self._statement, values, **self._more)
                # The first one in a transaction ends with it; many would be slow.
                transaction = connection.get_transaction()
                if guards and self._transaction is transaction:
                    cursor.execute(f"RELEASE SAVEPOINT {_SAVEPOINT}")
                self._transaction = transaction
            except (dbapi.Error, ValueError) as error:
                # A driver may refuse a text before it sends it.
                self._recover(error, guards)
                raise NotWritten from error

    def _recover(self, error: Exception, guards: bool) -> None:
        connection = self._connection
        if guards:
            connection.exec_driver_sql(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
        elif connection.dialect.name == "sqlite" and (
            is_busy(error) or not driver_connection(connection).in_transaction
        ):
            # Another process writes, or the disk is full: the migration cannot go on, either.
            raise OperationalError(self._statement, None, error) from error
        else:
            connection.exec_driver_sql("SELECT 1")
