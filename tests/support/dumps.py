"""A whole database as one value: its schema, read in every way there is, and its rows; our history is left out."""

from __future__ import annotations

import re
import sqlite3
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from fastman_alembic import HISTORY_TABLE

_READERS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql", "sqlite": "sqlite"}

_SQLITE_INDEXES = "SELECT name, sql FROM sqlite_master WHERE type = 'index'"
#: What reflection does not tell of PostgreSQL: validity of indexes and constraints, sequences, types, comments.
_POSTGRESQL = (
    "SELECT c.relname, c.relkind, i.indisvalid, pg_get_indexdef(c.oid) FROM pg_class c LEFT JOIN pg_index i "
    "ON i.indexrelid = c.oid WHERE c.relnamespace = 'public'::regnamespace AND c.relname !~ '^fastman_history'",
    "SELECT conname, convalidated, pg_get_constraintdef(oid) FROM pg_constraint "
    "WHERE connamespace = 'public'::regnamespace AND conname !~ '^fastman_history'",
    "SELECT c.relname, a.attname, a.attidentity, a.attgenerated, co.collname, pg_get_expr(d.adbin, d.adrelid) "
    "FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped LEFT JOIN "
    "pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum LEFT JOIN pg_collation co ON co.oid = a.attcollation "
    "WHERE c.relnamespace = 'public'::regnamespace AND c.relname !~ '^fastman_history'",
    "SELECT t.typname, e.enumlabel FROM pg_type t LEFT JOIN pg_enum e ON e.enumtypid = t.oid "
    "WHERE t.typnamespace = 'public'::regnamespace AND t.typtype = 'e'",
)


def dump(url: str) -> dict[str, Any]:
    """Everything in the database at ``url``; two databases are the same when their dumps are."""
    with _connected(url) as connection:
        return {**_schema(connection), "rows": _rows(connection)}


def schema(url: str) -> dict[str, Any]:
    """The same without the rows."""
    with _connected(url) as connection:
        return _schema(connection)


@contextmanager
def _connected(url: str) -> Iterator[sa.Connection]:
    parsed = make_url(url)
    engine = sa.create_engine(parsed.set(drivername=_READERS[parsed.get_backend_name()]), poolclass=sa.NullPool)
    with engine.connect() as connection:
        yield connection


def _schema(connection: sa.Connection) -> dict[str, Any]:
    with warnings.catch_warnings():
        # SQLite's indexes of expressions are among its statements.
        warnings.filterwarnings("ignore", "Skipped unsupported reflection", sa.exc.SAWarning)
        return _reflected(connection)


def _reflected(connection: sa.Connection) -> dict[str, Any]:
    inspector = sa.inspect(connection)
    found: dict[str, Any] = {}
    for name in (*_tables(inspector), *inspector.get_view_names()):
        found[name] = {
            "columns": [{**column, "type": repr(column["type"])} for column in inspector.get_columns(name)],
            "primary key": inspector.get_pk_constraint(name),
            "foreign keys": _sorted(inspector.get_foreign_keys(name)),
            "unique": _sorted(inspector.get_unique_constraints(name)),
            "checks": _sorted(inspector.get_check_constraints(name)),
            "indexes": _sorted(inspector.get_indexes(name)),
        }
        if connection.dialect.name != "sqlite":
            found[name]["comment"] = inspector.get_table_comment(name)
    if connection.dialect.name == "sqlite":
        found["indexes"] = _sorted(tuple(row) for row in connection.exec_driver_sql(_SQLITE_INDEXES))
    if connection.dialect.name == "postgresql":
        for query in _POSTGRESQL:
            found[query] = _sorted(tuple(row) for row in connection.exec_driver_sql(query))
    return found


def _rows(connection: sa.Connection) -> dict[str, Any]:
    quote = connection.dialect.identifier_preparer.quote
    return {
        name: _sorted(tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {quote(name)}"))
        for name in _tables(sa.inspect(connection))
    }


def _tables(inspector: sa.Inspector) -> list[str]:
    return [name for name in inspector.get_table_names() if name != HISTORY_TABLE]


def _sorted(values: Iterable[Any]) -> list[Any]:
    return sorted(values, key=repr)


def sqlite_dump(file: Path) -> list[str]:
    """A SQLite file as the statements that would make it, word for word."""
    history = re.compile(rf'(CREATE TABLE|INSERT INTO) "?{HISTORY_TABLE}\b')
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        return [each for each in connection.iterdump() if not history.match(each)]
    finally:
        connection.close()


@contextmanager
def held_table(url: str, table: str) -> Iterator[None]:
    """Keep ``table`` locked by a transaction that has read it, as a slow query of the application does."""
    with _connected(url) as connection:
        connection.exec_driver_sql(f"SELECT * FROM {table}").fetchall()
        yield
