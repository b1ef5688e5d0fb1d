"""Columns that change from or to an enum type of PostgreSQL, which does not convert them by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

from alembic.operations import ops
from sqlalchemy import Connection, String

from fastman_tasks.errors import MigrationRefused
from fastman_tasks.making.enums import columns, rows
from fastman_tasks.making.enums.catalog import Catalog, Dependent, EnumColumn
from fastman_tasks.making.enums.operations import ConvertColumnOp, Side
from fastman_tasks.making.enums.sql import without_cast
from fastman_tasks.making.enums.types import enum_of, for_operation, is_array, resolve
from fastman_tasks.making.sql.text import qualify

_Dependents: TypeAlias = "tuple[Dependent, ...]"


def convert(upgrade: ops.OpContainer, downgrade: ops.OpContainer, connection: Connection, catalog: Catalog) -> None:
    """Replace, in both directions of a migration, each change of a column's type from or to an enum type.

    A ConvertColumnOp stands by itself, between the changes of its table before and after it. Raises MigrationRefused
    where rows have other values than the enum, and for views and the like that depend on the column.
    """
    conversion = _Conversion(connection, catalog)
    around: dict[tuple[str | None, str, str], tuple[_Dependents, _Dependents]] = {}
    for _, alter in conversion.find(upgrade):
        column = conversion.check_column(alter)
        there = catalog.dependents([column])
        taken = [each for each in there if columns.take_drop(upgrade, each)]
        for each in taken:
            columns.take_creation(downgrade, each)
        stays = tuple(each for each in there if each not in taken)
        around[column.place] = there, conversion.without_casts(alter, stays)
    made = {id(alter): conversion.make(alter, *around[columns.place_of(alter)])
            for _, alter in conversion.find(upgrade)}  # fmt: skip
    for _, alter in conversion.find(downgrade):
        before, after = around.get(columns.place_of(alter), ((), ()))
        made[id(alter)] = conversion.make(alter, after, before)
    for operations in (upgrade, downgrade):
        _put(operations, made)


def _put(operations: ops.OpContainer, made: dict[int, ConvertColumnOp]) -> None:
    kept: list[ops.MigrateOperation] = []
    for each in operations.ops:
        if not isinstance(each, ops.ModifyTableOps) or not any(id(change) in made for change in each.ops):
            kept.append(each)
            continue
        part: list[ops.MigrateOperation] = []
        for change in each.ops:
            if isinstance(change, ops.AlterColumnOp) and id(change) in made:
                kept += [ops.ModifyTableOps(each.table_name, part, schema=each.schema)] if part else []
                kept.append(made[id(change)])
                part = []
                change.modify_type, change.modify_server_default = None, False
                if not change.has_changes():
                    continue
            part.append(change)
        kept += [ops.ModifyTableOps(each.table_name, part, schema=each.schema)] if part else []
    operations.ops = kept


class _Conversion:
    def __init__(self, connection: Connection, catalog: Catalog) -> None:
        self._connection, self._dialect, self._catalog = connection, connection.dialect, catalog

    def find(self, operations: ops.OpContainer) -> list[tuple[ops.OpContainer, ops.AlterColumnOp]]:
        """The changes of a column from or to an enum type."""
        schema = self._catalog.default_schema
        return [
            (container, alter)
            for container, alter in columns.alterations(operations)
            if alter.modify_type is not None
            and alter.existing_type is not None
            and any(enum_of(each, self._dialect, schema) for each in (alter.modify_type, alter.existing_type))
        ]

    def check_column(self, alter: ops.AlterColumnOp) -> EnumColumn:
        """The column that ``alter`` changes. Raises MigrationRefused where it cannot become what it is to be."""
        assert alter.modify_type is not None and alter.existing_type is not None
        column = EnumColumn(*columns.place_of(alter), is_array(alter.existing_type, self._dialect))
        if (new := enum_of(alter.modify_type, self._dialect, self._catalog.default_schema)) is not None:
            rows.refuse_strange(self._connection, column.place, new.members, is_array=column.is_array)
        if hindrances := self._catalog.hindrances(None, [column]):
            raise MigrationRefused(
                f"The type of {'.'.join(filter(None, column.place))} changes, and PostgreSQL does not change it under: "
                f"{', '.join(hindrances)}. Nothing was written.\n"
                "Drop that in a migration before this one, made with --empty, and create it again in one after it."
            )
        return column

    def without_casts(self, alter: ops.AlterColumnOp, dependents: _Dependents) -> _Dependents:
        """``dependents`` without casts to the enum type that the column had."""
        assert alter.existing_type is not None
        old = enum_of(alter.existing_type, self._dialect, self._catalog.default_schema)
        if old is None:
            return dependents
        cast = f"::{qualify(self._dialect, *old.key)}"
        return tuple(replace(each, definition=each.definition.replace(cast, "")) for each in dependents)

    def make(self, alter: ops.AlterColumnOp, before: _Dependents, after: _Dependents) -> ConvertColumnOp:
        """The operation in place of the type's and the default's part of ``alter``."""
        assert alter.modify_type is not None and alter.existing_type is not None
        dialect = self._dialect
        column = EnumColumn(*columns.place_of(alter), is_array(alter.existing_type, dialect))
        old = columns.default_sql(alter.existing_server_default, dialect)
        new = without_cast(old)
        if alter.modify_server_default is not False:
            new = columns.default_sql(alter.modify_server_default, dialect)
        items = "[]" if column.is_array else ""
        source = f"{dialect.identifier_preparer.quote(column.name)}::text{items}"
        target = resolve(alter.modify_type, dialect)
        # An explicit cast would cut what is too long.
        is_text = isinstance(target, String) and not enum_of(target, dialect, self._catalog.default_schema)
        return ConvertColumnOp(
            dialect,
            Side((), (replace(column, default=old),), before),
            Side((), (replace(column, default=new),), after),
            for_operation(alter.modify_type, dialect),
            source if is_text else f"{source}::{target.compile(dialect=dialect)}",
            f"change column {'.'.join(filter(None, column.place))} (type)",
        )
