"""Indexes and unique constraints whose names follow a renamed table or column."""

from __future__ import annotations

from typing import Any

from alembic.operations import ops
from sqlalchemy import Constraint, Index, Table, UniqueConstraint
from sqlalchemy.engine import Dialect

from fastman_tasks.making.sql.text import escape


class RenameKeyOp(ops.ExecuteSQLOp):
    """Renames an index or a constraint, by a statement of the database's own: Alembic has no such operation."""

    def __init__(self, statement: str, back: str) -> None:
        super().__init__(escape(statement))
        self._statement, self._back = statement, back

    def reverse(self) -> RenameKeyOp:
        """The same with the names exchanged."""
        return RenameKeyOp(self._back, self._statement)


def take_out(upgrade: ops.UpgradeOps, dialect: Dialect) -> list[RenameKeyOp]:
    """Takes what ``upgrade`` drops and makes again under another name out of it; returns the operations that rename it.

    So nothing is built anew, and foreign keys may go on needing it. SQLite cannot rename them.
    """
    if dialect.name == "sqlite":
        return []
    renames: list[RenameKeyOp] = []
    for change in upgrade.ops:
        if not isinstance(change, ops.ModifyTableOps):
            continue
        dropped = {id(each): key for each in change.ops if (key := _dropped_key(each)) is not None}
        for added in list(change.ops):
            key = _added_key(added)
            if key is None or key.name is None:
                continue
            old = next((each for each, found in dropped.items() if _is_same(dialect, found, key)), None)
            if old is not None:
                renames.append(_rename(dialect, dropped.pop(old), str(key.name)))
                change.ops = [each for each in change.ops if each is not added and id(each) != old]
    upgrade.ops = [each for each in upgrade.ops if not isinstance(each, ops.ModifyTableOps) or each.ops]
    return renames


def _dropped_key(operation: ops.MigrateOperation) -> Index | UniqueConstraint | None:
    if isinstance(operation, ops.DropIndexOp):
        return operation.to_index()
    return _unique(operation.to_constraint()) if isinstance(operation, ops.DropConstraintOp) else None


def _added_key(operation: ops.MigrateOperation) -> Index | UniqueConstraint | None:
    if isinstance(operation, ops.CreateIndexOp):
        return operation.to_index()
    return _unique(operation.to_constraint()) if isinstance(operation, ops.CreateUniqueConstraintOp) else None


def _unique(constraint: Constraint) -> UniqueConstraint | None:
    return constraint if isinstance(constraint, UniqueConstraint) and constraint.name else None


def _is_same(dialect: Dialect, one: Index | UniqueConstraint, other: Index | UniqueConstraint) -> bool:
    # For MySQL a unique constraint is a unique index.
    kinds = dialect.name != "postgresql" or type(one) is type(other)
    return kinds and _signature(one) == _signature(other)


def _signature(key: Index | UniqueConstraint) -> tuple[Any, ...]:
    parts = key.expressions if isinstance(key, Index) else key.columns
    said = {name: str(value) for name, value in key.dialect_kwargs.items() if value}
    more = (None, None) if isinstance(key, Index) else (key.deferrable, key.initially)
    return [getattr(each, "name", None) or str(each) for each in parts], said, getattr(key, "unique", True), *more


def _rename(dialect: Dialect, key: Index | UniqueConstraint, new: str) -> RenameKeyOp:
    quoted = dialect.identifier_preparer
    table: Table = key.table  # type: ignore[assignment]
    place, names = quoted.format_table(table), (quoted.quote(str(key.name)), quoted.quote(new))

    def statement(old: str, new: str) -> str:
        if dialect.name != "postgresql":
            return f"ALTER TABLE {place} RENAME INDEX {old} TO {new}"
        if isinstance(key, UniqueConstraint):
            return f"ALTER TABLE {place} RENAME CONSTRAINT {old} TO {new}"
        schema = f"{quoted.quote(table.schema)}." if table.schema else ""
        return f"ALTER INDEX {schema}{old} RENAME TO {new}"

    return RenameKeyOp(statement(*names), statement(*reversed(names)))
