"""The conditions of a table's CHECK constraints, and a SQLite database in memory that tries them."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import CheckConstraint, Column, Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import SQLAlchemyError


def conditions(table: Table) -> list[str]:
    """The CHECK constraints of ``table`` and of its columns as SQL."""
    constraints = [*table.constraints, *(each for column in table.columns for each in column.constraints)]
    options = {"literal_binds": True, "include_table": False}
    conditions = set()
    for constraint in constraints:
        if isinstance(constraint, CheckConstraint):
            try:
                sql = str(constraint.sqltext.compile(dialect=sqlite.dialect(), compile_kwargs=options))
            except SQLAlchemyError:
                sql = str(constraint.sqltext)
            conditions.add(" ".join(sql.split()))
    # The table keeps them in a set.
    return sorted(conditions)


def compared_columns(table: Table, columns: Iterable[Column[Any]]) -> list[list[Column[Any]]]:
    """Those of ``columns`` that a CHECK constraint of ``table`` names together."""
    columns = list(columns)
    named = ([each for each in columns if mentions(condition, each.name)] for condition in conditions(table))
    return [each for each in named if len(each) > 1]


def mentions(condition: str, name: str) -> bool:
    """Whether ``condition`` is about the column ``name``."""
    bare = re.sub(r"'(?:[^']|'')*'", "''", condition)
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", bare, re.IGNORECASE) is not None


def connect() -> sqlite3.Connection:
    """A database in memory with the functions that other databases have."""
    connection = sqlite3.connect(":memory:")
    for name in ("char_length", "character_length", "len"):
        connection.create_function(name, 1, lambda text: None if text is None else len(str(text)))
    connection.create_function("regexp", 2, lambda pattern, text: text is None or bool(re.search(pattern, str(text))))
    return connection


def passes(connection: sqlite3.Connection, table: Table, condition: str, values: Mapping[str, Any]) -> bool:
    """Whether ``condition`` holds for ``values``, by column name. False where SQLite cannot tell."""
    row = ", ".join(["1", *(f"? AS {quote(name)}" for name in values)])
    query = f"SELECT coalesce(({for_sqlite(condition)}), 1) FROM (SELECT {row}) AS {quote(table.name)}"
    try:
        return bool(connection.execute(query, list(values.values())).fetchone()[0])
    except sqlite3.Error:
        return False


def for_sqlite(condition: str) -> str:
    """``condition`` without what PostgreSQL writes and SQLite does not know."""
    condition = re.sub(r"::\s*[\w ]+(?:\(\d+(?:,\s*\d+)?\))?(?:\[\])?", "", condition)
    condition = re.sub(r"\b(?:date|timestamp)\s+(?=')", "", condition, flags=re.IGNORECASE)
    return re.sub(r"(?<=[\w)\"])\s*~\s*(?=')", " REGEXP ", condition)


def quote(name: str) -> str:
    """``name`` as SQLite takes any."""
    return '"' + name.replace('"', '""') + '"'
