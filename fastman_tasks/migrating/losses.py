"""What a plan would lose: the tables and columns that it drops, with what is in them now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, ColumnElement, Connection, MetaData, Table, func, inspect, literal_column, select, text

from fastman_tasks.databases import statements
from fastman_tasks.migrating.downgrades import EMPTY, read
from fastman_tasks.migrating.environment import Environment
from fastman_tasks.migrating.reading import replacements
from fastman_tasks.migrating.reading.directives import Operation
from fastman_tasks.plans import Plan
from fastman_tasks.revisions.graph import Revision

#: Rows up to which a table is counted exactly; beyond, the server's estimate serves.
EXACT_LIMIT = 100_000


@dataclass(frozen=True)
class Loss:
    """A table or column that a plan drops, with the rows or values in it now.

    ``count`` is None where it is not known; ``estimated`` where it follows from the server's estimate, ``more`` where
    there are more and nobody knows how many. ``sql`` is a statement, or code, that may lose something, in place of a
    table, or beside the ``table`` that it empties. With ``kept``, all its other columns are lost.
    """

    table: str | None = None
    column: str | None = None
    count: int | None = None
    estimated: bool = False
    more: bool = False
    sql: str | None = None
    kept: frozenset[str] | None = None

    @property
    def harmless(self) -> bool:
        """Whether it is certain that nothing is lost."""
        return self.count == 0 and not self.estimated and not self.more


def found(environment: Environment, plan: Plan) -> tuple[Loss, ...]:
    """The losses of ``plan`` in its order. The database is only read, with a bounded cost for each table, and nothing
    of a migration is run.

    Of a rollback, whatever could not be analysed counts. Forward, only what certainly drops or deletes: most data
    migrations cannot be analysed, and lose nothing.
    """
    named = list(dict.fromkeys(_named(plan)))
    counted: list[Loss] = []

    def count(_heads: tuple[str, ...], context: MigrationContext) -> tuple[()]:
        assert context.bind is not None
        each_column = [loss for each in named for loss in _in_columns(each, context.bind)]
        counted.extend(loss for each in each_column if (loss := _counted(each, context.bind)) is not None)
        return ()

    if any(loss.table for loss in named):
        # On env.py's own connection: the URL alone need not lead to the same database.
        environment.run(count, reading=True)
        return tuple(counted)
    return tuple(named)


class _Names:
    """Where the tables and columns that a plan speaks of are now, before it has renamed any; None: not there yet."""

    def __init__(self) -> None:
        self._tables: dict[str, str | None] = {}
        self._columns: dict[tuple[str | None, str], str | None] = {}

    def table(self, table: str) -> str | None:
        return self._tables.get(table, table)

    def column(self, table: str, column: str) -> str | None:
        return self._columns.get((self.table(table), column), column)

    def follow(self, operation: Operation) -> None:
        """Take note of a table or column that ``operation`` renames or makes."""
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

    def loss(self, operation: Operation) -> Loss | None:
        """What ``operation`` drops or empties, under the names of now."""
        self.follow(operation)
        table = self.table(operation.table)
        if table is None:
            return None
        match operation.kind:
            case "drop table":
                return Loss(table)
            case "drop column":
                column = self.column(operation.table, operation.column)
                return Loss(table, column) if column else None
            case "replace table" if operation.columns is not None:
                now = (self.column(operation.table, each) for each in operation.columns)
                return Loss(table, kept=frozenset(each for each in now if each))
        return None


def _named(plan: Plan) -> Iterator[Loss]:
    names, dialect = _Names(), plan.state.url.get_dialect().name
    for revision in plan.revisions:
        if revision.id in plan.passed:
            yield Loss(sql=f"{revision.name}: {EMPTY}; what it did is not undone")
            continue
        reading = read(revision.file, plan.direction, dialect)
        if reading is None:
            if plan.direction == "downgrade":
                yield Loss(sql=f"{revision.name}: its source could not be analysed")
            continue
        for operation in replacements.merge(reading.operations, dialect):
            found = _forward if plan.direction == "upgrade" else _back
            yield from found(operation, revision, names, dialect)


def _back(operation: Operation, revision: Revision, names: _Names, _dialect: str) -> Iterator[Loss]:
    if operation.kind == "?":
        yield Loss(sql=f"{revision.name}, line {operation.line}: {operation.text}")
    elif operation.kind == "sql":
        if not statements.keeps_everything(operation.text):
            yield Loss(sql=f"{revision.name}: {' '.join(operation.text.split())}")
    elif loss := names.loss(operation):
        yield loss


def _forward(operation: Operation, revision: Revision, names: _Names, dialect: str) -> Iterator[Loss]:
    if operation.kind != "sql":
        if loss := names.loss(operation):
            yield loss
        return
    for effect in statements.effects(operation.text, dialect):
        if not operation.certain and effect.kind in ("create table", "rename table", "rename column"):
            continue
        what = Operation(effect.kind, effect.table, effect.column, effect.new) if effect.kind != "delete" else None
        if what is not None:
            if loss := names.loss(what):
                yield loss
        elif not effect.table:
            yield Loss(sql=f"{revision.name}: {effect.text}")
        elif table := names.table(effect.table):
            yield Loss(table, sql=f"{revision.name}: {effect.text}")


def _in_columns(loss: Loss, connection: Connection) -> Iterator[Loss]:
    """``loss``; of a table that is replaced, each column that its copy has no values of."""
    if loss.table is None or loss.kept is None:
        yield loss
        return
    schema, _, name = loss.table.rpartition(".")
    inspector = inspect(connection)
    if inspector.has_table(name, schema=schema or None):
        for column in inspector.get_columns(name, schema=schema or None):
            if column["name"] not in loss.kept and "computed" not in column:
                yield Loss(loss.table, column["name"])


def _counted(loss: Loss, connection: Connection) -> Loss | None:
    """``loss`` with its count; None where there is no such table or column now (an earlier step makes it)."""
    if loss.table is None:
        return loss
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
        return replace(loss, count=values)
    estimate = _estimate(connection, table)
    if estimate is None or estimate < rows:
        return replace(loss, count=min(values, EXACT_LIMIT), more=True)
    return replace(loss, count=round(estimate * values / rows), estimated=True)


def _estimate(connection: Connection, table: Table) -> int | None:
    """Rows in ``table`` as the server guesses them, at no cost; None where it does not guess."""
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
