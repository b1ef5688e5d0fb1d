"""What rolling back would lose: the tables and columns that a plan drops, with what is in them now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from alembic.operations import ops
from sqlalchemy import Column, ColumnElement, Connection, MetaData, Table, func, inspect, literal_column, select, text
from sqlalchemy.engine import Dialect

from fastman_tasks.connection import Database
from fastman_tasks.environment import Environment
from fastman_tasks.plans import Plan
from fastman_tasks.recorder import record

#: Rows up to which a table is counted exactly; beyond, the server's estimate serves.
EXACT_LIMIT = 100_000


@dataclass(frozen=True)
class Loss:
    """A table or column that a plan drops, with the rows or values in it now.

    ``count`` is None where it is not known; ``estimated`` where it follows from the server's estimate, ``more`` where
    there are more and nobody knows how many. ``sql`` is a statement, or code, that could not be understood, in place
    of a table.
    """

    table: str | None = None
    column: str | None = None
    count: int | None = None
    estimated: bool = False
    more: bool = False
    sql: str | None = None

    @property
    def harmless(self) -> bool:
        """Whether it is certain that nothing is lost."""
        return self.sql is None and self.count == 0 and not self.estimated and not self.more


def found(environment: Environment, plan: Plan) -> tuple[Loss, ...]:
    """The losses of ``plan`` in its order. The database is only read, with a bounded cost for each table."""
    dialect = plan.state.url.get_dialect()()
    named = list(dict.fromkeys(_named(environment, plan, dialect)))
    if not any(loss.table for loss in named):
        return tuple(named)
    database = Database(plan.state.url)

    def count(connection: Connection) -> tuple[Loss, ...]:
        counted = (_counted(loss, connection) if loss.table else loss for loss in named)
        return tuple(loss for loss in counted if loss is not None)

    return database.run(count)


class _Names:
    """Where the tables and columns that a plan speaks of are now, before it has renamed any; None: not there yet."""

    def __init__(self) -> None:
        self._tables: dict[str, str | None] = {}
        self._columns: dict[tuple[str | None, str], str | None] = {}

    def table(self, table: str) -> str | None:
        return self._tables.get(table, table)

    def column(self, table: str, column: str) -> str | None:
        return self._columns.get((self.table(table), column), column)

    def follow(self, operation: ops.MigrateOperation) -> None:
        """Take note of a table or column that ``operation`` renames or makes."""
        match operation:
            case ops.CreateTableOp():
                self._tables[_qualified(operation.schema, operation.table_name)] = None
            case ops.RenameTableOp():
                now = self.table(_qualified(operation.schema, operation.table_name))
                self._tables[_qualified(operation.schema, operation.new_table_name)] = now
            case ops.AlterColumnOp(modify_name=str(new)):
                table = _qualified(operation.schema, operation.table_name)
                self._columns[self.table(table), new] = self.column(table, operation.column_name)
            case ops.AddColumnOp():
                table = _qualified(operation.schema, operation.table_name)
                self._columns[self.table(table), operation.column.name] = None


def _named(environment: Environment, plan: Plan, dialect: Dialect) -> Iterator[Loss]:
    names = _Names()
    for revision in plan.revisions:
        recording = record(environment.module(revision).downgrade, dialect)
        for operation in recording.operations:
            names.follow(operation)
            match operation:
                case ops.DropTableOp():
                    if table := names.table(_qualified(operation.schema, operation.table_name)):
                        yield Loss(table)
                case ops.DropColumnOp():
                    name = _qualified(operation.schema, operation.table_name)
                    if (table := names.table(name)) and (column := names.column(name, operation.column_name)):
                        yield Loss(table, column)
                case ops.ExecuteSQLOp():
                    yield Loss(sql=" ".join(str(operation.sqltext).split()))
                case _ if type(operation).__module__ != ops.__name__:
                    # An operation of the project's, or of another library's, may drop anything.
                    yield Loss(sql=f"{revision.name}: {type(operation).__name__}")
        if recording.error is not None:
            yield Loss(sql=f"{revision.name}: its downgrade() asks the database what to do")


def _qualified(schema: str | None, table: str) -> str:
    return f"{schema}.{table}" if schema else table


def _counted(loss: Loss, connection: Connection) -> Loss | None:
    """``loss`` with its count; None where there is no such table or column now (an earlier step makes it)."""
    schema, _, name = str(loss.table).rpartition(".")
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
