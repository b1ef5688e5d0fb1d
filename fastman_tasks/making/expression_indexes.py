"""Indexes of expressions in SQLite, which Alembic's comparison leaves out: reflection does not tell them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, Index, Table, UnaryExpression, text
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateIndex
from sqlalchemy.sql import operators

from fastman_tasks.making.sql_text import escaped
from fastman_tasks.making.sqlite_definition import Token, parts, tokens, written
from fastman_tasks.making.sqlite_schema import Schema, Thing


def add(context: MigrationContext, upgrade: ops.UpgradeOps) -> None:
    """Add to ``upgrade`` the indexes of expressions that the models and a SQLite database do not have in common."""
    if context.bind is None or context.dialect.name != "sqlite":
        return
    comparison = AutogenContext(context, autogenerate=False)
    schema = Schema.read(context.bind)
    done = {each.index_name for each in _flat(upgrade) if isinstance(each, ops.CreateIndexOp | ops.DropIndexOp)}
    created = {each.table_name for each in upgrade.ops if isinstance(each, ops.CreateTableOp)}
    for table in comparison.table_key_to_table.values():
        is_there = schema.table(table.name) is not None
        wanted = comparison.run_name_filters(table.name, "table", {"schema_name": None})
        wanted = wanted and comparison.run_object_filters(table, table.name, "table", False, None)
        if table.schema is not None or not wanted or not (is_there or table.name in created):
            continue
        found = [
            each
            for each in _differences(comparison, table, schema.of(table.name, "index"), context.dialect)
            if each.index_name not in done
        ]
        if found:
            _change(upgrade, table.name).ops.extend(found)


def _change(upgrade: ops.UpgradeOps, table: str) -> ops.ModifyTableOps:
    """What changes ``table`` in ``upgrade``, where its new indexes belong too."""
    for each in upgrade.ops:
        if isinstance(each, ops.ModifyTableOps) and (each.schema, each.table_name) == (None, table):
            return each
    upgrade.ops.append(made := ops.ModifyTableOps(table, []))
    return made


def _differences(
    comparison: AutogenContext, table: Table, existing: Iterable[Thing], dialect: Dialect
) -> Iterator[ops.CreateIndexOp | ops.DropIndexOp]:
    wanted = {str(index.name): index for index in table.indexes if any(map(_is_expression, index.expressions))}
    found = {each.name: each for each in existing if not all(map(_is_column, parts(each.sql)))}
    added = {
        name: index
        for name, index in wanted.items()
        if name not in found or _plain(str(CreateIndex(index).compile(dialect=dialect))) != _plain(found[name].sql)
    }
    for name, thing in found.items():
        index = _reflected(thing)
        if (name in added or name not in wanted) and comparison.run_object_filters(index, name, "index", True, None):
            yield ops.DropIndexOp.from_index(index)
    for name, index in added.items():
        if comparison.run_object_filters(index, name, "index", False, None):
            yield ops.CreateIndexOp.from_index(index)


def _is_expression(part: object) -> bool:
    while isinstance(part, UnaryExpression) and part.modifier in (operators.asc_op, operators.desc_op):
        part = part.element
    return not isinstance(part, Column)


def _is_column(part: list[Token]) -> bool:
    """Whether a part of an index is a column, in some order: reflection tells of those."""
    return len(part) == 1 or (len(part) == 2 and part[1].keyword in ("ASC", "DESC"))


def _reflected(thing: Thing) -> Index:
    several = tokens(thing.sql)
    where = next((at for at, each in enumerate(several) if each.keyword == "WHERE"), len(several))
    condition = written(several[where + 1 :])
    options: dict[str, Any] = {"sqlite_where": text(escaped(condition))} if condition else {}
    return ops.CreateIndexOp(
        thing.name,
        thing.table,
        [text(escaped(written(part))) for part in parts(thing.sql)],
        unique=several[1].keyword == "UNIQUE",
        **options,
    ).to_index()


def _plain(sql: str) -> list[str]:
    return [each.text if each.text.startswith("'") else each.name.lower() for each in tokens(sql)]


def _flat(operations: ops.OpContainer) -> Iterator[ops.MigrateOperation]:
    for each in operations.ops:
        if isinstance(each, ops.OpContainer):
            yield from _flat(each)
        else:
            yield each
