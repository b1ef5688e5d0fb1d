"""Write the batches of a data file to a table: COPY on PostgreSQL with psycopg, batched inserts elsewhere."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from sqlalchemy import Column, Connection, Table, insert, types
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError

from fastman_tasks.errors import LoadFailed
from fastman_tasks.models.columns import NoContext
from fastman_tasks.rows.converters import Converter

Columns = Sequence[Sequence[Any]]
# The types that PostgreSQL reads from a text exactly as a Converter does.
_PLAIN = (types.Integer, types.String, types.Numeric, types.Float, types.Date, types.Uuid)


class RowRefused(Exception):
    """The database refused the row ``number`` of a batch (None: unknown) with ``error``."""

    def __init__(self, number: int | None, error: Exception) -> None:
        super().__init__(number, error)
        self.number = number
        self.error = error


class Writer(Protocol):
    """Writes rows, column by column: values as the driver expects them or, with ``texts``, those of a CSV file."""

    texts: bool

    def write(self, columns: Columns, rows: int) -> None:
        """Write a batch, with the columns in the writer's order. May raise RowRefused."""


class Inserts:
    """``INSERT`` with many rows at a time; columns that are not given get their defaults."""

    texts = False

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
        """Write a batch. Raises RowRefused; the whole batch is then rolled back."""
        lists = [columns[source] if isinstance(source, int) else source(rows) for source in self._sources]
        values: list[Any] = list(zip(*lists, strict=True))
        if not self._positional:
            values = [dict(zip(self._keys, row, strict=True)) for row in values]
        try:
            self._insert(values)
        except Exception as error:
            # A driver may refuse a value with an error of Python's own.
            lost = isinstance(error, DBAPIError) and error.connection_invalidated
            number, reason = (None, error) if lost else self._refused(values, error)
            raise RowRefused(number, reason) from error

    def _insert(self, values: list[Any]) -> None:
        # By hand: SQLAlchemy compiles the statements of each new savepoint.
        self._connection.exec_driver_sql("SAVEPOINT fastman_load")
        try:
            self._connection.exec_driver_sql(self._sql, values)
        except Exception:
            with suppress(DBAPIError):
                self._connection.exec_driver_sql("ROLLBACK TO SAVEPOINT fastman_load")
            raise
        self._connection.exec_driver_sql("RELEASE SAVEPOINT fastman_load")

    def _refused(self, values: list[Any], error: Exception) -> tuple[int | None, Exception]:
        """Returns the number of the first of ``values`` that the database refuses, one by one, and its error."""
        tried = self._connection.begin_nested()
        try:
            for number, row in enumerate(values):
                try:
                    self._insert([row])
                except Exception as reason:
                    return number, reason
        finally:
            tried.rollback()
        return None, error


def _default(column: Column[Any], dialect: Dialect) -> Callable[[int], list[Any]]:
    default: Any = column.default
    converter = Converter(column, dialect)
    if default.is_callable:
        # SQLAlchemy gives its functions a context, of which there is none here.
        context = NoContext(
            LoadFailed(
                f"{column.table}.{column.name}: its default needs the row's other values, which load() does not pass "
                f"to it. Add {column.key} to the file."
            )
        )
        return lambda rows: converter.bind([default.arg(context) for _ in range(rows)])
    return lambda rows: converter.bind([default.arg] * rows)


def can_copy(connection: Connection, table: Table, given: Sequence[Column[Any]]) -> bool:
    """Whether psycopg's COPY can write the ``given`` columns of ``table``: the others must not have a default in
    Python."""
    dialect = connection.dialect
    others = [column for column in table.columns if column not in given]
    return (
        dialect.name == "postgresql"
        and dialect.driver == "psycopg"
        and not dialect.is_async
        and all(column.default is None for column in others)
    )


def can_copy_texts(connection: Connection, given: Sequence[Column[Any]]) -> bool:
    """Whether PostgreSQL converts the texts of a CSV file for the ``given`` columns exactly as Python does."""
    kinds = [column.type.dialect_impl(connection.dialect) for column in given]
    # With one column an empty text would be an empty line.
    return len(kinds) > 1 and all(isinstance(kind, _PLAIN) and not isinstance(kind, types.Enum) for kind in kinds)


@contextmanager
def open_copy(connection: Connection, table: Table, given: Sequence[Column[Any]], *, texts: bool) -> Iterator[Writer]:
    """Yields a writer to one ``COPY``, which ends with the block."""
    preparer = connection.dialect.identifier_preparer

    def names(chosen: Sequence[Column[Any]]) -> str:
        return ", ".join(preparer.quote(column.name) for column in chosen)

    command = f"COPY {preparer.format_table(table)} ({names(given)}) FROM STDIN"
    if texts:
        # An empty field is NULL where the column takes it, in quotes or not, and otherwise an empty text.
        options = ["FORMAT csv", "ENCODING 'UTF8'"]
        for option, nullable in (("FORCE_NULL", True), ("FORCE_NOT_NULL", False)):
            if chosen := [column for column in given if column.nullable == nullable]:
                options.append(f"{option} ({names(chosen)})")
        command += f" WITH ({', '.join(options)})"
    driver: Any = connection.connection.driver_connection
    dbapi: Any = connection.dialect.loaded_dbapi
    with driver.cursor() as cursor, cursor.copy(command) as copy:
        yield _CopyTexts(copy) if texts else _CopyRows(copy, dbapi.OperationalError)


class _CopyRows:
    texts = False

    def __init__(self, copy: Any, lost: type[Exception]) -> None:
        self._copy = copy
        self._lost = lost

    def write(self, columns: Columns, rows: int) -> None:
        for number, row in enumerate(zip(*columns, strict=True)):
            try:
                self._copy.write_row(row)
            except Exception as error:
                # What the server refuses is told at the end of COPY; a value that cannot even be sent, here.
                if isinstance(error, self._lost):
                    raise
                raise RowRefused(number, error) from error


class _CopyTexts:
    texts = True

    def __init__(self, copy: Any) -> None:
        self._copy = copy

    def write(self, columns: Columns, rows: int) -> None:
        text = "\r\n".join(map(",".join, zip(*columns, strict=True))) + "\r\n"
        marks = (",", rows * (len(columns) - 1)), ("\r", rows), ("\n", rows), ('"', 0)
        # Joining is several times as fast as csv.writer, and does where no field needs quotes.
        if any(text.count(mark) != number for mark, number in marks):
            quoted = io.StringIO()
            csv.writer(quoted, lineterminator="\r\n").writerows(zip(*columns, strict=True))
            text = quoted.getvalue()
        self._copy.write(text.encode())
