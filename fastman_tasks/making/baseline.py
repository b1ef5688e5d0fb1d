"""A first migration for a database whose tables are there already, made by ``create_all``, say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import CheckConstraint, Connection, ForeignKeyConstraint, Inspector, Table, UniqueConstraint, inspect
from sqlalchemy.sql.elements import conv

from fastman_tasks.errors import MigrationFailed, MigrationRefused
from fastman_tasks.making import environment as scaffolding
from fastman_tasks.making.comparing.reflection import own_indexes, reflect
from fastman_tasks.making.constraints import names as constraint_names
from fastman_tasks.making.constraints.existing import Check, Existing
from fastman_tasks.making.constraints.naming import lets_through
from fastman_tasks.making.sql.text import WrittenCondition
from fastman_tasks.migrating import stamping
from fastman_tasks.migrating.environment import Environment
from fastman_tasks.plans import Step
from fastman_tasks.revisions.graph import Revision
from fastman_tasks.text import pluralize


class NothingExists(Existing):
    """What the database has where the migration will run: it creates everything.

    SQLite's constraints without a name stay so: what a later migration says of them has to hold here and there.
    """

    @property
    def wants_names(self) -> bool:
        return self.dialect != "sqlite"

    def tables(self, schema: str | None) -> set[str]:
        return set()

    def _names(self, schema: str | None) -> frozenset[str]:
        return frozenset()

    def _checks(self, table: str, schema: str | None) -> tuple[Check, ...]:
        return ()


def existing_tables(context: MigrationContext) -> list[Table]:
    """The models' tables that the database has, and env.py lets Alembic compare, after those that they refer to."""
    comparison = AutogenContext(context, autogenerate=True)
    schemas = {None, *comparison.inspector.get_schema_names()}

    @cache
    def names(schema: str | None) -> frozenset[str]:
        return frozenset(comparison.inspector.get_table_names(schema) if schema in schemas else ())

    return [
        table
        for table in comparison.sorted_tables
        if table.name in names(table.schema) and lets_through(comparison, table, table.schema)
    ]


def require_first(revisions: Sequence[Revision]) -> None:
    """Raises MigrationRefused where there are migrations already."""
    if revisions:
        raise MigrationRefused(
            f"There {'is' if len(revisions) == 1 else 'are'} {pluralize(len(revisions), 'migration')} already, and "
            "--baseline is for the first one. Nothing was written. See inv migrate.status"
        )


def require(tables: Iterable[Table], *, wanted: bool) -> None:
    """Raises MigrationRefused where a database without migrations has ``tables`` of the models and no baseline is
    ``wanted``, or one is and it has none."""
    names = sorted(table.fullname for table in tables)
    if wanted and not names:
        raise MigrationRefused(
            "The database has none of the models' tables, so there is nothing to begin from. Nothing was written. "
            "Leave --baseline out: the migration creates them."
        )
    if names and not wanted:
        are = "is" if len(names) == 1 else "are"
        raise MigrationRefused(
            f"{pluralize(len(names), 'table')} of the models {are} in the database already, and no migration creates "
            f"{'it' if len(names) == 1 else 'them'} ({', '.join(names)}): create_all() did, perhaps. Nothing was "
            "written.\nAdd --baseline to begin from what is there: the migration creates it in every other database, "
            "and is marked as applied in this one."
        )


def replace(context: MigrationContext, script: ops.MigrationScript) -> None:
    """Have ``script``, which makes the database equal to the models, create what the database has of the models.

    A table that is equal is written as the models have it, any other one as the database has it: what ``script`` did
    is then the next migration.
    """
    assert script.upgrade_ops is not None and script.downgrade_ops is not None and context.bind is not None
    known = (ops.CreateTableOp, ops.DropTableOp, ops.CreateIndexOp, ops.DropIndexOp, ops.ModifyTableOps)
    differences = script.upgrade_ops.ops
    changed = {(each.schema, each.table_name) for each in differences if isinstance(each, ops.ModifyTableOps)}
    # What belongs to several tables, such as a type, makes all of them doubtful.
    all_changed = not all(isinstance(each, known) for each in differences)
    default = context.dialect.default_schema_name
    created: list[ops.MigrateOperation] = []
    for table in existing_tables(context):
        schema = None if table.schema == default else table.schema
        if all_changed or (schema, table.name) in changed:
            there = _as_there(context.bind, table.name, schema)
            create, indexes = ops.CreateTableOp.from_table(there), own_indexes(context.bind, there)
        else:
            create = _named_as_there(table, inspect(context.bind))
            indexes = sorted(table.indexes, key=lambda index: str(index.name))
        created.append(create)
        if indexes:
            created.append(
                ops.ModifyTableOps(table.name, list(map(ops.CreateIndexOp.from_index, indexes)), schema=schema)
            )
    script.upgrade_ops.ops, script.downgrade_ops.ops = created, []


def _as_there(connection: Connection, name: str, schema: str | None) -> Table:
    table = reflect(connection, name, schema)
    for check in Existing(connection).checks(name, schema):
        if check.is_fixed:
            table.append_constraint(CheckConstraint(WrittenCondition(check.sql)))
    return table


def _named_as_there(table: Table, inspector: Inspector) -> ops.CreateTableOp:
    """What creates the model's ``table``; keys without a name get the one that they have in the database: a later
    migration drops them by it."""
    copy = ops.CreateTableOp.from_table(table).to_table()
    uniques = inspector.get_unique_constraints(table.name, table.schema)
    keys = inspector.get_foreign_keys(table.name, table.schema)
    names = {
        UniqueConstraint: {tuple(each["column_names"]): each["name"] for each in uniques},
        ForeignKeyConstraint: {tuple(each["constrained_columns"]): each["name"] for each in keys},
    }
    for constraint in copy.constraints:
        if constraint.name is None and type(constraint) in names:
            there = names[type(constraint)].get(tuple(constraint_names.columns_of(constraint)))
            constraint.name = conv(there) if there else None
    return ops.CreateTableOp.from_table(copy)


def stamp(environment: Environment, revision: str, file: Path) -> None:
    """Mark ``revision``, the only one, as applied; its ``file`` is removed where that fails for certain.

    Raises MigrationRefused where the database has another one by now, and MigrationFailed.
    """
    environment.forget_files()
    try:
        stamping.stamp(environment, [Step("stamp", file.stem, file, revision)], expected=[])
    except MigrationFailed as failure:
        assert failure.report is not None
        if failure.report.in_state("failed"):
            scaffolding.remove([file], environment.root)
        elif failure.report.in_state("unknown"):
            failure.args = (f"{failure} The migration was written; if it is pending: inv migrate.stamp {revision}",)
        raise
    except BaseException:
        scaffolding.remove([file], environment.root)
        raise
