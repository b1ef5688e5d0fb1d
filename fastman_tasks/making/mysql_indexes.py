"""The indexes that MySQL and MariaDB want for each foreign key: they make them, keep them, and do not let them go."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from alembic.operations import ops
from sqlalchemy import ForeignKeyConstraint, PrimaryKeyConstraint, Table, UniqueConstraint
from sqlalchemy.engine.interfaces import ReflectedForeignKeyConstraint

from fastman_tasks.making.existing import Existing


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
            if isinstance(each, ops.DropConstraintOp):
                key = each.to_constraint()
                if isinstance(key, ForeignKeyConstraint) and has_index(key):
                    completed.append(DropKeyIndexOp(str(key.name), each.table_name, schema=each.schema))
        change.ops = completed


def is_indexed(table: Table | None, key: ForeignKeyConstraint) -> bool:
    """Whether an index of the model's ``table`` serves ``key`` too, so that the database makes none."""
    if table is None:
        return False
    columns = list(key.column_keys)
    keys = [each for each in table.constraints if isinstance(each, PrimaryKeyConstraint | UniqueConstraint)]
    return _is_served(columns, (each.columns.keys() for each in (*keys, *table.indexes)))


def release(upgrade: ops.UpgradeOps, downgrade: ops.DowngradeOps, existing: Existing) -> None:
    """Have neither direction drop an index that a foreign key needs: the database would refuse it.

    A table that is dropped takes its indexes along. A key that is dropped too goes first. One that stays is dropped
    before the index and made again after it, with an index of its own.
    """
    for operations in (upgrade, downgrade):
        dropped = {(each.schema, each.table_name) for each in operations.ops if isinstance(each, ops.DropTableOp)}
        for change in operations.ops:
            if isinstance(change, ops.ModifyTableOps) and (change.schema, change.table_name) in dropped:
                change.ops = [each for each in change.ops if not isinstance(each, ops.DropIndexOp)]
        operations.ops = [each for each in operations.ops if not isinstance(each, ops.ModifyTableOps) or each.ops]
    changes = [each for each in (*upgrade.ops, *downgrade.ops) if isinstance(each, ops.ModifyTableOps)]
    # What either direction makes or drops is not there in both.
    passing = {(change.table_name, change.schema, _name(each)) for change in changes for each in change.ops}
    for change in changes:
        place = (change.table_name, change.schema)
        if change.table_name in existing.tables(change.schema) and any(map(_index_columns, change.ops)):
            keys = [key for key in existing.foreign_keys(*place) if (*place, key["name"]) not in passing]
            own = {name for key in keys for name in (key["name"], key["constrained_columns"][0])}
            indexes = existing.indexes(*place)
            there = [indexes[name] for name in indexes if name not in own and (*place, name) not in passing]
            change.ops = _renewing(change, keys, there)


def _renewing(
    change: ops.ModifyTableOps, keys: Iterable[ReflectedForeignKeyConstraint], indexes: Sequence[Sequence[str]]
) -> list[ops.MigrateOperation]:
    """The operations of ``change``, with those of ``keys`` renewed that no one of ``indexes`` serves afterwards."""
    first = [each for each in change.ops if isinstance(each, DropKeyIndexOp) or _drops_key(each)]
    rest = [each for each in change.ops if each not in first]
    lost = [columns for each in rest if (columns := _index_columns(each))]
    drops, additions = [], []
    for key in keys:
        columns = key["constrained_columns"]
        if _is_served(columns, lost) and not _is_served(columns, indexes):
            addition = ops.CreateForeignKeyOp(
                key["name"],
                change.table_name,
                key["referred_table"],
                columns,
                key["referred_columns"],
                source_schema=change.schema,
                referent_schema=key["referred_schema"],
                **key.get("options", {}),
            )
            additions.append(addition)
            drops.append(addition.reverse())
    at = max((place for place, each in enumerate(rest) if _index_columns(each)), default=-1) + 1
    return [*first, *drops, *rest[:at], *additions, *rest[at:]]


def _index_columns(operation: ops.MigrateOperation) -> list[str]:
    """The columns of the index that ``operation`` drops; none where it drops none."""
    if isinstance(operation, ops.DropIndexOp) and not isinstance(operation, DropKeyIndexOp):
        return list(operation.to_index().columns.keys())
    if isinstance(operation, ops.DropConstraintOp) and operation.constraint_type == "unique":
        constraint = operation.to_constraint()
        return list(constraint.columns.keys()) if isinstance(constraint, UniqueConstraint) else []
    return []


def _drops_key(operation: ops.MigrateOperation) -> bool:
    return isinstance(operation, ops.DropConstraintOp) and operation.constraint_type == "foreignkey"


def _name(operation: ops.MigrateOperation) -> str | None:
    return getattr(operation, "index_name", None) or getattr(operation, "constraint_name", None)


def _is_served(columns: Sequence[str], indexes: Iterable[Sequence[str]]) -> bool:
    return any(list(each[: len(columns)]) == list(columns) for each in indexes)
