"""PostgreSQL's sequences that columns take their numbers from: Alembic creates none, nor writes what asks them."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator
from typing import Any

from alembic.operations import ops
from sqlalchemy import Column, Connection, DefaultClause, Dialect, Sequence, Table, TextClause, inspect, text
from sqlalchemy.schema import CreateSequence, DropSequence
from sqlalchemy.sql.functions import next_value

from fastman_tasks.making.changes import flat
from fastman_tasks.making.schemas import SchemaOp
from fastman_tasks.making.sql.statements import StatementsOp

_NEXT = re.compile(r"\bnextval\s*\(\s*'((?:[^']|'')+)'", re.IGNORECASE)
_PART = re.compile(r'"(?P<quoted>(?:[^"]|"")+)"|(?P<plain>[^."]+)')


def create(upgrade: ops.UpgradeOps, tables: Iterable[Table], connection: Connection) -> None:
    """Have ``upgrade`` create the sequences of the models' ``tables`` that are missing, before all tables."""
    _create(upgrade, columns_of(tables), connection, exist=False)


def create_existing(upgrade: ops.UpgradeOps, tables: Iterable[Table], connection: Connection) -> None:
    """Have ``upgrade``, which creates what there is, create the sequences of its tables and of ``tables``, too."""
    creations = [each for each in flat(upgrade) if isinstance(each, ops.CreateTableOp)]
    columns = [item for each in creations for item in each.columns if isinstance(item, Column)]
    _create(upgrade, [*columns, *columns_of(tables)], connection, exist=True)


def _create(upgrade: ops.UpgradeOps, columns: Iterable[Column[Any]], connection: Connection, *, exist: bool) -> None:
    if connection.dialect.name != "postgresql":
        return
    inspector = inspect(connection)
    found = [
        StatementsOp(
            f"create sequence {name}",
            [str(CreateSequence(each).compile(dialect=connection.dialect))],
            [str(DropSequence(each).compile(dialect=connection.dialect))],
        )
        for name, each in sorted(find(columns).items())
        if inspector.has_sequence(str(each.name), schema=each.schema) is exist
    ]
    at = sum(isinstance(each, SchemaOp) for each in upgrade.ops)
    upgrade.ops[at:at] = found


def create_temporary(tables: Iterable[Table], connection: Connection) -> None:
    """Create temporary sequences in place of those of ``tables`` that are missing, so that their defaults can be."""
    inspector = inspect(connection)
    quote = connection.dialect.identifier_preparer.quote
    for each in find(columns_of(tables)).values():
        if not each.schema and not inspector.has_sequence(str(each.name)):
            connection.execute(text(f"CREATE TEMPORARY SEQUENCE IF NOT EXISTS {quote(str(each.name))}"))


def columns_of(tables: Iterable[Table]) -> list[Column[Any]]:
    """The columns of ``tables``."""
    return [column for table in tables for column in table.columns]


def find(columns: Iterable[Column[Any]]) -> dict[str, Sequence]:
    """The sequences of ``columns``, by their names."""
    found: dict[str, Sequence] = {}
    for column in columns:
        for each in _of_column(column):
            name = ".".join(filter(None, (each.schema, str(each.name))))
            # One of the models says how it begins; a text only what it is called.
            if each.metadata is not None or name not in found:
                found[name] = each
    return found


def _of_column(column: Column[Any]) -> Iterator[Sequence]:
    if isinstance(column.default, Sequence):
        yield column.default
    arg = getattr(column.server_default, "arg", None)
    if isinstance(arg, next_value):
        yield arg.sequence
    elif isinstance(arg, TextClause) and (asked := _NEXT.search(arg.text)):
        parts = [each["plain"] or each["quoted"].replace('""', '"') for each in _PART.finditer(asked[1])]
        yield Sequence(parts[-1], schema=parts[-2] if len(parts) > 1 else None)


def write_defaults(operations: ops.OpContainer, dialect: Dialect) -> None:
    """Have ``operations``, in place, ask for the next number in the words of ``dialect``, where Alembic has none."""
    for each in flat(operations):
        if isinstance(each, ops.CreateTableOp):
            each.columns = [_written(item, dialect) if isinstance(item, Column) else item for item in each.columns]
        elif isinstance(each, ops.AddColumnOp):
            each.column = _written(each.column, dialect)
        elif isinstance(each, ops.AlterColumnOp):
            each.modify_server_default = _default(each.modify_server_default, dialect)
            each.existing_server_default = _default(each.existing_server_default, dialect)


def _written(column: Column[Any], dialect: Dialect) -> Column[Any]:
    default = _default(column.server_default, dialect)
    if default is not column.server_default:
        # A copy: this one may be the model's.
        column = copy.copy(column)
        column.server_default = default
    return column


def _default(default: Any, dialect: Dialect) -> Any:
    arg = getattr(default, "arg", None)
    return DefaultClause(text(str(arg.compile(dialect=dialect)))) if isinstance(arg, next_value) else default
