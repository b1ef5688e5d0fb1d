"""The table of the history."""

from __future__ import annotations

from functools import lru_cache

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
)  # fmt: skip
from sqlalchemy.dialects import mysql

from fastman_tasks.databases.tables import HISTORY_TABLE

# The text of a version file may be longer than 64 KiB, which is all that MySQL's TEXT holds.
_LONG = Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
_AT = DateTime().with_variant(mysql.DATETIME(fsp=3), "mysql", "mariadb")


@lru_cache(maxsize=8)
def of(schema: str | None) -> Table:
    """Returns the table in ``schema``; None is the connection's own."""
    return Table(
        HISTORY_TABLE,
        MetaData(),
        Column("id", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True),
        Column("version_table", String(255), nullable=False),
        Column("kind", String(16), nullable=False),
        Column("name", String(255), nullable=False),
        Column("action", String(16), nullable=False),
        Column("batch", Integer, nullable=False),
        Column("at", _AT, nullable=False),
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
        Column("source", _LONG),
        schema=schema,
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
        mariadb_charset="utf8mb4",
        mariadb_engine="InnoDB",
    )


def exists(connection: Connection, schema: str | None) -> bool:
    """Whether there is one in ``schema``."""
    return inspect(connection).has_table(HISTORY_TABLE, schema)
