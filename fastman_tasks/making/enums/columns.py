"""What the operations of a migration do to columns that have an enum type of PostgreSQL."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, DefaultClause, Table, types
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

from fastman_tasks.making.changes import flat
from fastman_tasks.making.constraints.naming import lets_through
from fastman_tasks.making.enums.catalog import Dependent, ExistingEnum
from fastman_tasks.making.enums.types import ARRAY, ENUM, EnumType, enum_of, for_operation, resolve
from fastman_tasks.making.sql.text import literal


def compared_tables(context: MigrationContext, default_schema: str | None) -> Iterator[Table]:
    """The models' tables that env.py lets Alembic compare."""
    comparison = AutogenContext(context, autogenerate=False)
    for table in comparison.table_key_to_table.values():
        if lets_through(comparison, table, None if table.schema == default_schema else table.schema):
            yield table


def renames_member(context: MigrationContext, flag: str) -> bool:
    """Whether what --rename says is about a member of one of the models' enums: ``mood.sad:unhappy``."""
    default_schema = context.dialect.default_schema_name
    for table in compared_tables(context, default_schema):
        for column in table.columns:
            kind = resolve(column.type, context.dialect)
            kind = resolve(kind.item_type, context.dialect) if isinstance(kind, types.ARRAY) else kind
            if not isinstance(kind, types.Enum) or flag.partition(":")[2] not in kind.enums:
                continue
            of_type = enum_of(kind, context.dialect, default_schema)
            labels = [f"{table.fullname}.{column.name}", *([of_type.label] if of_type else [])]
            if any(flag.startswith(f"{label}.") for label in labels):
                return True
    return False


def find_types(operations: ops.OpContainer, dialect: Dialect, default_schema: str | None) -> list[EnumType]:
    """The enum types of the columns that ``operations`` make or change, in order."""
    found: dict[tuple[str | None, str], EnumType] = {}
    for each in flat(operations):
        types: list[TypeEngine[Any]] = []
        if isinstance(each, ops.CreateTableOp):
            types = [column.type for column in each.columns if isinstance(column, Column)]
        elif isinstance(each, ops.AddColumnOp):
            types = [each.column.type]
        elif isinstance(each, ops.AlterColumnOp) and each.modify_type is not None:
            types = [each.modify_type]
        for type_ in types:
            if (kind := enum_of(type_, dialect, default_schema)) is not None:
                found.setdefault(kind.key, kind)
    return list(found.values())


def find_remaining(
    operations: ops.OpContainer, existing: ExistingEnum, dialect: Dialect, default_schema: str | None
) -> set[tuple[str | None, str, str]]:
    """The columns that have the ``existing`` type after ``operations``."""
    places = {column.place for column in existing.columns}

    def add(schema: str | None, table: str, column: Column[Any] | str, type_: TypeEngine[Any]) -> None:
        kind = enum_of(type_, dialect, default_schema)
        if kind is not None and kind.key == existing.type.key:
            places.add((schema, table, str(getattr(column, "name", column))))

    for each in flat(operations):
        match each:
            case ops.DropTableOp():
                places -= {place for place in places if place[:2] == (each.schema, each.table_name)}
            case ops.DropColumnOp():
                places.discard((each.schema, each.table_name, str(each.column_name)))
            case ops.RenameTableOp():
                moved = {place for place in places if place[:2] == (each.schema, each.table_name)}
                places = (places - moved) | {(schema, each.new_table_name, column) for schema, _, column in moved}
            case ops.CreateTableOp():
                for column in each.columns:
                    if isinstance(column, Column):
                        add(each.schema, each.table_name, column, column.type)
            case ops.AddColumnOp():
                add(each.schema, each.table_name, each.column, each.column.type)
            case ops.AlterColumnOp():
                place = place_of(each)
                name = str(each.modify_name or each.column_name)
                if each.modify_type is not None:
                    places.discard(place)
                    add(each.schema, each.table_name, name, each.modify_type)
                elif place in places:
                    places = (places - {place}) | {(each.schema, each.table_name, name)}
    return places


def alterations(operations: ops.OpContainer) -> list[tuple[ops.OpContainer, ops.AlterColumnOp]]:
    """Each change of a column, with the container in which it stands."""
    found: list[tuple[ops.OpContainer, ops.AlterColumnOp]] = []
    for each in operations.ops:
        if isinstance(each, ops.OpContainer):
            found += alterations(each)
        elif isinstance(each, ops.AlterColumnOp):
            found.append((operations, each))
    return found


def place_of(alter: ops.AlterColumnOp) -> tuple[str | None, str, str]:
    """The schema, table and name of the column that ``alter`` changes."""
    return alter.schema, alter.table_name, str(alter.column_name)


def drop_empty(container: ops.OpContainer) -> None:
    """Take the changes of columns out of ``container`` that change nothing any more."""
    container.ops = [each for each in container.ops if not isinstance(each, ops.AlterColumnOp) or each.has_changes()]


def take_drop(operations: ops.OpContainer, dependent: Dependent) -> bool:
    """Take what drops ``dependent`` out of ``operations``; returns whether there was such an operation."""
    return _take(operations, dependent, ops.DropIndexOp if dependent.is_index else ops.DropConstraintOp)


def take_creation(operations: ops.OpContainer, dependent: Dependent) -> bool:
    """Take what makes ``dependent`` out of ``operations``; returns whether there was such an operation."""
    return _take(operations, dependent, ops.CreateIndexOp if dependent.is_index else ops.CreateCheckConstraintOp)


def _take(operations: ops.OpContainer, dependent: Dependent, kind: type[Any]) -> bool:
    found = False
    kept = []
    for each in operations.ops:
        if isinstance(each, ops.OpContainer):
            found |= _take(each, dependent, kind)
        elif isinstance(each, kind):
            name = each.index_name if dependent.is_index else each.constraint_name
            if (each.schema, each.table_name, str(name)) == dependent.place[:3]:
                found = True
                continue
        kept.append(each)
    operations.ops = kept
    return found


def default_sql(default: Any, dialect: Dialect) -> str | None:
    """The server default as SQL."""
    if isinstance(default, DefaultClause):
        default = default.arg
    if default is None or default is False:
        return None
    if isinstance(default, str):
        return literal(default)
    plain = type(dialect)(paramstyle="named")  # type: ignore[call-arg]
    return str(default.compile(dialect=plain, compile_kwargs={"literal_binds": True}))


def write_types(operations: ops.OpContainer, dialect: Dialect) -> None:
    """Have ``operations`` write enum types as types that are there: they are created by statements of their own."""
    for each in flat(operations):
        if isinstance(each, ops.CreateTableOp):
            for column in each.columns:
                if isinstance(column, Column):
                    column.type = for_operation(column.type, dialect)
        elif isinstance(each, ops.AddColumnOp):
            each.column = with_type(each.column, for_operation(each.column.type, dialect))
        elif isinstance(each, ops.AlterColumnOp):
            if each.modify_type is not None:
                each.modify_type = for_operation(each.modify_type, dialect)
            if each.existing_type is not None:
                each.existing_type = for_operation(each.existing_type, dialect)


def with_type(column: Column[Any], type_: TypeEngine[Any]) -> Column[Any]:
    """A column like ``column``, which may be the model's, for an operation; what is in it is shared."""
    found = copy.copy(column)
    found.type = type_
    return found


def written_types(operations: ops.OpContainer) -> Iterator[TypeEngine[Any]]:
    """The enum types that ``operations`` write."""
    for each in flat(operations):
        types: list[Any] = [column.type for column in getattr(each, "columns", ()) if isinstance(column, Column)]
        types += [column.type for column in (getattr(each, "column", None),) if isinstance(column, Column)]
        types += [getattr(each, name, None) for name in ("modify_type", "existing_type", "type")]
        yield from (type_ for type_ in types if isinstance(type_, ENUM | ARRAY))
