"""Constraints of a SQLite table, which may have no name, and change only where Alembic replaces the table."""

from __future__ import annotations

from collections.abc import Sequence

from alembic.operations import ops
from sqlalchemy import CheckConstraint, Constraint, UniqueConstraint
from sqlalchemy.sql.elements import conv

from fastman_tasks.errors import MigrationRefused
from fastman_tasks.making import constraint_names
from fastman_tasks.making.batches import TableBatch
from fastman_tasks.making.existing import Existing


def prepare(operations: ops.OpContainer, existing: Existing, *, batch: bool) -> None:
    """Have the changes of each table keep its unnamed CHECKs, and find what they drop that has no name.

    Raises MigrationRefused where constraints change and env.py does not ask for ``batch`` mode, and for what cannot
    be told from another constraint.
    """
    operations.ops = [
        _prepared(each, existing, batch) if isinstance(each, ops.ModifyTableOps) else each for each in operations.ops
    ]


def _prepared(change: ops.ModifyTableOps, existing: Existing, batch: bool) -> ops.ModifyTableOps:
    if not batch:
        if any(isinstance(each, ops.AddConstraintOp | ops.DropConstraintOp) for each in change.ops):
            raise MigrationRefused(
                f"The constraints of {change.table_name} change, and SQLite cannot alter them in place. Nothing was "
                "written. Set render_as_batch=True where env.py calls context.configure()."
            )
        return change
    checks = [check.sql for check in existing.checks(change.table_name, change.schema) if check.name is None]
    convention: dict[str, str] = {}
    for drop in change.ops:
        if not isinstance(drop, ops.DropConstraintOp) or drop.constraint_name is not None:
            continue
        constraint = drop.to_constraint()
        if isinstance(constraint, CheckConstraint):
            drop.constraint_name = _name_only_check(constraint, change, existing, checks)
            # There is no other, so its name can be all of the convention.
            convention["ck"] = drop.constraint_name.replace("%", "%%")
            checks = []
        elif constraint_names.is_nameable(constraint):
            drop.constraint_name = _name_key(constraint, change, existing)
            convention.update(constraint_names.CONVENTION)
    if not convention and not checks:
        return change
    return TableBatch(change.table_name, change.ops, schema=change.schema, convention=convention, checks=checks)


def _name_only_check(
    check: CheckConstraint, change: ops.ModifyTableOps, existing: Existing, unnamed: Sequence[str]
) -> conv:
    sql = constraint_names.sql_of(check) or ""
    if len(unnamed) > 1:
        raise MigrationRefused(
            f"The table {change.table_name} has {len(unnamed)} CHECK constraints without a name, and one of them is to "
            f"be dropped: {sql}. Nothing was written. SQLite cannot tell them apart: drop it by hand, in a migration "
            "made with --empty."
        )
    columns = constraint_names.mentioned(
        constraint_names.sql_of(check) or "", existing.columns(change.table_name, change.schema)
    )
    about = columns if len(columns) == 1 else []
    return constraint_names.free_name(check, change.table_name, about, existing.names(change.schema))


def _name_key(constraint: Constraint, change: ops.ModifyTableOps, existing: Existing) -> conv:
    columns = constraint_names.columns_of(constraint)
    is_unique = isinstance(constraint, UniqueConstraint)
    read = existing.unnamed_uniques if is_unique else existing.unnamed_keys
    if read(change.table_name, change.schema).count(columns) > 1:
        kind = "unique constraints" if is_unique else "foreign keys"
        raise MigrationRefused(
            f"The table {change.table_name} has several {kind} without a name on {', '.join(columns)}, and one of them "
            "is to be dropped. Nothing was written. SQLite cannot tell them apart: drop it by hand, in a migration "
            "made with --empty."
        )
    return constraint_names.conventional_name(constraint, change.table_name, columns)
