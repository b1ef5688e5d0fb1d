"""Differences between a table's indexes in the database and in the models that Alembic does not see."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from alembic.operations import ops
from sqlalchemy import Index, Table, text

from fastman_tasks.databases.sql.tokens import form, tokens
from fastman_tasks.making.comparing.table_states import IndexState, Pair, Place
from fastman_tasks.making.sql.text import escape


def add(pair: Pair, change: ops.ModifyTableOps, dialect: str, *, is_compared: Callable[[Index, bool], bool]) -> None:
    """Add to ``change`` the indexes that have to be made anew, and on SQLite those of expressions that Alembic does
    not compare; drop those that Alembic would make anew and the database takes for the same. ``is_compared`` says
    whether env.py lets an index through; its second argument is whether it is the database's."""
    models = {str(index.name): index for index in pair.model.indexes}
    there, wanted = pair.there.indexes, pair.wanted.indexes
    same = {name for name in there.keys() & wanted.keys() if _form(there[name]) == _form(wanted[name])}
    about = (ops.CreateIndexOp, ops.DropIndexOp)
    change.ops = [each for each in change.ops if not isinstance(each, about) or str(each.index_name) not in same]
    known = {str(each.index_name) for each in change.ops if isinstance(each, about)}
    dropped: list[ops.MigrateOperation] = []
    added: list[ops.MigrateOperation] = []
    for name in sorted({*there, *wanted} - known):
        old, new = there.get(name), wanted.get(name)
        if old is not None and new is not None:
            if name in same or not is_compared(models[name], False):
                continue
        elif dialect != "sqlite" or not _is_expression(old or new):
            continue
        if old is not None:
            create = _create(name, change, old, dialect)
            if new is None and not is_compared(create.to_index(), True):
                continue
            dropped.append(ops.DropIndexOp.from_index(create.to_index()))
        if new is not None and (old is not None or is_compared(models[name], False)):
            added.append(ops.CreateIndexOp.from_index(models[name]))
    change.ops = [*dropped, *change.ops, *added]


def add_to_tables(
    upgrade: ops.UpgradeOps,
    models: Mapping[Place, Table],
    there: Mapping[str, Mapping[str, IndexState]],
    *,
    is_compared: Callable[[Index, bool], bool],
) -> None:
    """Add the indexes of expressions to the tables of SQLite that ``upgrade`` creates, as ``models`` have them, and to
    those that it drops, as they are ``there``: Alembic leaves them out."""
    changes = [each for each in upgrade.ops if isinstance(each, ops.ModifyTableOps)]
    known = {str(each.index_name) for change in changes for each in change.ops if isinstance(each, ops.CreateIndexOp)}
    completed: list[ops.MigrateOperation] = []
    for each in upgrade.ops:
        if isinstance(each, ops.DropTableOp):
            change = ops.ModifyTableOps(each.table_name, [])
            for name, index in sorted(there.get(each.table_name, {}).items()):
                if _is_expression(index):
                    creation = _create(name, change, index, "sqlite")
                    change.ops.append(ops.DropIndexOp.from_index(creation.to_index()))
            completed += [change] if change.ops else []
        completed.append(each)
        model = models.get((each.schema, each.table_name)) if isinstance(each, ops.CreateTableOp) else None
        if model is not None:
            missing = {str(index.name): index for index in model.indexes if index.name is not None}
            creations = [
                ops.CreateIndexOp.from_index(index)
                for name, index in sorted(missing.items())
                if name not in known and is_compared(index, False)
            ]
            completed += [ops.ModifyTableOps(model.name, creations)] if creations else []
    upgrade.ops = completed


def _form(index: IndexState) -> tuple[object, ...]:
    return (
        index.unique,
        tuple(form(part) for part in index.parts),
        (index.method or "btree").lower(),
        tuple(form(part) for part in index.include),
        form(index.where),
        form(index.options),
        index.nulls_not_distinct,
    )


def _is_expression(index: IndexState | None) -> bool:
    return index is not None and any("(" in part for part in index.parts)


def _create(name: str, change: ops.ModifyTableOps, index: IndexState, dialect: str) -> ops.CreateIndexOp:
    """What makes ``index`` as the database has it."""
    options: dict[str, Any] = {}
    columns: list[Any] = []
    for part in index.parts:
        column = tokens(part)[0].name
        length = re.fullmatch(r"\S+ ?\((\d+)\)", part) if dialect in {"mysql", "mariadb"} else None
        if length:
            options.setdefault(f"{dialect}_length", {})[column] = int(length[1])
        columns.append(column if length or len(tokens(part)) == 1 else text(escape(part)))
    if index.where is not None:
        options[f"{dialect}_where"] = text(escape(index.where))
    if dialect == "postgresql":
        options |= {"postgresql_using": index.method} if index.method != "btree" else {}
        options |= {"postgresql_include": [tokens(each)[0].name for each in index.include]} if index.include else {}
        options |= {"postgresql_nulls_not_distinct": True} if index.nulls_not_distinct else {}
        if index.options:
            pairs = (each.partition("=") for each in index.options.split(","))
            options["postgresql_with"] = {key.strip(): value.strip("' ") for key, _, value in pairs}
    elif index.method in {"FULLTEXT", "SPATIAL"}:
        options[f"{dialect}_prefix"] = index.method
    elif index.method is not None:
        options[f"{dialect}_using"] = index.method
    return ops.CreateIndexOp(name, change.table_name, columns, schema=change.schema, unique=index.unique, **options)
