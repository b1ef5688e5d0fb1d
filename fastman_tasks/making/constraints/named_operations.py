"""Operations whose constraints have names, made of those that Alembic's comparison found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from alembic.operations import ops
from sqlalchemy import CheckConstraint, Constraint, Table
from sqlalchemy.sql.elements import conv

from fastman_tasks.making.constraints import names
from fastman_tasks.making.constraints.existing import Existing
from fastman_tasks.making.sql.text import WrittenCondition

#: What adds a constraint that may lack a name.
ADDITIONS = (ops.CreateUniqueConstraintOp, ops.CreateForeignKeyOp, ops.CreateCheckConstraintOp)


class Namer:
    """Gives names that neither the database nor another operation has."""

    def __init__(self, existing: Existing, operations: ops.OpContainer) -> None:
        self._existing = existing
        self.dialect = existing.connection.dialect
        self.wants_names = existing.wants_names
        self._used = set(_explicit_names(operations))

    def name(self, constraint: Constraint, table: Table, *, dropped: Iterable[str] = ()) -> conv:
        """A name for ``constraint`` of ``table``; those that are ``dropped`` before it can be given again."""
        columns = names.columns_of(constraint, table)
        taken = (self._existing.names(table.schema) - set(dropped)) | self._used
        name = names.free_name(constraint, table.name, columns, taken)
        self._used.add(name)
        return name


def name_table(create: ops.CreateTableOp, namer: Namer) -> ops.CreateTableOp:
    """``create`` with a name for each of its constraints, those of its columns included, which Alembic leaves out."""
    # A copy: the operation's own constraints are the models'.
    table = create.to_table()
    for check in names.checks_of(table):
        sql = names.sql_of(check, namer.dialect)
        table.constraints.discard(check)
        condition = check.sqltext if sql is None else WrittenCondition(sql)
        table.append_constraint(CheckConstraint(condition, name=check.name, **check.dialect_kwargs))
    for column in table.columns:
        column.constraints = {each for each in column.constraints if not names.is_nameable(each)}
    for constraint in names.sort(each for each in table.constraints if names.is_nameable(each)):
        if constraint.name is None and namer.wants_names:
            constraint.name = namer.name(constraint, table)
    named = ops.CreateTableOp.from_table(table, _namespace_metadata=create._namespace_metadata)
    named.if_not_exists = create.if_not_exists
    return named


def name_additions(change: ops.ModifyTableOps, table: Table, namer: Namer) -> None:
    """Name what ``change`` adds to ``table`` without a name."""
    dropped = {str(each.constraint_name) for each in change.ops if isinstance(each, ops.DropConstraintOp)}
    for operation in change.ops:
        if isinstance(operation, ADDITIONS) and operation.constraint_name is None:
            operation.constraint_name = namer.name(operation.to_constraint(), table, dropped=dropped)


def _explicit_names(operations: Iterable[ops.MigrateOperation] | ops.OpContainer) -> Iterator[str]:
    for operation in operations.ops if isinstance(operations, ops.OpContainer) else operations:
        if isinstance(operation, ops.OpContainer):
            yield from _explicit_names(operation)
        elif isinstance(operation, ops.CreateTableOp):
            yield operation.table_name
            constraints = [each for each in operation.columns if isinstance(each, Constraint)]
            yield from (str(each.name) for each in constraints if each.name)
        elif isinstance(operation, ops.CreateIndexOp):
            yield str(operation.index_name)
        elif isinstance(operation, ADDITIONS) and operation.constraint_name is not None:
            yield str(operation.constraint_name)
