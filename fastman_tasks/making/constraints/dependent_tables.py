"""The order of tables that refer to each other, where a database wants the other table to be there."""

from __future__ import annotations

from alembic.operations import ops
from sqlalchemy import ForeignKeyConstraint, Table


def drop_last(upgrade: ops.UpgradeOps) -> None:
    """Drop tables only after the foreign keys of other tables to them, where ``upgrade`` drops such keys.

    To be called before the downgrade is made, which then creates the tables first.
    """
    drops = {_place(each) for each in upgrade.ops if isinstance(each, ops.DropTableOp)}
    if _drops_keys_to(upgrade, drops):
        # The indexes of a dropped table are dropped beside it.
        last = [each for each in upgrade.ops if _place(each) in drops]
        upgrade.ops = [*(each for each in upgrade.ops if each not in last), *last]


def untangle(operations: ops.OpContainer) -> None:
    """Reorder ``operations``, one direction of a migration, whose constraints have names.

    A foreign key to a table that is created later, or that the models want added by itself (``use_alter``), is added
    when all tables are there. One to a table that is dropped earlier is dropped before all tables.
    """
    operations.ops = [*_keys_of_dropped(operations), *operations.ops, *_keys_of_created(operations)]


def _keys_of_created(operations: ops.OpContainer) -> list[ops.MigrateOperation]:
    """Takes the keys that cannot be made yet out of the tables, and returns the operations that add them."""
    creations = [each for each in operations.ops if isinstance(each, ops.CreateTableOp)]
    waiting = {_place(each) for each in creations}
    added: list[ops.MigrateOperation] = []
    for creation in creations:
        table = creation.to_table()
        waiting.remove(_place(creation))
        for key in _keys(table):
            if key.use_alter or _target(key) in waiting:
                creation.columns = [each for each in creation.columns if not _is(each, key)]
                added.append(ops.ModifyTableOps(table.name, [ops.CreateForeignKeyOp.from_constraint(key)],
                                                schema=table.schema))  # fmt: skip
    return added


def _keys_of_dropped(operations: ops.OpContainer) -> list[ops.MigrateOperation]:
    dropped: set[tuple[str | None, str]] = set()
    removed: list[ops.MigrateOperation] = []
    for operation in operations.ops:
        if isinstance(operation, ops.DropTableOp):
            table = operation.to_table()
            removed.extend(
                ops.ModifyTableOps(table.name, [ops.DropConstraintOp.from_constraint(key)], schema=table.schema)
                for key in _keys(table)
                if _target(key) in dropped
            )
            dropped.add((operation.schema, operation.table_name))
    return removed


def _drops_keys_to(operations: ops.OpContainer, dropped: set[tuple[str | None, str]]) -> bool:
    changes = [each for change in operations.ops if isinstance(change, ops.ModifyTableOps) for each in change.ops]
    keys = [each.to_constraint() for each in changes if isinstance(each, ops.DropConstraintOp)
            and each.constraint_type == "foreignkey"]  # fmt: skip
    return any(isinstance(key, ForeignKeyConstraint) and _target(key) in dropped for key in keys)


def _keys(table: Table) -> list[ForeignKeyConstraint]:
    return sorted(table.foreign_key_constraints, key=lambda key: str(key.name))


def _place(operation: ops.MigrateOperation) -> tuple[str | None, str]:
    return getattr(operation, "schema", None), getattr(operation, "table_name", "")


def _target(key: ForeignKeyConstraint) -> tuple[str | None, str]:
    schema, _, table = key.elements[0].target_fullname.rpartition(".")[0].rpartition(".")
    return schema or None, table


def _is(item: object, key: ForeignKeyConstraint) -> bool:
    return isinstance(item, ForeignKeyConstraint) and item.name == key.name
