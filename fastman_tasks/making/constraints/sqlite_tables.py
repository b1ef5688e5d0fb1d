"""Constraints of a SQLite table, which may have no name, and change only where the table is replaced."""

from __future__ import annotations

from alembic.operations import ops

from fastman_tasks.errors import MigrationRefused
from fastman_tasks.making.constraints import names
from fastman_tasks.making.constraints.existing import Existing


def prepare(operations: ops.OpContainer, existing: Existing, *, batch: bool) -> None:
    """Name what is dropped and has no name, as it would be called: ``rebuilding`` finds it by what it says.

    Raises MigrationRefused where constraints change and env.py does not ask for ``batch`` mode.
    """
    for change in operations.ops:
        if isinstance(change, ops.ModifyTableOps):
            _prepare(change, existing, batch)


def _prepare(change: ops.ModifyTableOps, existing: Existing, batch: bool) -> None:
    if not batch and any(isinstance(each, ops.AddConstraintOp | ops.DropConstraintOp) for each in change.ops):
        raise MigrationRefused(
            f"The constraints of {change.table_name} change, and SQLite cannot alter them in place. Nothing was "
            "written. Set render_as_batch=True where env.py calls context.configure()."
        )
    for drop in change.ops:
        if isinstance(drop, ops.DropConstraintOp) and drop.constraint_name is None:
            constraint = drop.to_constraint()
            if names.is_nameable(constraint):
                columns = names.columns_of(constraint)
                taken = existing.names(change.schema)
                drop.constraint_name = names.free_name(constraint, change.table_name, columns, taken)
