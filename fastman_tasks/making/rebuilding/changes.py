"""Alembic's operations on a SQLite table, carried out on its text: what is not changed stays as it was written."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import CheckConstraint, Column, Computed, Constraint, DefaultClause, Integer
from sqlalchemy.schema import AddConstraint, CreateTable
from sqlalchemy.sql.elements import ClauseElement

from fastman_tasks.databases.sql import definition
from fastman_tasks.databases.sql.definition import Clause, Definition
from fastman_tasks.making.constraints import names as constraint_names

_ADDITIONS = (
    ops.CreatePrimaryKeyOp, ops.CreateUniqueConstraintOp, ops.CreateForeignKeyOp, ops.CreateCheckConstraintOp,
)  # fmt: skip
_KEYS = {"unique": "UNIQUE", "foreignkey": "FOREIGN", "primary": "PRIMARY"}
_OF_ONE_COLUMN = {"FOREIGN": "REFERENCES"}


def needs_rebuild(operation: ops.MigrateOperation, context: MigrationContext) -> bool:
    """Whether Alembic's batch mode replaces the table for ``operation``, as SQLite cannot do it in place."""
    if isinstance(operation, ops.CreateIndexOp | ops.DropIndexOp | ops.ExecuteSQLOp):
        return False
    if not isinstance(operation, ops.AddColumnOp):
        return True
    default = operation.column.server_default
    if isinstance(default, Computed):
        return bool(default.persisted)
    of_expression = isinstance(default, DefaultClause) and isinstance(default.arg, ClauseElement)
    return of_expression or bool(_of_type(_definition(operation.table_name, operation.column, context)))


def is_rename(operation: ops.MigrateOperation) -> bool:
    """Whether ``operation`` gives a column another name, and nothing else: SQLite does so itself, in all that speaks of
    the column."""
    return (
        isinstance(operation, ops.AlterColumnOp)
        and operation.modify_name is not None
        and operation.modify_type is None
        and operation.modify_nullable is None
        and operation.modify_server_default is False
    )


def in_parts(operation: ops.MigrateOperation) -> Iterator[ops.MigrateOperation]:
    """``operation``, or the parts of a change: what it does before a column is renamed, that, and what it does then."""
    if not isinstance(operation, ops.ModifyTableOps) or not any(map(is_rename, operation.ops)):
        yield operation
        return
    for renames, group in itertools.groupby(operation.ops, is_rename):
        several = list(group)
        yield from several if renames else [with_operations(operation, several)]


def with_operations(change: ops.ModifyTableOps, operations: list[ops.MigrateOperation]) -> ops.ModifyTableOps:
    """``change`` with these ``operations`` in place of its own."""
    part = copy.copy(change)
    part.ops = operations
    return part


def apply(before: Definition, operation: ops.MigrateOperation, context: MigrationContext) -> Definition | None:
    """The table ``before`` after ``operation``; None where it is one that cannot be carried out on a text."""
    match operation:
        case ops.CreateIndexOp() | ops.DropIndexOp() | ops.ExecuteSQLOp():
            return before
        case ops.AddColumnOp():
            added = _definition(operation.table_name, operation.column, context)
            # Its other constraints come as operations of their own.
            column = added.columns[0].without("CHECK", "UNIQUE", "REFERENCES", "PRIMARY")
            after = before.with_column(column)
            return _with_constraints(after, _of_type(added))
        case ops.DropColumnOp():
            return _without_column(before, operation.column_name)
        case ops.AlterColumnOp():
            return _alter(before, operation, context)
        case ops.DropConstraintOp():
            found = _find(before, operation)
            return None if found is None else before.without(lambda each: each is found)
    if isinstance(operation, _ADDITIONS):
        return _with_constraints(before, [_clause(operation.to_constraint(context), context)])
    if isinstance(operation, ops.CreateTableCommentOp | ops.DropTableCommentOp):
        # SQLite has none.
        return before
    return None


def _definition(table: str, column: Column[Any], context: MigrationContext) -> Definition:
    """The table with nothing but ``column``, and what its type adds."""
    made = ops.CreateTableOp(table, [column]).to_table(context)
    found = definition.parse(str(CreateTable(made).compile(dialect=context.dialect)))
    assert found is not None
    return found


def _of_type(added: Definition) -> list[Clause]:
    """The CHECK that a column's type makes (Enum, Boolean): the only one that stands beside the column."""
    return [each for each in added.constraints if each.kind == "CHECK"]


def _clause(constraint: Constraint, context: MigrationContext) -> Clause:
    quote = context.dialect.identifier_preparer.quote
    if isinstance(constraint, CheckConstraint):
        sql = constraint_names.sql_of(constraint, context.dialect)
        text = f"CONSTRAINT {quote(str(constraint.name))} CHECK ({sql})"
    else:
        statement = str(AddConstraint(constraint).compile(dialect=context.dialect))
        text = statement[statement.index(" ADD ") + len(" ADD ") :]
    return _parse(f", {text}").constraints[0]


def _with_constraints(before: Definition, added: list[Clause]) -> Definition:
    return replace(before, constraints=(*before.constraints, *added))


def _without_column(before: Definition, name: str) -> Definition:
    """The table without the column, and without the keys that it is a part of. A CHECK is dropped by itself."""
    kept = replace(before, columns=tuple(each for each in before.columns if each.name.lower() != name.lower()))
    return kept.without(
        lambda each: each.kind in _KEYS.values() and name.lower() in [column.lower() for column in each.columns]
    )


def _alter(before: Definition, operation: ops.AlterColumnOp, context: MigrationContext) -> Definition | None:
    column = before.column(operation.column_name)
    if column is None or operation.modify_name is not None:
        return None
    after = before
    if operation.modify_type is not None:
        wanted = _define_type(operation, operation.modify_type, context)
        had = _define_type(operation, operation.existing_type, context) if operation.existing_type is not None else None
        collation = wanted.columns[0].only("COLLATE")
        if collation or (had is not None and had.columns[0].only("COLLATE")):
            column = column.without("COLLATE")
        column = replace(column, type=wanted.columns[0].type, clauses=(*collation, *column.clauses))
        names = {each.name for of in (had, wanted) if of is not None for each in _of_type(of) if each.name}
        after = after.without(lambda each: each.kind == "CHECK" and each.name in names)
        after = _with_constraints(after, _of_type(wanted))
    if operation.modify_nullable is not None:
        column = column.without("NOT", "NULL")
        if not operation.modify_nullable:
            column = replace(column, clauses=(*column.clauses, *_parse("NOT NULL").columns[0].clauses))
    if operation.modify_server_default is not False:
        column = column.without("DEFAULT", "GENERATED", "AS")
        column = replace(column, clauses=(*column.clauses, *_default(operation, context)))
    return after.with_column(column, instead_of=operation.column_name)


def _define_type(operation: ops.AlterColumnOp, type_: Any, context: MigrationContext) -> Definition:
    return _definition(operation.table_name, Column(operation.column_name, type_), context)


def _default(operation: ops.AlterColumnOp, context: MigrationContext) -> tuple[Clause, ...]:
    default: Any = operation.modify_server_default
    # Neither depends on the column's type.
    column: Column[Any] = (
        Column(operation.column_name, Integer, Computed(default.sqltext, persisted=default.persisted))
        if isinstance(default, Computed)
        else Column(operation.column_name, Integer, server_default=default)
    )
    return _definition(operation.table_name, column, context).columns[0].only("DEFAULT", "GENERATED", "AS")


def _find(before: Definition, operation: ops.DropConstraintOp) -> Clause | None:
    """The constraint that ``operation`` drops: the one of that name, or the one without a name that says the same."""
    named = [each for each in before.clauses() if each.name is not None and each.name == operation.constraint_name]
    if named:
        return named[0]
    constraint = operation.to_constraint()
    if isinstance(constraint, CheckConstraint):
        condition = _plain(constraint_names.sql_of(constraint) or "")
        same = [each for each in before.clauses() if each.kind == "CHECK" and _plain(each.condition) == condition]
    else:
        columns = constraint_names.columns_of(constraint)
        kind = _KEYS[operation.constraint_type or ""]
        same = [each for each in before.constraints if each.kind == kind and each.columns == columns]
        same += [
            each
            for column in before.columns
            for each in column.only(_OF_ONE_COLUMN.get(kind, kind))
            if [column.name] == columns
        ]
    # Reflection does not tell the name of one that stands in a column's definition.
    return next((each for each in same if each.name is None), same[0] if same else None)


def _plain(condition: str) -> str:
    return "".join(each.text.lower() if each.is_word else each.text for each in definition.tokens(condition))


def _parse(column: str) -> Definition:
    found = definition.parse(f"CREATE TABLE t (c {column})")
    assert found is not None
    return found
