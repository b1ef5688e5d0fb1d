"""SQL as it is: not read by SQLAlchemy, and whatever the driver takes for a parameter."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, CursorResult


def execute(connection: Connection, sql: str) -> CursorResult[Any]:
    """Execute ``sql`` and return its result."""
    # Drivers that take % for a parameter have it doubled.
    is_format = connection.dialect.paramstyle in ("format", "pyformat")
    return connection.exec_driver_sql(sql.replace("%", "%%") if is_format else sql)
