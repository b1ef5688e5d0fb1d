"""Write the batches of a data file to a table: COPY on PostgreSQL with psycopg, batched inserts elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from sqlalchemy import Column, Connection, Table, insert
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError

from fastman_tasks.load_values import Converter

Columns = Sequence[Sequence[Any]]
_CHUNK = 1 << 18


class RowRefused(Exception):
    """The database did not take the row ``number`` of a batch (None: not known which), for the reason ``error``."""

    def __init__(self, number: int | None, error: DBAPIError) -> None:
        super().__init__(number, error)
        self.number = number
        self.error = error


class Writer(Protocol):
    """Takes rows, column by column, as the driver wants them."""

    def write(self, columns: Columns, rows: int) -> None:
        """Write a batch; the columns are in the order that the writer was made for. May raise RowRefused."""


def uses_copy(connection: Connection) -> bool:
    """Whether the driver has COPY as psycopg has it."""
    dialect = connection.dialect
    return dialect.name == "postgresql" and dialect.driver == "psycopg" and not dialect.is_async


class Inserts:
    """``INSERT`` with many rows at a time; columns that are not given have their defaults."""

    def __init__(self, connection: Connection, table: Table, given: Sequence[Column[Any]]) -> None:
        self._connection = connection
        dialect = connection.dialect
        # For many rows: without RETURNING, which would make one statement of each.
        compiled: Any = insert(table).compile(
            dialect=dialect, column_keys=[column.key for column in given], for_executemany=True
        )
        self._sql = str(compiled)
        defaults = {column.key: _default(column, dialect) for column in compiled.insert_prefetch}
        places = {column.key: place for place, column in enumerate(given)}
        self._names = list(compiled.positiontup if compiled.positional else compiled.binds)
        # A name with a space, say, is another one where values are given by name.
        self._keys = [(compiled.escaped_bind_names or {}).get(name, name) for name in self._names]
        self._positional = compiled.positional
        self._sources: list[int | Callable[[int], list[Any]]] = [
            places[name] if name in places else defaults[name] for name in self._names
        ]

    def write(self, columns: Columns, rows: int) -> None:
        """Write a batch. Raises RowRefused; nothing of the batch is then written."""
        lists = [columns[source] if isinstance(source, int) else source(rows) for source in self._sources]
        values: list[Any] = list(zip(*lists, strict=True))
        if not self._positional:
            values = [dict(zip(self._keys, row, strict=True)) for row in values]
        try:
            self._insert(values)
        except DBAPIError as error:
            number, reason = (None, error) if error.connection_invalidated else self._refused(values, error)
            raise RowRefused(number, reason) from error

    def _insert(self, values: list[Any]) -> None:
        with self._connection.begin_nested():
            self._connection.exec_driver_sql(self._sql, values)

    def _refused(self, values: list[Any], error: DBAPIError) -> tuple[int | None, DBAPIError]:
        """Which of ``values``, written one by one, is the first that the database does not take, and why."""
        tried = self._connection.begin_nested()
        try:
            for number, row in enumerate(values):
                try:
                    self._insert([row])
                except DBAPIError as reason:
                    return number, reason
        finally:
            tried.rollback()
        return None, error


def _default(column: Column[Any], dialect: Dialect) -> Callable[[int], list[Any]]:
    default: Any = column.default
    converter = Converter(column, dialect)
    if default.is_callable:
        # SQLAlchemy gives its functions a context, of which there is none here.
        return lambda rows: converter.bound([default.arg(None) for _ in range(rows)])
    return lambda rows: converter.bound([default.arg] * rows)


def can_copy(connection: Connection, table: Table, given: Sequence[Column[Any]]) -> bool:
    """Whether COPY can write ``given`` columns of ``table``: the others have no default that Python would make."""
    others = [column for column in table.columns if column not in given]
    return uses_copy(connection) and all(column.default is None for column in others)


class Copy:
    """``COPY`` of rows, or of a CSV file's bytes as they are."""

    def __init__(self, connection: Connection, table: Table, given: Sequence[Column[Any]]) -> None:
        preparer = connection.dialect.identifier_preparer
        self._quote = preparer.quote
        names = ", ".join(preparer.quote(column.name) for column in given)
        self._target = f"COPY {preparer.format_table(table)} ({names}) FROM STDIN"
        self._driver: Any = connection.connection.driver_connection

    @contextmanager
    def rows(self) -> Iterator[Writer]:
        """A writer whose rows are all written when the block ends."""
        with self._driver.cursor() as cursor, cursor.copy(self._target) as copy:
            yield _CopyRows(copy)

    def file(self, chunks: Iterator[bytes], given: Sequence[Column[Any]]) -> int:
        """Write a CSV file whose header names ``given``; how many rows it had."""
        # An empty field is NULL where the column takes it, in quotes or not, and otherwise an empty text.
        force = [
            f"{word} ({', '.join(self._quote(column.name) for column in chosen)})"
            for word, chosen in (
                ("FORCE_NULL", [column for column in given if column.nullable]),
                ("FORCE_NOT_NULL", [column for column in given if not column.nullable]),
            )
            if chosen
        ]
        options = ", ".join(["FORMAT csv", "HEADER", "ENCODING 'UTF8'", *force])
        with self._driver.cursor() as cursor:
            with cursor.copy(f"{self._target} WITH ({options})") as copy:
                for chunk in chunks:
                    copy.write(chunk)
            return int(cursor.rowcount)


class _CopyRows:
    def __init__(self, copy: Any) -> None:
        self._copy = copy

    def write(self, columns: Columns, rows: int) -> None:
        for row in zip(*columns, strict=True):
            self._copy.write_row(row)
