"""How many rows a new migration would meet in the database as it is now."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, text

from fastman_tasks.making.sql.text import escape

#: Rows up to which a table is counted.
LIMIT = 100_000


def count(connection: Connection, table: str, condition: str = "true") -> int:
    """The rows of ``table`` that meet ``condition``; LIMIT + 1 where there are more."""
    sample = f"SELECT 1 FROM {table} WHERE {condition} LIMIT {LIMIT + 1}"
    return int(connection.scalar(text(escape(f"SELECT count(*) FROM ({sample}) AS sample"))) or 0)


def example(connection: Connection, table: str, column: str, condition: str) -> Any:
    """What ``column`` has in one of the rows that meet ``condition``."""
    return connection.scalar(text(escape(f"SELECT {column} FROM {table} WHERE {condition} LIMIT 1")))


def describe(number: int) -> str:
    """``3 rows``, ``more than 100,000 rows``."""
    if number > LIMIT:
        return f"more than {LIMIT:,} rows"
    return f"{number:,} row{'' if number == 1 else 's'}"
