"""Columns that become required: the rows that have no value yet get one first, in the same migration."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, Connection, MetaData, Table, UniqueConstraint

from fastman_tasks.errors import Candidate, MigrationRefused
from fastman_tasks.making.converting import backfill, row_counts
from fastman_tasks.making.decisions import Questions
from fastman_tasks.making.renaming.candidates import PossibleRename
from fastman_tasks.making.renaming.view import Renames
from fastman_tasks.making.sql.text import escape, qualify


@dataclass(frozen=True)
class Need:
    """A column that becomes required by ``operation``: ``column`` of the models, ``rows`` have no value for it."""

    operation: ops.AddColumnOp | ops.AlterColumnOp
    column: Column[Any]
    label: str
    rows: int


def fill(context: MigrationContext, script: ops.MigrationScript, questions: Questions, renames: Renames) -> list[str]:
    """Have the upgrade of ``script`` fill each column that becomes required, where ``decisions`` or the model's default
    say with what. Returns what is to be said of it.

    ``questions`` get the columns for which rows would have no value. Raises UsageError for a value that no column
    takes.
    """
    connection, upgrade = context.bind, script.upgrade_ops
    assert connection is not None and upgrade is not None
    needs = list(_needs(context, connection, upgrade, renames))
    texts = backfill.assign(questions.decisions.backfill, [need.label for need in needs])
    values: dict[int, str] = {}
    said: list[str] = []
    for need in needs:
        value, source = _value(need, texts, context)
        if value is not None:
            _refuse_unique(need, value)
            values[id(need.operation)] = value
            verb = "gets" if need.rows == 1 else "get"
            said.append(f"{need.label}: {row_counts.describe(need.rows)} {verb} {value}{source}")
    empty = [need for need in needs if need.rows and id(need.operation) not in values]
    questions.ask_values([_explain(need) for need in empty], [need.label for need in empty], are_named=len(needs) > 1)
    filled = [need for need in needs if id(need.operation) in values]
    upgrade.ops = [part for each in upgrade.ops for part in parts(each, filled, values, connection)]
    return said


def _needs(
    context: MigrationContext, connection: Connection, upgrade: ops.UpgradeOps, renames: Renames
) -> Iterator[Need]:
    for change in upgrade.ops:
        if not isinstance(change, ops.ModifyTableOps):
            continue
        model = model_of(context, change.table_name, change.schema)
        table = qualify(connection.dialect, change.schema, renames.old_table(change.table_name, change.schema))
        for each in change.ops:
            if isinstance(each, ops.AddColumnOp):
                column, condition = each.column, "true"
                needs = is_needed(column)
            elif isinstance(each, ops.AlterColumnOp) and each.modify_nullable is False and model is not None:
                column = model.columns[each.column_name]
                old = renames.old_column(change.table_name, each.column_name, change.schema)
                condition, needs = f"{connection.dialect.identifier_preparer.quote(old)} IS NULL", True
            else:
                continue
            if needs:
                label = ".".join(filter(None, (change.schema, change.table_name, column.name)))
                yield Need(each, column, label, row_counts.count(connection, table, condition))


def find_unrenamed(context: MigrationContext, candidates: Sequence[Candidate], renames: Renames) -> list[str]:
    """The columns that are added, and for which rows would have no value, if ``candidates`` are no renames."""
    connection = context.bind
    assert connection is not None
    found: dict[str, None] = {}
    for each in candidates:
        if not isinstance(each, PossibleRename) or each.added is None or not is_needed(each.added):
            continue
        schema, name = each.rename.schema, str(each.rename.table)
        table = qualify(connection.dialect, schema, renames.old_table(name, schema))
        need = Need(ops.AddColumnOp(name, each.added), each.added, each.new, row_counts.count(connection, table))
        if need.rows and _value(need, {}, context)[0] is None:
            found[need.label] = None
    return list(found)


def is_needed(column: Column[Any]) -> bool:
    """Whether rows that are there need a value when ``column`` is added to their table."""
    return not column.nullable and column.server_default is None and not column.primary_key


def _value(need: Need, texts: dict[str, str], context: MigrationContext) -> tuple[str | None, str]:
    if need.label in texts:
        return backfill.parse(texts[need.label], need.column, need.label, context.dialect), ""
    default: Any = need.column.default
    if default is not None and default.is_scalar:
        try:
            return backfill.render(default.arg, need.column, context.dialect), ", the default of the model"
        except ValueError:
            return None, ""
    return None, ""


def _refuse_unique(need: Need, value: str) -> None:
    table: Table = need.column.table
    keys = [each for each in table.constraints if isinstance(each, UniqueConstraint)]
    keys += [each for each in table.indexes if each.unique]  # type: ignore[misc]
    if need.rows > 1 and any(key.columns.keys() == [need.column.key] for key in keys):
        raise MigrationRefused(
            f"{need.label} is unique, so {row_counts.describe(need.rows)} cannot all get {value}. Nothing was written. "
            "Make the column optional first, give each row its own value, then make it required."
        )


def _explain(need: Need) -> str:
    rows = f"{row_counts.describe(need.rows)} {'has' if need.rows == 1 else 'have'}"
    return f"{need.label} becomes required (NOT NULL), and {rows} no value for it."


def parts(
    change: ops.MigrateOperation,
    filled: Sequence[Need],
    values: Mapping[int, str],
    connection: Connection,
    statement: Callable[[Need, str], ops.ExecuteSQLOp] = lambda need, sql: ops.ExecuteSQLOp(sql),
) -> Iterator[ops.MigrateOperation]:
    """``change`` in three: what comes before the rows are filled, each ``statement`` that fills them, the rest.

    ``values`` are SQL, by the id of the operation that needs one.
    """
    needs = [need for need in filled if isinstance(change, ops.ModifyTableOps) and need.operation in change.ops]
    if not needs or not isinstance(change, ops.ModifyTableOps):
        yield change
        return
    additions = [at for at, each in enumerate(change.ops) if isinstance(each, ops.AddColumnOp)]
    first, rest = change.ops[: max(additions, default=-1) + 1], change.ops[max(additions, default=-1) + 1 :]
    added = {id(need.operation): need.column for need in needs if isinstance(need.operation, ops.AddColumnOp)}
    before, after = copy.copy(change), copy.copy(change)
    before.ops = [optional(each, added[id(each)]) if id(each) in added else each for each in first]
    after.ops = [*(_tighten(change, each) for each in added.values()), *rest]
    if before.ops:
        yield before
    table = qualify(connection.dialect, change.schema, change.table_name)
    for need in needs:
        name = connection.dialect.identifier_preparer.quote(need.column.name)
        sql = f"UPDATE {table} SET {name} = {values[id(need.operation)]} WHERE {name} IS NULL"
        yield statement(need, escape(sql))
    yield after


def optional(operation: ops.MigrateOperation, column: Column[Any]) -> ops.AddColumnOp:
    """``operation``, which adds ``column``, with one that can be NULL."""
    assert isinstance(operation, ops.AddColumnOp)
    # A copy: the operation's own column is the model's.
    own = column.table.to_metadata(MetaData()).columns[column.name]
    own.nullable = True
    return ops.AddColumnOp(operation.table_name, own, schema=operation.schema, **operation.kw)


def _tighten(change: ops.ModifyTableOps, column: Column[Any]) -> ops.AlterColumnOp:
    return ops.AlterColumnOp(
        change.table_name,
        column.name,
        schema=change.schema,
        existing_type=column.type,
        existing_comment=column.comment,
        modify_nullable=False,
    )


def model_of(context: MigrationContext, table: str, schema: str | None) -> Table | None:
    """The models' table of that name."""
    target = context.opts["target_metadata"]
    for metadata in [target] if isinstance(target, MetaData) else target:
        for each in metadata.tables.values():
            own = None if each.schema == context.dialect.default_schema_name else each.schema
            if (own, each.name) == (schema, table):
                return each
    return None
