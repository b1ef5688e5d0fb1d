"""The indexes that MySQL and MariaDB make by themselves for a foreign key, and keep when the key is dropped."""

from __future__ import annotations

from collections.abc import Callable

from alembic.operations import ops
from sqlalchemy import ForeignKeyConstraint, PrimaryKeyConstraint, Table, UniqueConstraint


class DropKeyIndexOp(ops.DropIndexOp):
    """Drops the index that came with a foreign key; the key, once it is back, brings it along."""


def drop_with_keys(operations: ops.OpContainer, has_index: Callable[[ForeignKeyConstraint], bool]) -> None:
    """After each foreign key that ``operations`` drop, drop its index where ``has_index`` says that it has one.

    The next comparison would find an index that no model has.
    """
    for change in operations.ops:
        if not isinstance(change, ops.ModifyTableOps):
            continue
        completed: list[ops.MigrateOperation] = []
        for each in change.ops:
            completed.append(each)
            if isinstance(each, ops.DropConstraintOp) and each.constraint_type == "foreignkey":
                key = each.to_constraint()
                if isinstance(key, ForeignKeyConstraint) and has_index(key):
                    completed.append(DropKeyIndexOp(str(key.name), each.table_name, schema=each.schema))
        change.ops = completed


def drop_with_tables(operations: ops.OpContainer) -> None:
    """Leave the indexes of dropped tables to DROP TABLE: by itself, one that a foreign key needs cannot be dropped."""
    dropped = {(each.schema, each.table_name) for each in operations.ops if isinstance(each, ops.DropTableOp)}

    def goes_along(operation: ops.MigrateOperation) -> bool:
        return isinstance(operation, ops.DropIndexOp) and (operation.schema, operation.table_name) in dropped

    for change in operations.ops:
        if isinstance(change, ops.ModifyTableOps):
            change.ops = [each for each in change.ops if not goes_along(each)]
    operations.ops = [each for each in operations.ops if not goes_along(each)]


def is_indexed(table: Table | None, key: ForeignKeyConstraint) -> bool:
    """Whether an index of the model's ``table`` serves ``key`` too, so that the database makes none."""
    if table is None:
        return False
    columns = list(key.column_keys)
    keys = [each for each in table.constraints if isinstance(each, PrimaryKeyConstraint | UniqueConstraint)]
    leading = [list(each.columns.keys()) for each in (*keys, *table.indexes)]
    return any(names[: len(columns)] == columns for names in leading)
