"""The data that a plan would lose: the tables and columns that it drops, with their rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, MetaData, Table, func, inspect, literal_column, select, text

from fastman_tasks.databases import statements
from fastman_tasks.migrating.downgrades import EMPTY, read
from fastman_tasks.migrating.reading import replacements
from fastman_tasks.migrating.reading.directives import Operation
from fastman_tasks.plans import Loss, Step

#: The number of rows up to which a table is counted exactly; beyond that the server's estimate is used.
EXACT_LIMIT = 100_000


@dataclass(frozen=True)
class UncountedLoss(Loss):
    """A loss that has not been counted yet. With ``kept``, all other columns of its table are lost."""

    kept: frozenset[str] | None = None


def find(steps: Iterable[Step], dialect: str) -> tuple[UncountedLoss, ...]:
    """Returns what ``steps`` lose on ``dialect``, in their order. No migration is run.

    When rolling back, code that cannot be analysed counts as a loss. When migrating, only what certainly drops or
    deletes does: most data migrations cannot be analysed, and lose nothing.
    """
    steps = tuple(steps)
    return tuple(dict.fromkeys(_find(steps, dialect))) if any(map(_may_lose, steps)) else ()


# Nothing is lost forward without one of these words. Most migrations have them in their downgrade() only, and looking
# for words takes a twentieth of the time of following the code, which counts where a thousand are applied.
_LOSING = re.compile(r"drop|delete|truncate|downgrade", re.IGNORECASE)
_DOWNGRADE = re.compile(r"^def downgrade\b[^\n]*\n(?:[ \t][^\n]*(?:\n|\Z)|\r?\n)*", re.MULTILINE)


def _may_lose(step: Step) -> bool:
    if step.action == "roll back" or step.file is None:
        return True
    try:
        # Whatever its encoding, these words are spelled in ASCII.
        source = step.file.read_bytes().decode("latin-1")
    except OSError:
        return True
    return _LOSING.search(_DOWNGRADE.sub("", source)) is not None


def count(named: Iterable[Loss], connection: Connection) -> tuple[Loss, ...]:
    """Returns the losses ``named`` with their rows. It only reads the database, at a bounded cost for each table."""
    uncounted = (each for each in named if isinstance(each, UncountedLoss))
    each_column = [loss for each in uncounted for loss in _in_columns(each, connection)]
    return tuple(loss for each in each_column if (loss := _counted(each, connection)) is not None)


class _Names:
    """The present names of the tables and columns in a plan, before it renames any; None: they do not exist yet."""

    def __init__(self) -> None:
        self._tables: dict[str, str | None] = {}
        self._columns: dict[tuple[str | None, str], str | None] = {}

    def table(self, table: str) -> str | None:
        return self._tables.get(table, table)

    def column(self, table: str, column: str) -> str | None:
        return self._columns.get((self.table(table), column), column)

    def follow(self, operation: Operation) -> None:
        """Record a table or column that ``operation`` renames or creates."""
        table, column = operation.table, operation.column
        match operation.kind:
            case "create table":
                self._tables[table] = None
            case "rename table":
                self._tables[operation.new] = self.table(table)
            case "rename column":
                self._columns[self.table(table), operation.new] = self.column(table, column)
            case "add column":
                self._columns[self.table(table), column] = None

    def loss(self, operation: Operation) -> UncountedLoss | None:
        """Returns what ``operation`` drops or empties, by its present name."""
        self.follow(operation)
        table = self.table(operation.table)
        if table is None:
            return None
        match operation.kind:
            case "drop table":
                return UncountedLoss(table)
            case "drop column":
                column = self.column(operation.table, operation.column)
                return UncountedLoss(table, column) if column else None
            case "replace table" if operation.columns is not None:
                now = (self.column(operation.table, each) for each in operation.columns)
                return UncountedLoss(table, kept=frozenset(each for each in now if each))
        return None


def _find(steps: Iterable[Step], dialect: str) -> Iterator[UncountedLoss]:
    names = _Names()
    for step in steps:
        if step.is_empty:
            yield UncountedLoss(reason=f"{step.name}: {EMPTY}; what it did is not undone")
            continue
        assert step.file is not None
        goes_back = step.action == "roll back"
        reading = read(step.file, "downgrade" if goes_back else "upgrade", dialect)
        if reading is None:
            if goes_back:
                yield UncountedLoss(reason=f"{step.name}: its source could not be analysed")
            continue
        for operation in replacements.merge(reading.operations, dialect):
            yield from (_back if goes_back else _forward)(operation, step, names, dialect)


def _back(operation: Operation, step: Step, names: _Names, dialect: str) -> Iterator[UncountedLoss]:
    if operation.kind == "?":
        yield UncountedLoss(reason=f"{step.name}, line {operation.line}: {operation.text}")
    elif operation.kind == "sql":
        dropped = statements.find_dropped_tables(operation.text, dialect)
        if dropped:
            found = (names.loss(Operation("drop table", table)) for table in dropped)
            yield from (each for each in found if each)
        elif not statements.loses_nothing(operation.text):
            yield UncountedLoss(reason=f"{step.name}: {' '.join(operation.text.split())}")
    elif loss := names.loss(operation):
        yield loss


def _forward(operation: Operation, step: Step, names: _Names, dialect: str) -> Iterator[UncountedLoss]:
    if operation.kind != "sql":
        if loss := names.loss(operation):
            yield loss
        return
    for effect in statements.find_effects(operation.text, dialect):
        if not operation.certain and effect.kind in ("create table", "rename table", "rename column"):
            continue
        what = Operation(effect.kind, effect.table, effect.column, effect.new) if effect.kind != "delete" else None
        if what is not None:
            if loss := names.loss(what):
                yield loss
        elif not effect.table:
            yield UncountedLoss(reason=f"{step.name}: {effect.text}")
        elif table := names.table(effect.table):
            yield UncountedLoss(table, reason=f"{step.name}: {effect.text}")


def _in_columns(loss: UncountedLoss, connection: Connection) -> Iterator[UncountedLoss]:
    """``loss``; of a table that is replaced, each column that its copy has no values of."""
    if loss.table is None or loss.kept is None:
        yield loss
        return
    schema, _, name = loss.table.rpartition(".")
    inspector = inspect(connection)
    if inspector.has_table(name, schema=schema or None):
        for column in inspector.get_columns(name, schema=schema or None):
            if column["name"] not in loss.kept and "computed" not in column:
                yield UncountedLoss(loss.table, column["name"])


def _counted(loss: UncountedLoss, connection: Connection) -> Loss | None:
    """Returns ``loss`` with its count; None if the table or column does not exist (an earlier step creates it)."""
    if loss.table is None:
        return Loss(reason=loss.reason)
    schema, _, name = loss.table.rpartition(".")
    inspector = inspect(connection)
    if not inspector.has_table(name, schema=schema or None):
        return None
    if loss.column is not None and loss.column not in {
        column["name"] for column in inspector.get_columns(name, schema=schema or None)
    }:
        return None
    table = Table(name, MetaData(), schema=schema or None)
    value: ColumnElement[Any] = literal_column("1")
    if loss.column is not None:
        table.append_column(Column(loss.column))
        value = table.c[loss.column]
    sample = select(value.label("value")).select_from(table).limit(EXACT_LIMIT + 1).subquery()
    rows, values = connection.execute(select(func.count(), func.count(sample.c.value)).select_from(sample)).one()
    if rows <= EXACT_LIMIT:
        return Loss(loss.table, loss.column, values, reason=loss.reason)
    estimate = _estimate(connection, table)
    if estimate is None or estimate < rows:
        return Loss(loss.table, loss.column, min(values, EXACT_LIMIT), "at least", loss.reason)
    return Loss(loss.table, loss.column, round(estimate * values / rows), "estimate", loss.reason)


def _estimate(connection: Connection, table: Table) -> int | None:
    """Returns the server's estimate of the rows in ``table``, at no cost; None if it has none."""
    preparer = connection.dialect.identifier_preparer
    if connection.dialect.name == "postgresql":
        name = preparer.format_table(table)
        guess = connection.scalar(text("SELECT reltuples FROM pg_class WHERE oid = to_regclass(:name)"), {"name": name})
    elif connection.dialect.name in ("mysql", "mariadb"):
        guess = connection.scalar(
            text(
                "SELECT table_rows FROM information_schema.tables "
                "WHERE table_name = :name AND table_schema = coalesce(:schema, database())"
            ),
            {"name": table.name, "schema": table.schema},
        )
    elif connection.dialect.name == "sqlite":
        # A table's highest rowid is found at once; only a table without rowids has none.
        has_rowid = (
            "WITHOUT ROWID"
            not in str(
                connection.scalar(text("SELECT sql FROM sqlite_master WHERE name = :name"), {"name": table.name})
            ).upper()
        )
        name = preparer.format_table(table)
        guess = connection.exec_driver_sql(f"SELECT max(rowid) FROM {name}").scalar() if has_rowid else None
    else:
        guess = None
    return None if guess is None else int(guess)
