"""Completes what Alembic's comparison found, so that every constraint in the migration has a name, both ways."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import CheckConstraint, Column, Integer, MetaData, Table, UniqueConstraint

from fastman_tasks.errors import MigrationRefused
from fastman_tasks.making.constraints import (
    check_differences,
    check_operations,
    dependent_tables,
    mysql_indexes,
    sqlite_tables,
)
from fastman_tasks.making.constraints.existing import Existing
from fastman_tasks.making.constraints.mysql_keys import KeptKeys, keys_outside
from fastman_tasks.making.constraints.named_operations import ADDITIONS, Namer, name_additions, name_table
from fastman_tasks.making.sql.text import WrittenCondition

Tables: TypeAlias = "dict[tuple[str | None, str], Table]"


def complete(
    context: MigrationContext,
    script: ops.MigrationScript,
    existing: Existing,
    conditions: Mapping[CheckConstraint, str] | None = None,
) -> None:
    """Complete ``script``, as the comparison left it, in place; its downgrade is made anew from its upgrade.

    Added are the CHECKs that differ, and on SQLite the UNIQUEs that have no name and are no longer in the models.
    ``existing`` is what there is where it will run, ``conditions`` those of the models' CHECKs as the database writes
    them, where it was asked.
    Raises MigrationRefused for what cannot be written so that it runs up and down.
    """
    upgrade, downgrade = script.upgrade_ops, script.downgrade_ops
    assert upgrade is not None and downgrade is not None
    comparison = AutogenContext(context, autogenerate=False)
    tables = compared_tables(comparison, existing, upgrade)
    namer = Namer(existing, upgrade)
    for (schema, name), table in tables.items():
        change = change_of(upgrade, schema, name)
        added, dropped = _find_overlooked(comparison, table, existing, change, conditions or {})
        change.ops = [*dropped, *change.ops, *added]
        name_additions(change, table, namer)
        if change.ops and change not in upgrade.ops:
            upgrade.ops.append(change)
    _name_tables(upgrade, namer)
    if existing.dialect == "sqlite":
        sqlite_tables.prepare(upgrade, existing, batch=bool(context.opts["render_as_batch"]))
    dependent_tables.drop_last(upgrade)
    upgrade.reverse_into(downgrade)
    _name_tables(downgrade, namer)
    for operations in (upgrade, downgrade):
        # Whatever it is generated on, it may run on MySQL.
        mysql_indexes.drop_with_tables(operations)
        if existing.dialect != "sqlite":
            dependent_tables.untangle(operations)
        check_operations.make_writable(operations, existing.connection.dialect)
        _refuse_unnamed(operations)
    if existing.is_mysql:
        kept = KeptKeys(existing, upgrade, list(tables))
        for operations in (upgrade, downgrade):
            keys_outside(operations)
        mysql_indexes.drop_with_keys(
            upgrade, lambda key: existing.has_index(key.table.name, key.table.schema, str(key.name))
        )
        mysql_indexes.drop_with_keys(
            downgrade, lambda key: not mysql_indexes.is_indexed(tables.get((key.table.schema, key.table.name)), key)
        )
        kept.move_aside(upgrade)
        kept.move_aside(downgrade)


def compared_tables(context: AutogenContext, existing: Existing, upgrade: ops.UpgradeOps) -> Tables:
    """The models' tables that the database has too, and that env.py lets Alembic compare."""
    created = {(each.schema, each.table_name) for each in upgrade.ops if isinstance(each, ops.CreateTableOp)}
    found: Tables = {}
    for table in context.table_key_to_table.values():
        # As Alembic's operations have it: none for the schema that a connection has by default.
        schema = None if table.schema == existing.default_schema else table.schema
        if (schema, table.name) in created or table.name not in existing.tables(schema):
            continue
        if lets_through(context, table, schema):
            found[schema, table.name] = table
    return found


def lets_through(context: AutogenContext, table: Table, schema: str | None) -> bool:
    """Whether env.py lets Alembic compare ``table`` of the models, which is in ``schema``."""
    return context.run_name_filters(table.name, "table", {"schema_name": schema}) and context.run_object_filters(
        table, table.name, "table", False, None
    )


def change_of(upgrade: ops.UpgradeOps, schema: str | None, table: str) -> ops.ModifyTableOps:
    """The changes of a table in ``upgrade``; new ones, which are not in it yet, where there are none."""
    for each in upgrade.ops:
        if isinstance(each, ops.ModifyTableOps) and (each.schema, each.table_name) == (schema, table):
            return each
    return ops.ModifyTableOps(table, [], schema=schema)


def _find_overlooked(
    context: AutogenContext,
    table: Table,
    existing: Existing,
    change: ops.ModifyTableOps,
    conditions: Mapping[CheckConstraint, str],
) -> tuple[list[ops.MigrateOperation], list[ops.MigrateOperation]]:
    """What has to be added to and dropped from ``table`` and Alembic does not compare."""
    filters = context.run_object_filters
    name, schema = change.table_name, change.schema
    checks = check_differences.compare(
        table, existing.checks(name, schema), verbatim=existing.dialect == "sqlite", conditions=conditions
    )
    added: list[ops.MigrateOperation] = [
        ops.CreateCheckConstraintOp(check.name, name, check.sqltext, schema=schema, **check.dialect_kwargs)
        for check in checks.missing
        if filters(check, check.name, "check_constraint", False, None)
    ]
    wanted = [set(each.columns.keys()) for each in table.constraints if isinstance(each, UniqueConstraint)]
    surplus: list[tuple[list[str], CheckConstraint | UniqueConstraint]] = [
        ([], CheckConstraint(WrittenCondition(check.sql), name=check.name)) for check in checks.surplus
    ]
    surplus += [
        (columns, UniqueConstraint(*columns))
        for columns in existing.unnamed_uniques(name, schema)
        if set(columns) not in wanted
    ]
    dropped: list[ops.MigrateOperation] = []
    for columns, constraint in surplus:
        Table(name, MetaData(), *(Column(column, Integer) for column in columns), constraint, schema=schema)
        is_unique = isinstance(constraint, UniqueConstraint)
        if filters(constraint, constraint.name, "unique_constraint" if is_unique else "check_constraint", True, None):
            dropped.append(ops.DropConstraintOp.from_constraint(constraint))
    return added, dropped


def _name_tables(operations: ops.OpContainer, namer: Namer) -> None:
    operations.ops = [
        name_table(each, namer) if isinstance(each, ops.CreateTableOp) else each for each in operations.ops
    ]


def _refuse_unnamed(operations: ops.OpContainer) -> None:
    for change in operations.ops:
        if not isinstance(change, ops.ModifyTableOps):
            continue
        for each in change.ops:
            if isinstance(each, (*ADDITIONS, ops.DropConstraintOp)) and each.constraint_name is None:
                raise MigrationRefused(
                    f"The table {change.table_name} has a constraint without a name that the migration would have to "
                    "add or drop. Nothing was written. Give it a name in the models (name=…)."
                )
