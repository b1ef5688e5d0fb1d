"""What Alembic's operations do, in words, and what the file that holds them has to import."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from alembic.operations import ops
from sqlalchemy import Column
from sqlalchemy.types import TypeEngine


@dataclass(frozen=True)
class Change:
    """One difference between models and database. ``is_drop``: data would be lost with it."""

    text: str
    is_drop: bool


def describe(operations: ops.OpContainer | None) -> tuple[Change, ...]:
    """Each operation in words: "create table users", "add column posts.email"."""
    return tuple(
        Change(_text(operation), isinstance(operation, ops.DropTableOp | ops.DropColumnOp))
        for operation in (flat(operations) if operations else ())
    )


def imports(operations: ops.OpContainer | None) -> set[str]:
    """The import lines for column types that are neither SQLAlchemy's nor Alembic's (SQLModel's, the project's own).

    Alembic writes such a type with its module's name and leaves the import to the user.
    """
    modules = {
        type(each).__module__ for operation in (flat(operations) if operations else ()) for each in _types(operation)
    }
    return {f"import {module}" for module in modules if module.partition(".")[0] not in {"sqlalchemy", "alembic"}}


def flat(operations: ops.OpContainer) -> Iterator[Any]:
    """The operations, those of containers too, in order."""
    for operation in operations.ops:
        if isinstance(operation, ops.OpContainer):
            yield from flat(operation)
        else:
            yield operation


def sort_drops(upgrade: ops.UpgradeOps) -> None:
    """Put what ``upgrade`` drops, which Alembic has out of a set, into an order that stays: tables before those that
    they refer to, otherwise by name."""
    drops = {_place(each): each for each in upgrade.ops if isinstance(each, ops.DropTableOp)}
    open_ = sorted(drops, key=str)
    referred = {place: _referred(drops[place]) - {place} for place in open_}
    order: list[tuple[str | None, str]] = []
    while open_:
        free = [place for place in open_ if not any(place in referred[other] for other in open_)]
        order.append(next(iter(free), open_[0]))
        open_.remove(order[-1])
    # The indexes of a dropped table are dropped beside it.
    parts = iter(
        sorted((each for each in upgrade.ops if _place(each) in drops), key=lambda each: order.index(_place(each)))
    )
    upgrade.ops = [next(parts) if _place(each) in drops else each for each in upgrade.ops]
    for change in upgrade.ops:
        if isinstance(change, ops.ModifyTableOps):
            dropped = [each for each in change.ops if isinstance(each, ops.DropColumnOp)]
            columns = iter(sorted(dropped, key=lambda each: each.column_name))
            change.ops = [next(columns) if isinstance(each, ops.DropColumnOp) else each for each in change.ops]


def _place(operation: ops.MigrateOperation) -> tuple[str | None, str]:
    return getattr(operation, "schema", None), getattr(operation, "table_name", "")


def _referred(drop: ops.DropTableOp) -> set[tuple[str | None, str]]:
    targets = [key.elements[0].target_fullname.split(".") for key in drop.to_table().foreign_key_constraints]
    return {(parts[-3] if len(parts) > 2 else None, parts[-2]) for parts in targets}


def _types(operation: Any) -> Iterator[TypeEngine[Any]]:
    for column in (*getattr(operation, "columns", ()), getattr(operation, "column", None)):
        if isinstance(column, Column):
            yield column.type
    for name in ("modify_type", "existing_type"):
        if isinstance(found := getattr(operation, name, None), TypeEngine):
            yield found


def _text(operation: Any) -> str:
    if says := getattr(operation, "says", None):
        return str(says)
    match operation:
        case ops.CreateTableOp() | ops.DropTableOp():
            verb = "create" if isinstance(operation, ops.CreateTableOp) else "drop"
            return f"{verb} table {_qualified(operation.schema, operation.table_name)}"
        case ops.AddColumnOp():
            return f"add column {_qualified(operation.schema, operation.table_name, operation.column.name)}"
        case ops.DropColumnOp():
            return f"drop column {_qualified(operation.schema, operation.table_name, operation.column_name)}"
        case ops.RenameTableOp():
            return f"rename table {_qualified(operation.schema, operation.table_name)} to {operation.new_table_name}"
        case ops.AlterColumnOp(modify_name=str(new)):
            return f"rename column {_qualified(operation.schema, operation.table_name, operation.column_name)} to {new}"
        case ops.AlterColumnOp():
            altered = [
                word
                for word, value, unset in (
                    ("type", operation.modify_type, None),
                    ("nullable", operation.modify_nullable, None),
                    ("default", operation.modify_server_default, False),
                    ("comment", operation.modify_comment, False),
                )
                if value is not unset
            ]
            name = _qualified(operation.schema, operation.table_name, operation.column_name)
            return f"change column {name} ({', '.join(altered)})"
        case ops.CreateIndexOp() | ops.DropIndexOp():
            verb = "create" if isinstance(operation, ops.CreateIndexOp) else "drop"
            return f"{verb} index {operation.index_name} on {_qualified(operation.schema, operation.table_name)}"
        case ops.AddConstraintOp() | ops.DropConstraintOp():
            verb = "drop" if isinstance(operation, ops.DropConstraintOp) else "add"
            table = getattr(operation, "table_name", None) or getattr(operation, "source_table", "")
            name = getattr(operation, "constraint_name", None) or "(unnamed)"
            return f"{verb} constraint {name} on {table}"
        case ops.ExecuteSQLOp():
            return f"run {operation.sqltext}"
        case ops.CreateTableCommentOp() | ops.DropTableCommentOp():
            return f"change table {_qualified(operation.schema, operation.table_name)} (comment)"
    return type(operation).__name__.removesuffix("Op")


def _qualified(*parts: str | None) -> str:
    return ".".join(str(part) for part in parts if part)
