"""What rolling back would lose: the tables and columns that a plan drops, with what is in them now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from alembic.operations import ops
from sqlalchemy import Column, Connection, MetaData, Table, func, inspect, select, text
from sqlalchemy.engine import Dialect

from fastman_tasks.connection import Database
from fastman_tasks.environment import Environment
from fastman_tasks.plans import Plan
from fastman_tasks.recorder import irreversible, record

__all__ = ["Loss", "found", "irreversible"]

#: Rows up to which a table is counted exactly; beyond, the server's estimate serves.
EXACT_LIMIT = 100_000


@dataclass(frozen=True)
class Loss:
    """A table or column that a plan drops, with the rows or values in it now.

    ``count`` is None where it is not known; ``estimated`` where it is the server's estimate. ``sql`` is a statement,
    or code, that could not be understood, in place of a table.
    """

    table: str | None = None
    column: str | None = None
    count: int | None = None
    estimated: bool = False
    sql: str | None = None

    @property
    def certain(self) -> bool:
        """Whether it is certain that nothing is lost."""
        return self.sql is None and self.count == 0 and not self.estimated


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


def _named(environment: Environment, plan: Plan, dialect: Dialect) -> Iterator[Loss]:
    for revision in plan.revisions:
        recording = record(environment.module(revision).downgrade, dialect)
        for operation in recording.operations:
            match operation:
                case ops.DropTableOp():
                    yield Loss(_qualified(operation.schema, operation.table_name))
                case ops.DropColumnOp():
                    yield Loss(_qualified(operation.schema, operation.table_name), operation.column_name)
                case ops.ExecuteSQLOp():
                    yield Loss(sql=" ".join(str(operation.sqltext).split()))
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
    estimate = _estimate(connection, table)
    if estimate is not None and estimate > EXACT_LIMIT:
        return Loss(loss.table, loss.column, estimate, estimated=True)
    rows = select(text("1")).select_from(table)
    if loss.column is not None:
        table.append_column(Column(loss.column))
        rows = rows.where(table.c[loss.column].is_not(None))
    count = connection.scalar(select(func.count()).select_from(rows.limit(EXACT_LIMIT + 1).subquery())) or 0
    return Loss(loss.table, loss.column, count, estimated=count > EXACT_LIMIT)


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
