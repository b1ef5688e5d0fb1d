"""CHECKs that are added to a table that is there. Older versions of Alembic do not write them down."""

from __future__ import annotations

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from sqlalchemy.engine import Dialect

from fastman_tasks.errors import MigrationRefused
from fastman_tasks.making.constraints.names import sql_of
from fastman_tasks.making.sql.text import escape


class CreateCheckOp(ops.CreateCheckConstraintOp):
    """Adds a CHECK, in a ModifyTableOps."""


def make_writable(operations: ops.OpContainer, dialect: Dialect) -> None:
    """Replace what adds CHECKs to existing tables by operations that every Alembic writes down.

    Raises MigrationRefused for a condition that cannot be written as SQL.
    """
    for change in operations.ops:
        if isinstance(change, ops.ModifyTableOps):
            for each in change.ops:
                if isinstance(each, ops.CreateCheckConstraintOp):
                    _condition(each, dialect)
            change.ops = [
                CreateCheckOp(each.constraint_name, each.table_name, each.condition, schema=each.schema, **each.kw)
                if isinstance(each, ops.CreateCheckConstraintOp)
                else each
                for each in change.ops
            ]


def _condition(operation: ops.CreateCheckConstraintOp, dialect: Dialect) -> str:
    sql = sql_of(operation.to_constraint(), dialect)
    if sql is None:
        raise MigrationRefused(
            f"The CHECK {operation.constraint_name} of {operation.table_name} cannot be written as SQL. Nothing was "
            "written. Give its condition as a text in the models."
        )
    return sql


@renderers.dispatch_for(CreateCheckOp)
def _render(context: AutogenContext, operation: CreateCheckOp) -> str:
    constraint = operation.to_constraint()
    sql = _condition(operation, context.migration_context.dialect)
    prefix = context.opts["alembic_module_prefix"]
    in_batch = context.opts["render_as_batch"]
    arguments = [f"{prefix}f({str(operation.constraint_name)!r})"]
    arguments += [] if in_batch else [repr(str(operation.table_name))]
    arguments.append(repr(escape(sql)))
    arguments += [f"schema={str(operation.schema)!r}"] if operation.schema and not in_batch else []
    arguments += [f"{name}={value!r}" for name, value in constraint.dialect_kwargs.items()]
    return f"{'batch_op.' if in_batch else prefix}create_check_constraint({', '.join(arguments)})"
