"""Load a data file into a model's table with constant memory."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from sqlalchemy import Column, Connection, Table
from sqlalchemy.orm import Session

from fastman_tasks.errors import LoadFailed
from fastman_tasks.models.columns import Target, is_required
from fastman_tasks.plans import Counts
from fastman_tasks.rows import sequences
from fastman_tasks.rows.converters import Converter
from fastman_tasks.rows.files import Batch, DataFile
from fastman_tasks.rows.row_counts import RowCounts, find_row_counts
from fastman_tasks.rows.writers import Inserts, RowRefused, Writer, can_copy, can_copy_texts, open_copy
from fastman_tasks.sources import describe_error
from fastman_tasks.text.secrets import MASK, hide, hide_bound, is_secret

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

#: Where a connection's info has the seeders' folder.
FOLDER = "fastman_tasks.seeders"


@overload
def load(db: Session, model: type | Table, path: str | Path) -> int: ...
@overload
def load(db: AsyncSession, model: type | Table, path: str | Path) -> Coroutine[Any, Any, int]: ...
def load(db: Session | AsyncSession, model: type | Table, path: str | Path) -> int | Coroutine[Any, Any, int]:
    """Write the rows of a data file to the table of ``model``, and return their number.

    ``path`` is relative to the folder of the calling module, and leads to a file in it, or in the seeders' folder; an
    absolute one may lead anywhere. A ``.csv`` starts with a line of the model's attributes
    (or columns), a ``.jsonl`` has one object per line, a ``.json`` an array of objects; each may be compressed
    (``.csv.gz``). Texts are converted to the column's type: numbers, ISO dates and times, true and false, names of an
    enum, UUIDs, JSON. An empty field is NULL if the column accepts it. Columns that are not in the file get their
    defaults. PostgreSQL's sequence is moved past the ids in the file. Nothing is committed. With an AsyncSession the
    call has to be awaited.

    Raises LoadFailed if the file does not exist or is elsewhere, if a column is unknown, missing or listed twice, and
    for a value that is not valid, with its line in the file.
    """
    frame = inspect.currentframe()
    caller = frame.f_back.f_globals.get("__file__", "") if frame and frame.f_back else ""
    beside = Path(caller).parent
    if not isinstance(db, Session):
        return db.run_sync(_load, model, Path(path), beside)
    return _load(db, model, Path(path), beside)


def _load(db: Session, model: type | Table, path: Path, beside: Path) -> int:
    connection = db.connection()
    row_counts = find_row_counts(connection)
    file = DataFile(_inside(path, (beside, connection.info.get(FOLDER, beside))))
    # Objects that were added before are written first.
    db.flush()
    loading = _Loading(connection, model, file, row_counts)
    with row_counts.pause_counting() if row_counts else nullcontext():
        rows = loading.run()
    if row_counts:
        row_counts.advance(None, None)
        row_counts.report(loading.table.fullname, Counts(created=rows))
    return rows


def _inside(path: Path, folders: tuple[Path, Path]) -> Path:
    """Returns ``path`` in the first of ``folders``. Raises LoadFailed where that is in neither of them."""
    # Not what a symbolic link leads to: whoever made it has said so.
    found = Path(os.path.normpath(folders[0] / path))
    if not path.is_absolute() and not any(found.is_relative_to(os.path.normpath(folder)) for folder in folders):
        raise LoadFailed(f"{path} is outside of {folders[1]}. Move the file there, or write the whole path.")
    return found


class _Loading:
    def __init__(
        self, connection: Connection, model: type | Table, file: DataFile, row_counts: RowCounts | None
    ) -> None:
        target = Target(model, "load()", LoadFailed)
        self.table = target.table
        self._connection = connection
        self._name = target.name
        self._file = file
        self._row_counts = row_counts
        self._written: set[Column[Any]] = set()
        self._known = target.columns
        self._fixed = target.fixed
        self._extra = [self.table.c[key] for key in self._fixed]

    def run(self) -> int:
        """Write all rows and return their number."""
        with closing(self._file.batches()) as batches:
            rows = self._write_all(batches)
        sequences.move_up(self._connection, self.table, self._written)
        return rows

    def _write_all(self, batches: Iterator[Batch]) -> int:
        rows = 0
        batch = next(batches, None)
        while batch is not None:
            names = batch.names
            given = self._given(names, batch.line(-1 if batch.texts else 0))
            converters = [Converter(column, self._connection.dialect) for column in given]
            with self._writer(given, batch, rows) as writer:
                # One writer as long as the rows name the same columns.
                while batch is not None and batch.names == names:
                    self._write(writer, converters, batch)
                    rows += batch.size
                    self._advance()
                    batch = next(batches, None)
            self._written.update(given)
        return rows

    def _given(self, names: Sequence[str], line: int) -> list[Column[Any]]:
        by_column = {column.name: column for column in self._known.values()}
        given: list[Column[Any]] = []
        for name in names:
            column = self._known.get(name, by_column.get(name))
            if column is None:
                known = ", ".join(self._known)
                raise self._file.failure(line, None, f"{self._name} has no attribute {name!r}. It has: {known}.")
            if column in given:
                raise self._file.failure(line, None, f"the column {name} is listed twice")
            given.append(column)
        missing = [
            name
            for name, column in self._known.items()
            if column not in given and column.key not in self._fixed and is_required(column)
        ]
        if missing:
            raise self._file.failure(
                line, None, f"{self._name} needs {', '.join(missing)}, which the file does not have"
            )
        return given

    @contextmanager
    def _writer(self, given: list[Column[Any]], first: Batch, done: int) -> Iterator[Writer]:
        extra = [column for column in self._extra if column not in given]
        if not can_copy(self._connection, self.table, [*given, *extra]):
            yield Inserts(self._connection, self.table, [*given, *extra])
            return
        texts = first.texts and not extra and can_copy_texts(self._connection, given)
        line = self._file.copy_line if texts else lambda row: self._file.line_of(done + row - 1)
        names = {column.name: name for column, name in zip(given, first.names, strict=True)}
        with (
            self._copying(line, names),
            open_copy(self._connection, self.table, [*given, *extra], texts=texts) as writer,
        ):
            yield writer

    def _write(self, writer: Writer, converters: list[Converter], batch: Batch) -> None:
        if not batch.size:
            return
        convert = (
            Converter.check_texts
            if writer.texts
            else Converter.convert_texts
            if batch.texts
            else Converter.convert_natives
        )
        pairs = list(zip(converters, batch.columns, strict=True))
        try:
            values = [convert(each, found) for each, found in pairs]
        except (ValueError, ArithmeticError, LookupError, TypeError, RecursionError):
            for number in range(batch.size):
                for name, (each, found) in zip(batch.names, pairs, strict=True):
                    if problem := each.problem(found[number]):
                        if is_secret(name):
                            problem = hide(problem, [str(found[number])[:60]])
                        raise self._file.failure(batch.line(number), name, problem) from None
            raise
        for column in self._extra:
            if column not in [each.column for each in converters]:
                converter = Converter(column, self._connection.dialect)
                values.append(converter.bind([self._fixed[column.key]] * batch.size))
        try:
            writer.write(values, batch.size)
        except RowRefused as refused:
            if refused.number is None:
                lines = f"lines {batch.line(0)} to {batch.line(batch.size - 1)}"
                raise LoadFailed(f"{self._file.name}, {lines}: {describe_error(refused.error)}") from refused.error
            line = batch.line(refused.number)
            row = {name: found[refused.number] for name, found in zip(batch.names, batch.columns, strict=True)}
            said = hide_bound(describe_error(refused.error), None, row)
            raise self._file.failure(line, None, said) from refused.error

    @contextmanager
    def _copying(self, line: Callable[[int], int], names: dict[str, str]) -> Iterator[None]:
        """Report COPY's errors like any other; ``line`` returns the file's line for COPY's number, ``names`` has the
        file's name for a column."""
        dbapi: Any = self._connection.dialect.loaded_dbapi
        try:
            yield
        except dbapi.Error as error:
            # Before 3.2 psycopg raises what the server says to a COPY that an error here has ended.
            if isinstance(error.__context__, LoadFailed):
                raise error.__context__ from None
            # The detail quotes the whole row.
            detail = None if any(map(is_secret, names)) else error.diag.message_detail
            message = " ".join(part for part in (error.diag.message_primary, detail) if part)
            # In English: COPY users, line 3, column age: "x". Names may hold anything.
            where = re.search(rf"COPY {re.escape(self.table.name)}\D*(\d+)(?:, \w+ (.*))?", error.diag.context or "")
            if where is None:
                raise LoadFailed(f"{self._file.name}: {message or error}") from error
            rest = f"{where[2] or ''}:"
            column = max((name for name in names if rest.startswith(f"{name}:")), key=len, default="")
            if is_secret(column):
                message = re.sub(r'".*"', f'"{MASK}"', message)
            raise self._file.failure(line(int(where[1])), names.get(column), message) from error

    def _advance(self) -> None:
        if self._row_counts:
            self._row_counts.advance(self._file.position(), self._file.size)
