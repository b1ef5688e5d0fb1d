"""What is in a database: its tables with their sizes, and one table with its columns, keys and indexes. Only reads."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, Literal

from sqlalchemy import Connection, inspect
from sqlalchemy.engine import Inspector
from sqlalchemy.exc import SAWarning

from fastman_tasks.databases.backends import choose

_OPTIONS = {"ondelete": "ON DELETE {}", "onupdate": "ON UPDATE {}", "deferrable": "DEFERRABLE"}


@dataclass(frozen=True)
class TableSize:
    """One table: its ``rows``, and the bytes of it and of its ``indexes``. None is what is not known.

    ``precision`` says how good the number of rows is. ``name`` is qualified in another schema than PostgreSQL's first.
    """

    name: str
    rows: int | None = None
    precision: Literal["exact", "estimate"] = "estimate"
    size: int | None = None
    indexes: int = 0
    index_size: int | None = None


@dataclass(frozen=True)
class Overview:
    """A database: ``server`` is "PostgreSQL 18.1", ``size`` its bytes."""

    server: str
    size: int | None
    tables: tuple[TableSize, ...]


@dataclass(frozen=True)
class Column:
    """One column: its ``type`` and ``default`` as the database writes them, and what else there is to say, such as
    "identity". ``migration`` is the one that made it, where the files tell."""

    name: str
    type: str
    nullable: bool
    default: str | None = None
    note: str = ""
    migration: str | None = None


@dataclass(frozen=True)
class ForeignKey:
    """The ``columns`` of ``table`` that refer to the ``referred`` columns of ``to``, with ``options`` such as
    "ON DELETE CASCADE"."""

    name: str | None
    table: str
    columns: tuple[str, ...]
    to: str
    referred: tuple[str, ...]
    options: str = ""


@dataclass(frozen=True)
class Index:
    """An index, or a unique constraint, of columns or expressions, each of which may be ``descending``; ``where`` is
    the condition of a partial one."""

    name: str | None
    columns: tuple[str, ...]
    unique: bool
    descending: tuple[bool, ...] = ()
    where: str | None = None


@dataclass(frozen=True)
class TableDetails:
    """One table. ``foreign_keys`` are its own, ``referring`` those of others, and of itself, to it."""

    name: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    indexes: tuple[Index, ...]
    checks: tuple[tuple[str | None, str], ...]
    foreign_keys: tuple[ForeignKey, ...]
    referring: tuple[ForeignKey, ...]
    rows: int | None = None
    precision: Literal["exact", "estimate", "at least"] = "exact"


def read(connection: Connection, *, counts: bool = False) -> Overview:
    """Returns what is in the database; with ``counts`` each row is counted. Raises UsageError for another kind of
    database than PostgreSQL, MySQL, MariaDB and SQLite."""
    found: Overview = _backend(connection).read(connection)
    if not counts:
        return found
    return replace(found, tables=tuple(_count(each, connection) for each in found.tables))


def read_table(connection: Connection, name: str, others: Collection[str]) -> TableDetails:
    """Returns the table ``name``, which exists, with the foreign keys of the ``others`` to it."""
    inspector, (schema, bare) = inspect(connection), split(name)
    indexes = list(_backend(connection).indexes(connection, schema, bare))
    known = {each.name for each in indexes}
    with warnings.catch_warnings():
        # Of an index that SQLAlchemy does not know how to read; it is read already.
        warnings.simplefilter("ignore", SAWarning)
        indexes += [
            Index(each["name"], tuple(each["column_names"]), True)
            for each in inspector.get_unique_constraints(bare, schema=schema)
            if each["name"] is None or each["name"] not in known
        ]
    keys = [key for other in others for key in _foreign_keys(inspector, other)]
    return TableDetails(
        name,
        tuple(_backend(connection).columns(connection, schema, bare)),
        tuple(inspector.get_pk_constraint(bare, schema=schema)["constrained_columns"]),
        tuple(sorted(indexes, key=lambda each: (not each.unique, each.name or ""))),
        tuple((each["name"], each["sqltext"]) for each in inspector.get_check_constraints(bare, schema=schema)),
        tuple(key for key in keys if key.table == name),
        tuple(key for key in keys if key.to == name),
    )


def split(name: str) -> tuple[str | None, str]:
    """Returns the schema, if ``name`` has one, and the table's name in it."""
    schema, _, bare = name.rpartition(".")
    return schema or None, bare


def quote(connection: Connection, name: str) -> str:
    """Returns the ``name`` of a table for SQL text that goes to the driver as it is."""
    preparer = connection.dialect.identifier_preparer
    quoted = ".".join(preparer.quote_identifier(part) for part in split(name) if part)
    return quoted.replace("%", "%%") if connection.dialect.paramstyle in ("format", "pyformat") else quoted


def _count(table: TableSize, connection: Connection) -> TableSize:
    rows = connection.exec_driver_sql(f"SELECT count(*) FROM {quote(connection, table.name)}").scalar_one()
    return replace(table, rows=rows, precision="exact")


def _foreign_keys(inspector: Inspector, table: str) -> Iterator[ForeignKey]:
    schema, bare = split(table)
    for each in inspector.get_foreign_keys(bare, schema=schema):
        of: Any = each.get("referred_schema")
        said = sorted((key, value) for key, value in each.get("options", {}).items() if value)
        options = " ".join(_OPTIONS.get(key, f"{key.upper()} {{}}").format(value) for key, value in said)
        to = f"{of}.{each['referred_table']}" if of else each["referred_table"]
        columns, referred = tuple(each["constrained_columns"]), tuple(each["referred_columns"])
        yield ForeignKey(each["name"], table, columns, to, referred, options)


def _backend(connection: Connection) -> ModuleType:
    return choose(__name__, connection.dialect.name, "be shown")
