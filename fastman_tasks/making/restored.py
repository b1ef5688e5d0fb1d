"""Required columns that come back when a migration is rolled back: their values are gone, and rows need one."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, Dialect, Enum, UniqueConstraint

from fastman_tasks.columns import plain
from fastman_tasks.making import backfill, constraint_names, required
from fastman_tasks.making.existing import Existing

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


class OptionalColumnOp(ops.AddColumnOp):
    """Adds a column that was required as one that is not."""


class FillOp(ops.ExecuteSQLOp):
    """Gives the rows that are there a value in a column that comes back."""


def fill(context: MigrationContext, script: ops.MigrationScript, existing: Existing) -> list[str]:
    """Have the downgrade of ``script`` give each required column that it adds again a value that says nothing. Where
    the database would refuse that value, the column comes back without NOT NULL. Returns what is to be said of it.
    """
    downgrade = script.downgrade_ops
    assert downgrade is not None
    said: list[str] = []
    needs: list[required.Need] = []
    values: dict[int, str] = {}
    for change, each in _added(downgrade):
        label = ".".join(filter(None, (change.schema, change.table_name, each.column.name)))
        value = None if _is_bound(each.column, existing, change) else _neutral(each.column, context.dialect)
        if value is not None:
            needs.append(required.Need(each, each.column, label, rows=0))
            values[id(each)] = value
            said.append(f"{label}: rolling back fills it with {value}, as its values are gone")
        else:
            optional = required.optional(each, each.column)
            change.ops[change.ops.index(each)] = OptionalColumnOp(
                each.table_name, optional.column, schema=each.schema, **each.kw
            )
            said.append(f"{label}: rolling back brings it back without NOT NULL, as its values are gone")
    downgrade.ops = [
        part for each in downgrade.ops for part in required.parts(each, needs, values, existing.connection, FillOp)
    ]
    return said


def optional_columns(operations: Iterable[ops.MigrateOperation]) -> list[OptionalColumnOp]:
    """Those of ``operations`` that bring a column back without NOT NULL."""
    changes = [each for each in operations if isinstance(each, ops.ModifyTableOps)]
    return [each for change in changes for each in change.ops if isinstance(each, OptionalColumnOp)]


def _added(operations: ops.OpContainer) -> Iterator[tuple[ops.ModifyTableOps, ops.AddColumnOp]]:
    """The required columns that are added to tables."""
    for change in operations.ops:
        if isinstance(change, ops.ModifyTableOps):
            for each in list(change.ops):
                if isinstance(each, ops.AddColumnOp) and required.is_needed(each.column):
                    yield change, each


def _is_bound(column: Column[Any], existing: Existing, change: ops.ModifyTableOps) -> bool:
    """Whether a key or a CHECK says which values ``column`` can have."""
    table = column.table
    keys = [each for each in table.constraints if isinstance(each, UniqueConstraint)]
    keys += [each for each in table.indexes if each.unique]  # type: ignore[misc]
    checks = existing.checks(change.table_name, change.schema)
    return (
        bool(column.foreign_keys)
        or any(column.name in key.columns for key in keys)
        or any(constraint_names.mentioned(check.sql, [column.name]) for check in checks)
    )


def _neutral(column: Column[Any], dialect: Dialect) -> str | None:
    """A value that says nothing, as SQL; None where ``column``'s type has none."""
    kind = plain(column.type)
    try:
        value = kind.enums[0] if isinstance(kind, Enum) and kind.enums else _NEUTRAL.get(kind.python_type)
        return None if value is None else backfill.render(value, column, dialect)
    except (NotImplementedError, ValueError):
        return None


@renderers.dispatch_for(OptionalColumnOp)
def _render_column(context: AutogenContext, operation: OptionalColumnOp) -> list[str]:
    comment = f"# Its values are gone, so {operation.column.name} comes back without NOT NULL."
    return [comment, _rendered(context, operation, ops.AddColumnOp)]


@renderers.dispatch_for(FillOp)
def _render_fill(context: AutogenContext, operation: FillOp) -> list[str]:
    return ["# Its values are gone: this stands for them.", _rendered(context, operation, ops.ExecuteSQLOp)]


def _rendered(context: AutogenContext, operation: ops.MigrateOperation, like: type[ops.MigrateOperation]) -> str:
    """``operation`` written as Alembic writes one that is no more than ``like``."""
    plain_operation = object.__new__(like)
    plain_operation.__dict__.update(operation.__dict__)
    found = renderers.dispatch(plain_operation)(context, plain_operation)
    assert isinstance(found, str)
    return found
