"""Operations that rename a table or a column, and their way back. Alembic's own comparison makes none."""

from __future__ import annotations

from typing import Any

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from sqlalchemy import Column


class RenameColumnOp(ops.AlterColumnOp):
    """Renames a column and changes nothing else of it.

    It stands by itself, not in a ModifyTableOps: SQLite renames a column in place, and triggers, views, CHECKs and
    other tables' foreign keys follow. Its batch mode would make a new table.
    """

    @classmethod
    def of(cls, table: str, column: Column[Any], new: str, *, schema: str | None) -> RenameColumnOp:
        """Renames ``column``, as it is in the database, to ``new``."""
        return cls(
            table,
            column.name,
            schema=schema,
            modify_name=new,
            # MySQL repeats the whole column to rename it.
            existing_type=column.type,
            existing_nullable=column.nullable,
            existing_server_default=False if column.server_default is None else column.server_default,
            existing_comment=column.comment or None,
        )

    def reverse(self) -> RenameColumnOp:
        """The same with the names exchanged."""
        return RenameColumnOp(
            self.table_name,
            str(self.modify_name),
            schema=self.schema,
            modify_name=self.column_name,
            existing_type=self.existing_type,
            existing_nullable=self.existing_nullable,
            existing_server_default=self.existing_server_default,
            existing_comment=self.existing_comment,
        )


class RenameTableOp(ops.RenameTableOp):
    """Alembic carries this operation out, but can neither write it down nor reverse it."""

    def reverse(self) -> RenameTableOp:
        """The same with the names exchanged."""
        return RenameTableOp(self.new_table_name, self.table_name, schema=self.schema)


@renderers.dispatch_for(RenameTableOp)
def _render(context: AutogenContext, operation: RenameTableOp) -> str:
    arguments = [repr(str(operation.table_name)), repr(str(operation.new_table_name))]
    arguments += [f"schema={str(operation.schema)!r}"] if operation.schema else []
    return f"{context.opts['alembic_module_prefix']}rename_table({', '.join(arguments)})"
