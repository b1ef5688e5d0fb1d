"""The members of MySQL's ENUM columns, as SQLAlchemy reads them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Dialect, Inspector, Table, event
from sqlalchemy.dialects import mysql


@contextmanager
def unescape_members(dialect: Dialect) -> Iterator[None]:
    """Have the members of ENUM columns that are reflected in the block, on a database of ``dialect``, as they are:
    SQLAlchemy leaves a backslash doubled, as ``SHOW CREATE TABLE`` writes it."""
    if dialect.name not in ("mysql", "mariadb"):
        yield
        return

    def unescape(inspector: Inspector, table: Table, column: Any) -> None:
        kind = column["type"]
        if isinstance(kind, mysql.ENUM) and any("\\" in each for each in kind.enums):
            members = [each.replace("\\\\", "\\") for each in kind.enums]
            column["type"] = mysql.ENUM(*members, charset=kind.charset, collation=kind.collation)

    event.listen(Table, "column_reflect", unescape)
    try:
        yield
    finally:
        event.remove(Table, "column_reflect", unescape)
