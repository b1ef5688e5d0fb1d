"""Foreign keys that MySQL and MariaDB want out of the way before an index is dropped or a type changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from alembic.operations import ops
from sqlalchemy import Column, ForeignKeyConstraint, Integer, MetaData, Table, UniqueConstraint, inspect
from sqlalchemy.sql.elements import conv

from fastman_tasks.making.constraints.existing import Existing
from fastman_tasks.making.constraints.mysql_indexes import DropKeyIndexOp

Place: TypeAlias = "tuple[str | None, str]"


@dataclass(frozen=True)
class _Side:
    """Columns of a table that a foreign key ties to others."""

    place: Place
    columns: tuple[str, ...]


class KeptKeys:
    """The foreign keys that the database has, and that ``upgrade`` does not drop."""

    def __init__(self, existing: Existing, upgrade: ops.UpgradeOps, places: list[Place]) -> None:
        self._inspector = inspect(existing.connection)
        self._places = places
        self._dropped = {
            (each.schema, each.table_name, each.constraint_name if isinstance(each, ops.DropConstraintOp)
             else each.index_name)
            for each in _changes(upgrade) if isinstance(each, ops.DropConstraintOp | ops.DropIndexOp)
        }  # fmt: skip

    def move_aside(self, operations: ops.OpContainer) -> None:
        """Drop each key that forbids one of ``operations``, one direction of a migration, before all of them, and add
        it again after them.

        An index that a key needs cannot be dropped, and the type of its columns cannot change, on neither side.
        """
        first: list[ops.MigrateOperation] = []
        last: list[ops.MigrateOperation] = []
        indexes, columns = set(_dropped_indexes(operations)), set(_converted_columns(operations))
        for schema, table in self._places if indexes or columns else []:
            for found in self._inspector.get_foreign_keys(table, schema):
                if (schema, table, found["name"]) in self._dropped:
                    continue
                sides = (
                    _Side((schema, table), tuple(found["constrained_columns"])),
                    _Side((found["referred_schema"], found["referred_table"]), tuple(found["referred_columns"])),
                )
                if any(self._is_tied(side, indexes, columns) for side in sides):
                    key = _constraint(*sides, found)
                    drop, add = ops.DropConstraintOp.from_constraint(key), ops.CreateForeignKeyOp.from_constraint(key)
                    first.append(ops.ModifyTableOps(table, [drop], schema=schema))
                    last.append(ops.ModifyTableOps(table, [add], schema=schema))
        operations.ops = [*first, *operations.ops, *last]

    def _is_tied(self, side: _Side, indexes: set[_Side], columns: set[_Side]) -> bool:
        if any(each.place == side.place and each.columns[0] in side.columns for each in columns):
            return True
        return any(_serves(each, side) for each in indexes) and not any(
            _serves(each, side) for each in self._kept_indexes(side)
        )

    def _kept_indexes(self, side: _Side) -> Iterator[_Side]:
        schema, table = side.place
        yield _Side(side.place, tuple(self._inspector.get_pk_constraint(table, schema)["constrained_columns"]))
        # One that came with a key goes by itself as soon as there is another.
        implied = {key["name"] for key in self._inspector.get_foreign_keys(table, schema)} | {side.columns[0]}
        for index in self._inspector.get_indexes(table, schema):
            if index["name"] not in implied and (schema, table, index["name"]) not in self._dropped:
                yield _Side(side.place, tuple(filter(None, index["column_names"])))


def keys_outside(operations: ops.OpContainer) -> None:
    """Have ``operations`` drop foreign keys before all else, and add them after all else."""
    first: list[ops.MigrateOperation] = []
    last: list[ops.MigrateOperation] = []
    for change in operations.ops:
        if isinstance(change, ops.ModifyTableOps):
            drops = [each for each in change.ops if _drops_key(each)]
            adds = [each for each in change.ops if isinstance(each, ops.CreateForeignKeyOp)]
            change.ops = [each for each in change.ops if each not in (*drops, *adds)]
            for keys, place in ((drops, first), (adds, last)):
                if keys:
                    place.append(ops.ModifyTableOps(change.table_name, keys, schema=change.schema))
    rest = [each for each in operations.ops if not isinstance(each, ops.ModifyTableOps) or each.ops]
    operations.ops = [*first, *rest, *last]


def _drops_key(operation: ops.MigrateOperation) -> bool:
    return isinstance(operation, ops.DropConstraintOp) and operation.constraint_type == "foreignkey"


def _serves(index: _Side, side: _Side) -> bool:
    return index.place == side.place and index.columns[: len(side.columns)] == side.columns


def _changes(operations: ops.OpContainer) -> Iterator[Any]:
    for change in operations.ops:
        if isinstance(change, ops.ModifyTableOps):
            yield from change.ops


def _dropped_indexes(operations: ops.OpContainer) -> Iterator[_Side]:
    for each in _changes(operations):
        if isinstance(each, ops.DropIndexOp) and not isinstance(each, DropKeyIndexOp):
            yield _Side((each.schema, str(each.table_name)), tuple(each.to_index().columns.keys()))
        elif isinstance(each, ops.DropConstraintOp) and each.constraint_type == "unique":
            constraint = each.to_constraint()
            assert isinstance(constraint, UniqueConstraint)
            yield _Side((each.schema, each.table_name), tuple(constraint.columns.keys()))


def _converted_columns(operations: ops.OpContainer) -> Iterator[_Side]:
    for each in _changes(operations):
        if isinstance(each, ops.AlterColumnOp) and each.modify_type is not None:
            yield _Side((each.schema, each.table_name), (each.column_name,))


def _constraint(own: _Side, referred: _Side, found: Any) -> ForeignKeyConstraint:
    """The key as a constraint of a table that has what the key is about."""
    metadata = MetaData()
    for schema, name in {own.place, referred.place}:
        columns = {each: None for side in (own, referred) if side.place == (schema, name) for each in side.columns}
        Table(name, metadata, *(Column(each, Integer) for each in columns), schema=schema)
    tables = {(table.schema, table.name): table for table in metadata.tables.values()}
    other = tables[referred.place]
    key = ForeignKeyConstraint(
        own.columns, [other.columns[each] for each in referred.columns], name=conv(found["name"]), **found["options"]
    )
    tables[own.place].append_constraint(key)
    return key
