"""Operations for what a message asks for, checked against the tables that exist. Reads the database only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    DateTime,
    Integer,
    MetaData,
    String,
    Table,
    func,
    inspect,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from fastman_tasks.databases.tables import HISTORY_TABLE
from fastman_tasks.errors import UsageError
from fastman_tasks.making import data_skeleton
from fastman_tasks.making.comparing.reflection import own_indexes, reflect
from fastman_tasks.making.enums.types import ENUM
from fastman_tasks.making.renaming.operations import RenameColumnOp, RenameTableOp
from fastman_tasks.names import Meaning, suggestion


@dataclass(frozen=True)
class Body:
    """What a skeleton does, both ways; ``note`` says why it does nothing."""

    upgrade: Sequence[ops.MigrateOperation] = ()
    downgrade: Sequence[ops.MigrateOperation] = ()
    note: str | None = None


def body(meaning: Meaning, connection: Connection) -> Body:
    """Operations that apply and revert ``meaning``, on the tables that exist now."""
    return _Writer(meaning, connection).write()


def require_table(table: str, context: MigrationContext) -> None:
    """Raises UsageError where the database has tables, but not ``table``."""
    there = inspect(context.bind).get_table_names() if context.bind else []
    known = [each for each in there if each not in (context.version_table, HISTORY_TABLE)]
    if known and table not in there:
        raise UsageError(f"There is no table {table} in the database. {suggestion(table, known)}")


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
            "index": self._explain_index,
            "data": self._change_data,
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
        table = self._reflect()
        users = sorted(
            other
            for other in self._tables - {self.table}
            for key in self._inspector.get_foreign_keys(other)
            if key["referred_table"] == self.table
        )
        if users:
            raise _Unfit(f"{', '.join(users)} refer to the table {self.table}")
        drop = ops.DropTableOp.from_table(table)
        return Body([drop], [drop.reverse(), *map(ops.CreateIndexOp.from_index, own_indexes(self.connection, table))])

    def _rename_table(self) -> Body:
        new = str(self.meaning.new)
        self._reflect()
        if new in self._tables:
            raise _Unfit(f"the table {new} exists already")
        rename = RenameTableOp(self.table, new)
        return Body([rename], [rename.reverse()])

    def _add_columns(self) -> Body:
        existing = self._reflect().columns
        for name in self.meaning.columns:
            if name in existing:
                raise _Unfit(f"the column {self.table}.{name} exists already")
        added = [ops.AddColumnOp(self.table, Column(name, _type_for(name))) for name in self.meaning.columns]
        return self._modify(added, [ops.DropColumnOp(self.table, name) for name in reversed(self.meaning.columns)])

    def _drop_columns(self) -> Body:
        table = self._reflect()
        dropped = [ops.DropColumnOp.from_column_and_tablename(None, self.table, self._free(table, name))
                   for name in self.meaning.columns]  # fmt: skip
        return self._modify(dropped, [drop.reverse() for drop in reversed(dropped)])

    def _explain_index(self) -> Body:
        column = next((each.name for each in self._reflect().columns if not each.primary_key), "name")
        name = f"ix_{self.table}_{column}"
        raise _Unfit(
            "the message does not say which columns the index has. For example: "
            f'op.create_index("{name}", "{self.table}", ["{column}"]), op.drop_index("{name}", "{self.table}")'
        )

    def _change_data(self) -> Body:
        table = self._reflect() if self.table in self._tables else None
        note = f"there is no table {self.table} in the database" if self.table and table is None else None
        return Body([data_skeleton.upgrade(table)], [data_skeleton.downgrade()], note)

    def _rename_column(self) -> Body:
        table, new = self._reflect(), str(self.meaning.new)
        column = self._column(table, self.meaning.columns[0])
        if new in table.columns:
            raise _Unfit(f"the column {self.table}.{new} exists already")

        rename = RenameColumnOp.of(self.table, column, new, schema=None)
        return Body([rename], [rename.reverse()])

    def _modify(self, up: Sequence[ops.MigrateOperation], down: Sequence[ops.MigrateOperation]) -> Body:
        # In a ModifyTableOps Alembic renders batch operations where the environment asks for them (SQLite).
        return Body([ops.ModifyTableOps(self.table, up)], [ops.ModifyTableOps(self.table, down)])

    def _reflect(self) -> Table:
        if self.table not in self._tables:
            raise _Unfit(f"there is no table {self.table} in the database")
        table = reflect(self.connection, self.table)
        for column in table.columns:
            # PostgreSQL's enumerations stay when a table or a column goes.
            if isinstance(kind := column.type, postgresql.ENUM):
                column.type = ENUM(*kind.enums, name=kind.name, schema=kind.schema, create_type=False)
        return table

    @property
    def _is_mysql(self) -> bool:
        return self.connection.dialect.name in {"mysql", "mariadb"}

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


def _type_for(name: str) -> TypeEngine[Any]:
    if name.endswith("_id"):
        return Integer()
    if name.endswith("_at"):
        return DateTime()
    if name.startswith(("is_", "has_")):
        return Boolean()
    return String(255)
