"""Operations for what a message asks for, checked against the tables that exist. Reads the database only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    DateTime,
    DefaultClause,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    TextClause,
    func,
    inspect,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from fastman_tasks.making.enum_types import ENUM
from fastman_tasks.making.sql_text import written_text
from fastman_tasks.names import Meaning


@dataclass(frozen=True)
class Body:
    """What a skeleton does, both ways; ``note`` says why it does nothing."""

    upgrade: Sequence[ops.MigrateOperation] = ()
    downgrade: Sequence[ops.MigrateOperation] = ()
    note: str | None = None


def body(meaning: Meaning, connection: Connection) -> Body:
    """Operations that carry out ``meaning``, and take it back, on the tables that are there now."""
    return _Writer(meaning, connection).write()


class _Unfit(Exception):
    """The meaning does not fit the database; the text becomes the note."""


@dataclass
class _Writer:
    meaning: Meaning
    connection: Connection
    table: str = field(init=False)

    def __post_init__(self) -> None:
        self.table = self.meaning.table or ""
        self._inspector = inspect(self.connection)
        self._tables = set(self._inspector.get_table_names())

    def write(self) -> Body:
        writers: dict[str, Callable[[], Body]] = {
            "create_table": self._create_table,
            "drop_table": self._drop_table,
            "rename_table": self._rename_table,
            "add_column": self._add_columns,
            "drop_column": self._drop_columns,
            "rename_column": self._rename_column,
            "create_index": self._create_index,
            "drop_index": self._drop_index,
        }
        try:
            self._check_lengths()
            return writers[self.meaning.kind]()
        except _Unfit as reason:
            return Body(note=str(reason))

    def _check_lengths(self) -> None:
        # SQLAlchemy has the 255 characters of an alias for MySQL's limit.
        longest = min(self.connection.dialect.max_identifier_length, 64 if self._is_mysql else 9999)
        for name in (self.table, *self.meaning.columns, self.meaning.new or ""):
            if len(name) > longest:
                raise _Unfit(f"{name} is longer than the {longest} characters that this database takes for a name")

    def _create_table(self) -> Body:
        if self.table in self._tables:
            raise _Unfit(f"the table {self.table} exists already")
        table = Table(
            self.table,
            MetaData(),
            Column("id", Integer, primary_key=True),
            Column("created_at", DateTime, server_default=func.current_timestamp(), nullable=False),
        )
        create = ops.CreateTableOp.from_table(table)
        return Body([create], [create.reverse()])

    def _drop_table(self) -> Body:
        table = self._reflected()
        users = sorted(
            other
            for other in self._tables - {self.table}
            for key in self._inspector.get_foreign_keys(other)
            if key["referred_table"] == self.table
        )
        if users:
            raise _Unfit(f"{', '.join(users)} refer to the table {self.table}")
        drop = ops.DropTableOp.from_table(table)
        # MySQL makes an index of its own for a foreign key, by its name, together with the table.
        keys = {constraint.name for constraint in table.foreign_key_constraints}
        indexes = [index for index in table.indexes if index.name not in keys]
        return Body([drop], [drop.reverse(), *(ops.CreateIndexOp.from_index(index) for index in indexes)])

    def _rename_table(self) -> Body:
        new = str(self.meaning.new)
        self._reflected()
        if new in self._tables:
            raise _Unfit(f"the table {new} exists already")
        return Body([_RenameTable(self.table, new)], [_RenameTable(new, self.table)])

    def _add_columns(self) -> Body:
        existing = self._reflected().columns
        for name in self.meaning.columns:
            if name in existing:
                raise _Unfit(f"the column {self.table}.{name} exists already")
        added = [ops.AddColumnOp(self.table, Column(name, _type_for(name))) for name in self.meaning.columns]
        return self._modified(added, [ops.DropColumnOp(self.table, name) for name in reversed(self.meaning.columns)])

    def _drop_columns(self) -> Body:
        table = self._reflected()
        dropped = [ops.DropColumnOp.from_column_and_tablename(None, self.table, self._free(table, name))
                   for name in self.meaning.columns]  # fmt: skip
        return self._modified(dropped, [drop.reverse() for drop in reversed(dropped)])

    def _rename_column(self) -> Body:
        table, new = self._reflected(), str(self.meaning.new)
        column = self._column(table, self.meaning.columns[0])
        if new in table.columns:
            raise _Unfit(f"the column {self.table}.{new} exists already")

        def rename(old: str, name: str) -> ops.AlterColumnOp:
            return ops.AlterColumnOp(
                self.table,
                old,
                modify_name=name,
                # MySQL repeats the whole column to rename it.
                existing_type=column.type,
                existing_nullable=column.nullable,
                existing_server_default=column.server_default if column.server_default is not None else False,
            )

        return self._modified([rename(column.name, new)], [rename(new, column.name)])

    def _create_index(self) -> Body:
        table = self._reflected()
        indexed = {index.columns.keys()[0] for index in table.indexes}
        names = [
            column.name
            for column in table.columns
            if not column.primary_key and column.name not in indexed and self._can_be_indexed(column)
        ]
        if not names:
            raise _Unfit(f"no column of {self.table} is left that can be indexed")
        create = ops.CreateIndexOp.from_index(Index(f"ix_{self.table}_{names[0]}", table.columns[names[0]]))
        return Body([create], [create.reverse()])

    def _drop_index(self) -> Body:
        table = self._reflected()
        # MySQL keeps an index for every foreign key, and does not let go of it.
        keys = [tuple(constraint.column_keys) for constraint in table.foreign_key_constraints if self._is_mysql]
        indexes = sorted(
            (index for index in table.indexes if tuple(index.columns.keys()) not in keys),
            key=lambda index: str(index.name),
        )
        if len(indexes) != 1:
            names = ", ".join(str(index.name) for index in indexes) or "none"
            raise _Unfit(f"the table {self.table} has not one index to choose ({names})")
        drop = ops.DropIndexOp.from_index(indexes[0])
        return Body([drop], [drop.reverse()])

    def _modified(self, up: Sequence[ops.MigrateOperation], down: Sequence[ops.MigrateOperation]) -> Body:
        # In a ModifyTableOps Alembic renders batch operations where the environment asks for them (SQLite).
        return Body([ops.ModifyTableOps(self.table, up)], [ops.ModifyTableOps(self.table, down)])

    def _reflected(self) -> Table:
        if self.table not in self._tables:
            raise _Unfit(f"there is no table {self.table} in the database")
        table = Table(self.table, MetaData(), autoload_with=self.connection, resolve_fks=False)
        for column in table.columns:
            default = getattr(column.server_default, "arg", None)
            # PostgreSQL's SERIAL: the sequence comes and goes with the column.
            if str(default).startswith("nextval("):
                column.server_default = None
            elif isinstance(default, TextClause):
                column.server_default = DefaultClause(written_text(default.text))
            # PostgreSQL's enumerations stay when a table or a column goes.
            if isinstance(kind := column.type, postgresql.ENUM):
                column.type = ENUM(*kind.enums, name=kind.name, schema=kind.schema, create_type=False)
        return table

    @property
    def _is_mysql(self) -> bool:
        return self.connection.dialect.name in {"mysql", "mariadb"}

    def _can_be_indexed(self, column: Column[object]) -> bool:
        if isinstance(column.type, JSON):
            return False
        # MySQL indexes text and bytes of a known length only, up to 3072 bytes.
        length = getattr(column.type, "length", None)
        return not self._is_mysql or not isinstance(column.type, String | LargeBinary) or 0 < (length or 0) <= 768

    def _column(self, table: Table, name: str) -> Column[object]:
        if name not in table.columns:
            raise _Unfit(f"there is no column {self.table}.{name} in the database")
        return table.columns[name]

    def _free(self, table: Table, name: str) -> Column[object]:
        column = self._column(table, name)
        bound = [*table.indexes, *table.constraints]
        if any(name in item.columns for item in bound if hasattr(item, "columns")):
            raise _Unfit(f"the column {self.table}.{name} is part of a key, a constraint or an index")
        return column


class _RenameTable(ops.RenameTableOp):
    """Alembic carries this operation out, but does not know how to write it down."""


@renderers.dispatch_for(_RenameTable)
def _written(context: AutogenContext, operation: _RenameTable) -> str:
    prefix = context.opts["alembic_module_prefix"]
    return f"{prefix}rename_table({operation.table_name!r}, {operation.new_table_name!r})"


def _type_for(name: str) -> TypeEngine[Any]:
    if name.endswith("_id"):
        return Integer()
    if name.endswith("_at"):
        return DateTime()
    if name.startswith(("is_", "has_")):
        return Boolean()
    return String(255)
