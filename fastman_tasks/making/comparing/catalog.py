"""Finds what Alembic's comparison overlooks: the database is asked how it has a table, and how it would make it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import CheckConstraint, Column, Connection, Index, Table

from fastman_tasks.databases.sql.tokens import form
from fastman_tasks.making.comparing import index_differences, mysql_states, postgresql_states, sqlite_states
from fastman_tasks.making.comparing.column_differences import ColumnDifferences, Settings
from fastman_tasks.making.comparing.table_states import Answer, Pair, Place
from fastman_tasks.making.constraints.existing import Existing
from fastman_tasks.making.constraints.naming import change_of, compared_tables
from fastman_tasks.making.renaming.view import Renames

_ASK: dict[str, Callable[[Connection, Mapping[Place, Table]], Answer]] = {
    "sqlite": sqlite_states.ask,
    "postgresql": postgresql_states.ask,
    "mysql": mysql_states.ask,
    "mariadb": mysql_states.ask,
}


@dataclass
class Overlooked:
    """What the database said. ``conditions`` are those of the models' CHECKs as it writes them; ``notes``, differences
    that no operation removes; ``limits``, what it could not be asked, and why."""

    conditions: dict[CheckConstraint, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)


def complete(context: MigrationContext, script: ops.MigrationScript, renames: Renames) -> Overlooked:
    """Add to ``script``'s upgrade, in place, what Alembic overlooks: defaults, collations, identities, indexes.

    Tables that ``renames`` are about are left to the next migration: the database knows them by their old names.
    Nothing stays in the database of what is made to ask it.
    """
    found = Overlooked()
    upgrade, connection = script.upgrade_ops, context.bind
    if upgrade is None or connection is None or connection.dialect.name not in _ASK:
        return found
    existing = Existing(connection)
    comparison = AutogenContext(context, autogenerate=False)
    tables = compared_tables(comparison, existing, upgrade)
    known = {place: table for place, table in tables.items() if not renames.concern(place[1], place[0])}
    answer = _ASK[connection.dialect.name](connection, known)
    for (schema, name), pair in answer.pairs.items():
        change = change_of(upgrade, schema, name)
        found.notes += _compare(comparison, pair, change, existing)
        found.conditions |= pair.conditions
        if change.ops and change not in upgrade.ops:
            upgrade.ops.append(change)
    if existing.dialect == "sqlite":
        models = {(table.schema, table.name): table for table in comparison.table_key_to_table.values()}
        index_differences.add_to_tables(
            upgrade, models, sqlite_states.read_indexes(connection), is_compared=_index_filter(comparison)
        )
    upgrade.ops = [each for each in upgrade.ops if not isinstance(each, ops.ModifyTableOps) or each.ops]
    found.limits = _limits(answer.failures)
    return found


def _compare(context: AutogenContext, pair: Pair, change: ops.ModifyTableOps, existing: Existing) -> list[str]:
    def column_is_compared(column: Column[Any]) -> bool:
        parents = {"table_name": change.table_name, "schema_name": change.schema}
        return context.run_name_filters(column.name, "column", parents) and context.run_object_filters(  # type: ignore[arg-type]
            column, column.name, "column", False, None
        )

    settings = Settings(
        compares_defaults=callable(context.opts.get("compare_server_default")),
        compares_types=callable(context.opts.get("compare_type")),
        # SQLite alters columns in batch mode only.
        alters=existing.dialect != "sqlite" or bool(context.opts.get("render_as_batch")),
    )
    columns = ColumnDifferences(pair, change, existing, settings, column_is_compared)
    columns.add()
    index_differences.add(pair, change, existing.dialect, is_compared=_index_filter(context))
    name = ".".join(filter(None, (change.schema, change.table_name)))
    there, wanted = ({form(each): each for each in side.others} for side in (pair.there, pair.wanted))
    only = [
        ", ".join(side[key] for key in side if key not in other) for side, other in ((there, wanted), (wanted, there))
    ]
    if any(only):
        columns.notes.append(f"{name}: {only[0] or 'nothing'} in the database, {only[1] or 'nothing'} in the models")
    return columns.notes


def _index_filter(context: AutogenContext) -> Callable[[Index, bool], bool]:
    return lambda index, reflected: context.run_object_filters(index, index.name, "index", reflected, None)


def _limits(failures: Mapping[Place, str]) -> list[str]:
    by_reason: dict[str, list[str]] = {}
    for (schema, name), reason in failures.items():
        by_reason.setdefault(reason, []).append(".".join(filter(None, (schema, name))))
    return [
        f"{', '.join(tables) if len(tables) <= 3 else f'{len(tables)} tables'}: compared as Alembic does, without "
        f"defaults and conditions ({reason})"
        for reason, tables in by_reason.items()
    ]
