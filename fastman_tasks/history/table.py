"""The table of the history."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    DateTime,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    inspect,
)
from sqlalchemy.types import TypeEngine

from fastman_tasks.databases.tables import HISTORY_TABLE


@lru_cache(maxsize=8)
def of(schema: str | None, *, is_mysql: bool = False) -> Table:
    """Returns the table in ``schema``, None for the connection's own, with the types that MySQL and MariaDB need if it
    ``is_mysql``, to be created."""
    at: TypeEngine[Any] = DateTime()
    text: TypeEngine[Any] = Text()
    if is_mysql:
        # Importing it takes ten milliseconds.
        from sqlalchemy.dialects import mysql

        # The text of a version file may be longer than 64 KiB, which is all that MySQL's TEXT holds.
        at, text = mysql.DATETIME(fsp=3), mysql.MEDIUMTEXT()
    return Table(
        HISTORY_TABLE,
        MetaData(),
        Column("id", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True),
        Column("version_table", String(255), nullable=False),
        Column("kind", String(16), nullable=False),
        Column("name", String(255), nullable=False),
        Column("action", String(16), nullable=False),
        Column("batch", Integer, nullable=False),
        Column("at", at, nullable=False),
        Column("seconds", Float),
        Column("os_user", String(255)),
        Column("host", String(255)),
        Column("db_user", String(255)),
        Column("environment", String(255)),
        Column("git_commit", String(64)),
        Column("git_branch", String(255)),
        Column("dirty", Boolean),
        Column("tool", String(64)),
        Column("file", String(1024)),
        Column("message", Text),
        Column("checksum", String(64)),
        Column("source", text),
        schema=schema,
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
        mariadb_charset="utf8mb4",
        mariadb_engine="InnoDB",
    )


def create(connection: Connection, schema: str | None) -> None:
    """Create it in ``schema``."""
    of(schema, is_mysql=connection.dialect.name in ("mysql", "mariadb")).create(connection)


def exists(connection: Connection, schema: str | None) -> bool:
    """Whether there is one in ``schema``."""
    return inspect(connection).has_table(HISTORY_TABLE, schema)
