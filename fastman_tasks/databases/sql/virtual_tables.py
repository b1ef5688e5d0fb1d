"""SQLite's virtual tables, and the tables that they keep their content in."""

from __future__ import annotations

from collections.abc import Collection

# What FTS3 to FTS5 and R*Tree name theirs; SQLite tells them by PRAGMA table_list from 3.37 on only.
_SUFFIXES = {
    *("content", "segments", "segdir", "docsize", "stat"),
    *("data", "idx", "config"),
    *("node", "rowid", "parent"),
}


def is_virtual(sql: str | None) -> bool:
    """Whether ``sql`` of sqlite_master is that of a virtual table."""
    # In whatever case it was written, SQLite keeps it so.
    return sql is not None and sql.startswith("CREATE VIRTUAL TABLE")


def is_shadow(table: str, virtual: Collection[str]) -> bool:
    """Whether one of the ``virtual`` tables has made ``table``, and drops it when it is dropped."""
    owner, _, suffix = table.rpartition("_")
    return suffix in _SUFFIXES and owner in virtual
