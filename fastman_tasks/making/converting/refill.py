"""Columns that are required again when a migration is rolled back, for which rows may have no value then."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, TypeGuard

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, Dialect, Enum, MetaData, Table, TextClause, UniqueConstraint

from fastman_tasks.making.constraints import names
from fastman_tasks.making.constraints.existing import Existing
from fastman_tasks.making.converting import backfill, required
from fastman_tasks.making.sql.text import unescape
from fastman_tasks.models.columns import undecorate

# What says nothing, by the type that a value has in Python.
_NEUTRAL: dict[type, Any] = {
    str: "",
    int: 0,
    float: 0,
    Decimal: 0,
    bool: False,
    datetime.date: datetime.date(1970, 1, 1),
    datetime.datetime: datetime.datetime(1970, 1, 1),
    datetime.time: datetime.time(),
    uuid.UUID: uuid.UUID(int=0),
}
_GONE = "Its values are gone, and NOT NULL needs one."
_OPTIONAL = "It may be NULL by now, and becomes NOT NULL again."


class OptionalColumnOp(ops.AddColumnOp):
    """Adds a column that was required as one that is not."""


class FillOp(ops.ExecuteSQLOp):
    """Gives the rows that have none a value in a column that is required again; ``reason`` is why they have none."""

    def __init__(self, sql: str, reason: str) -> None:
        super().__init__(sql)
        self.reason = reason


def fill(context: MigrationContext, script: ops.MigrationScript, existing: Existing) -> list[str]:
    """Have the downgrade of ``script`` fill each column that becomes required by it: with its default, or with a value
    that says nothing. Where the database would refuse that, the column comes back without NOT NULL. Returns what is to
    be said of it.
    """
    downgrade = script.downgrade_ops
    assert downgrade is not None
    said: list[str] = []
    needs: list[required.Need] = []
    values: dict[int, str] = {}
    for change in [each for each in downgrade.ops if isinstance(each, ops.ModifyTableOps)]:
        for each in list(change.ops):
            if not _requires(each):
                continue
            column = _column(each, existing, change)
            label = ".".join(filter(None, (change.schema, change.table_name, column.name)))
            why = "as its values are gone" if isinstance(each, ops.AddColumnOp) else "where it is NULL by then"
            value = _default(each) or (
                None if _is_bound(column, existing, change) else _neutral(column, context.dialect)
            )
            if value is not None:
                needs.append(required.Need(each, column, label, rows=0))
                values[id(each)] = value
                said.append(f"{label}: rolling back fills it with {value}, {why}")
            elif isinstance(each, ops.AddColumnOp):
                own = required.optional(each, column).column
                change.ops[change.ops.index(each)] = OptionalColumnOp(
                    each.table_name, own, schema=each.schema, **each.kw
                )
                said.append(f"{label}: rolling back brings it back without NOT NULL, {why}")
            else:
                said.append(f"{label}: rolling back fails while it is NULL in a row")

    def statement(need: required.Need, sql: str) -> FillOp:
        is_added = isinstance(need.operation, ops.AddColumnOp)
        return FillOp(sql, _GONE if is_added else _OPTIONAL)

    downgrade.ops = [
        part for each in downgrade.ops for part in required.parts(each, needs, values, existing.connection, statement)
    ]
    return said


def optional_columns(operations: Iterable[ops.MigrateOperation]) -> list[OptionalColumnOp]:
    """Those of ``operations`` that bring a column back without NOT NULL."""
    changes = [each for each in operations if isinstance(each, ops.ModifyTableOps)]
    return [each for change in changes for each in change.ops if isinstance(each, OptionalColumnOp)]


def _requires(operation: ops.MigrateOperation) -> TypeGuard[ops.AddColumnOp | ops.AlterColumnOp]:
    if isinstance(operation, ops.AddColumnOp):
        return required.is_needed(operation.column)
    return isinstance(operation, ops.AlterColumnOp) and operation.modify_nullable is False


def _column(
    operation: ops.AddColumnOp | ops.AlterColumnOp, existing: Existing, change: ops.ModifyTableOps
) -> Column[Any]:
    """The column as the database has it, with the type that it has when it is filled."""
    table = Table(
        change.table_name, MetaData(), schema=change.schema, autoload_with=existing.connection, resolve_fks=False
    )
    if isinstance(operation, ops.AddColumnOp):
        return table.columns[operation.column.name]
    column = table.columns[operation.column_name]
    if operation.modify_type is not None and operation.existing_type is not None:
        column.type = operation.existing_type
    return column


def _default(operation: ops.AddColumnOp | ops.AlterColumnOp) -> str | None:
    """The default that the column has again, as SQL."""
    if isinstance(operation, ops.AddColumnOp) or operation.modify_type is not None:
        return None
    default: Any = operation.modify_server_default
    if default is False:
        default = operation.existing_server_default
    text = getattr(default, "arg", None)
    # MariaDB writes what a default is followed by with it.
    return unescape(text.text).partition(" ON UPDATE ")[0] if isinstance(text, TextClause) else None


def _is_bound(column: Column[Any], existing: Existing, change: ops.ModifyTableOps) -> bool:
    """Whether a key or a CHECK says which values ``column`` can have."""
    table = column.table
    keys = [each for each in table.constraints if isinstance(each, UniqueConstraint)]
    keys += [each for each in table.indexes if each.unique]  # type: ignore[misc]
    checks = existing.checks(change.table_name, change.schema)
    return (
        bool(column.foreign_keys)
        or any(column.name in key.columns for key in keys)
        or any(names.find_mentioned(check.sql, [column.name]) for check in checks)
    )


def _neutral(column: Column[Any], dialect: Dialect) -> str | None:
    """A value that says nothing, as SQL; None where ``column``'s type has none."""
    kind = undecorate(column.type)
    try:
        value = kind.enums[0] if isinstance(kind, Enum) and kind.enums else _NEUTRAL.get(kind.python_type)
        return None if value is None else backfill.render(value, column, dialect)
    except (NotImplementedError, ValueError):
        return None


@renderers.dispatch_for(OptionalColumnOp)
def _render_column(context: AutogenContext, operation: OptionalColumnOp) -> list[str]:
    comment = f"# Its values are gone, so {operation.column.name} comes back without NOT NULL."
    return [comment, _render_as(context, operation, ops.AddColumnOp)]


@renderers.dispatch_for(FillOp)
def _render_fill(context: AutogenContext, operation: FillOp) -> list[str]:
    return [f"# {operation.reason}", _render_as(context, operation, ops.ExecuteSQLOp)]


def _render_as(context: AutogenContext, operation: ops.MigrateOperation, like: type[ops.MigrateOperation]) -> str:
    """``operation`` rendered as Alembic renders a plain ``like``."""
    plain_operation = object.__new__(like)
    plain_operation.__dict__.update(operation.__dict__)
    found = renderers.dispatch(plain_operation)(context, plain_operation)
    assert isinstance(found, str)
    return found
