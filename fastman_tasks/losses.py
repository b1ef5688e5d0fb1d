"""What rolling back would lose: the tables and columns that a plan drops, with what is in them now."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, ColumnElement, Connection, MetaData, Table, func, inspect, literal_column, select, text
from sqlalchemy.engine import Dialect

from fastman_tasks.migrating.environment import Environment
from fastman_tasks.plans import Plan
from fastman_tasks.recorder import EMPTY, record

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
    counted: list[Loss] = []

    def count(_heads: tuple[str, ...], context: MigrationContext) -> tuple[()]:
        assert context.bind is not None
        counted.extend(loss for each in named if (loss := _counted(each, context.bind)) is not None)
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
        if revision.id in plan.passed:
            yield Loss(sql=f"{revision.name}: {EMPTY}; what it did is not undone")
            continue
        recording = record(environment.module(revision).downgrade, dialect)
        for operation in recording.operations:
            try:
                loss = _loss_of(operation, names)
            except (AttributeError, TypeError):
                # Alembic takes whatever it is given; that it cannot be a table or a column only shows when it is used.
                loss = Loss(sql=_described(operation))
            if loss is not None:
                yield loss if loss.table else replace(loss, sql=f"{revision.name}: {loss.sql}")
        if recording.error is not None:
            yield Loss(sql=f"{revision.name}: its downgrade() asks the database what to do")


def _loss_of(operation: ops.MigrateOperation, names: _Names) -> Loss | None:
    names.follow(operation)
    match operation:
        case ops.DropTableOp(table_name=str()):
            table = names.table(_qualified(operation.schema, operation.table_name))
            return Loss(table) if table else None
        case ops.DropColumnOp(column_name=str()):
            name = _qualified(operation.schema, operation.table_name)
            table, column = names.table(name), names.column(name, operation.column_name)
            return Loss(table, column) if table and column else None
        case ops.ExecuteSQLOp():
            sql = " ".join(str(operation.sqltext).split())
            return None if _keeps_everything(sql) else Loss(sql=sql)
        case ops.DropTableOp() | ops.DropColumnOp():
            return Loss(sql=_described(operation))
        case _ if type(operation).__module__ != ops.__name__:
            # An operation of the project's, or of another library's, may drop anything.
            return Loss(sql=_described(operation))
    return None


# What makes something, or says something of it. UPDATE, DELETE and DROP lose data, and so may whatever is called.
_HARMLESS = re.compile(
    r"(create (?!or replace)|insert into |comment on |grant |revoke |set |alter sequence |"
    r"select (pg_catalog\.)?(setval|nextval|set_config)\s*\()",
    re.IGNORECASE,
)
_OVERWRITES = re.compile(r"\bon (conflict|duplicate key)\b|\b(update|delete|drop|truncate|replace)\b", re.IGNORECASE)
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`|\$(\w*)\$.*?\$\1\$")


def _keeps_everything(sql: str) -> bool:
    """Whether each statement of ``sql`` certainly loses nothing."""
    statements = [text for each in _QUOTED.sub("''", sql).split(";") if (text := each.strip())]
    return all(_HARMLESS.match(each) and not _OVERWRITES.search(each) for each in statements)


def _described(operation: ops.MigrateOperation) -> str:
    """What an operation says of itself, or else its name with what it holds."""
    if type(operation).__repr__ is not object.__repr__:
        return repr(operation)
    held = (f"{name}={value!r}" for name, value in vars(operation).items() if value is not None and name[0] != "_")
    return f"{type(operation).__name__}({', '.join(held)})"


def _qualified(schema: str | None, table: str) -> str:
    return f"{schema}.{table}" if schema else table


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
