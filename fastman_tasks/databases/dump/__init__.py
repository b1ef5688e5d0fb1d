"""A database's schema and rows as SQL statements, which make an equal database out of an empty one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from fastman_tasks.databases.backends import choose
from fastman_tasks.databases.verbatim import execute

# Drivers that send several statements at once, which takes a quarter of the time.
_TAKE_SEVERAL, _BATCH = {"psycopg", "psycopg2"}, 100


@dataclass(frozen=True)
class Dump:
    """The ``statements`` in an order in which they can run, and in words what they do not carry (``left_out``)."""

    statements: tuple[str, ...]
    left_out: tuple[str, ...] = ()


def read(connection: Connection, *, without: Collection[str] = ()) -> Dump:
    """Returns the dump of the database behind ``connection``: PostgreSQL, SQLite, MySQL or MariaDB. Only reads.

    It has no owners, grants or settings, and is the same for two databases that have the same schema and rows. The
    tables ``without`` are those whose qualified names are given. Raises UsageError for another database.
    """
    backend = choose(__name__, connection.dialect.name, "be dumped")
    return backend.read(connection, without)  # type: ignore[no-any-return]


def load(
    connection: Connection, statements: Sequence[str], before: Callable[[int], None] = lambda number: None
) -> None:
    """Run the ``statements`` of a dump as they are; ``before`` is called with the number of each, from 0. The caller
    begins and ends the transaction."""
    if connection.dialect.name == "sqlite":
        # Rows of a table may refer to later ones. It ends with the transaction.
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
    size = _BATCH if connection.dialect.driver in _TAKE_SEVERAL else 1
    for start in range(0, len(statements), size):
        batch = statements[start : start + size]
        before(start)
        if size > 1:
            with suppress(DBAPIError), connection.begin_nested():
                execute(connection, "\n;\n".join(batch))
                continue
        # Also to find out which of them has failed.
        for number, statement in enumerate(batch, start):
            before(number)
            execute(connection, statement)
