"""The main database of a connection to SQLite, from the statements that it keeps."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from sqlalchemy import Connection, text

from fastman_tasks.databases.dump import Dump
from fastman_tasks.databases.dump.order import Part, sort
from fastman_tasks.databases.dump.rows import insert
from fastman_tasks.databases.sql import definition
from fastman_tasks.databases.sql.virtual_tables import is_shadow

_ALL = """SELECT type, name, tbl_name, sql FROM sqlite_master
    WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"""
# Others are hidden columns of virtual tables, and computed ones.
_COLUMNS = "SELECT name FROM pragma_table_xinfo(:table) WHERE hidden = 0"
_KEY = "SELECT name FROM pragma_table_xinfo(:table) WHERE pk ORDER BY pk"
_REFERRED = 'SELECT DISTINCT "table" FROM pragma_foreign_key_list(:table)'
# quote() ends a text at its first NUL, and has no literal of infinity.
_LITERAL = """CASE WHEN typeof({0}) = 'text' AND instr({0}, char(0)) THEN 'CAST(X''' || hex({0}) || ''' AS TEXT)'
    WHEN typeof({0}) = 'real' AND abs({0}) = 9e999 THEN CASE WHEN {0} < 0 THEN '-9e999' ELSE '9e999' END
    ELSE quote({0}) END"""
_FULL_TEXT = re.compile(r"\bUSING\s+fts[345]\b", re.IGNORECASE)
_CONTENT = re.compile(r"\bcontent\s*=\s*('[^']*'|\"[^\"]*\"|[^\s,)]*)", re.IGNORECASE)
# What a migration may have set, which SQLite itself does not look at.
_NUMBERS = ("user_version", "application_id")
_RANKS = {"table": 0, "index": 2, "view": 3, "trigger": 4}


def read(connection: Connection, without: Collection[str]) -> Dump:
    """See ``dump.read``."""
    found = [tuple(row) for row in connection.exec_driver_sql(_ALL)]
    virtual = {name for kind, name, _, sql in found if kind == "table" and definition.parse(sql) is None}
    own = [each for each in found if each[2] not in without and not is_shadow(each[2], virtual)]
    parts = [Part((kind, name), _RANKS[kind], name, (sql,)) for kind, name, _, sql in own]
    for name in _NUMBERS:
        if value := connection.exec_driver_sql(f"PRAGMA {name}").scalar_one():
            parts.append(Part((name,), 5, name, (f"PRAGMA {name} = {value}",)))
    depends: list[tuple[object, object]] = []
    left_out = []
    for kind, name, _, sql in own:
        if kind != "table":
            continue
        if name in virtual and (rebuild := _rebuild(connection, name, sql)):
            # Its content is another table's.
            parts.append(Part(("index of", name), 2, name, (rebuild,)))
            continue
        is_own = name not in virtual or _holds_rows(sql)
        rows = tuple(_rows(connection, name, *(["rowid"] if name in virtual and is_own else [])))
        if not is_own:
            left_out += [f"the rows of the virtual table {name}"] if rows else []
            continue
        parts.append(Part(("rows", name), 1, name, rows))
        # Whoever loads it may have foreign keys enforced.
        depends += [(("rows", name), ("rows", other)) for other in _names(connection, _REFERRED, name)]
    return Dump(tuple(sql for part in sort(parts, depends) for sql in part.statements), tuple(left_out))


def _holds_rows(sql: str) -> bool:
    """Whether a virtual table keeps what is inserted into it, and tells it again."""
    return _FULL_TEXT.search(sql) is not None and _CONTENT.search(sql) is None


def _rebuild(connection: Connection, name: str, sql: str) -> str | None:
    """The statement that makes the index of a full text search over another table's rows; None for another table."""
    content = _CONTENT.search(sql) if _FULL_TEXT.search(sql) else None
    if content is None or not content[1].strip("'\""):
        return None
    quoted = connection.dialect.identifier_preparer.quote_identifier(name)
    return f"INSERT INTO {quoted} ({quoted}) VALUES ('rebuild')"


def _rows(connection: Connection, table: str, *key: str) -> Iterator[str]:
    quote = connection.dialect.identifier_preparer.quote_identifier
    columns = [*key, *_names(connection, _COLUMNS, table)]
    key = key or tuple(_names(connection, _KEY, table))
    literals = ", ".join(_LITERAL.format(quote(column)) for column in columns)
    order = ", ".join(quote(column) for column in key or columns)
    rows = connection.exec_driver_sql(f"SELECT {literals} FROM {quote(table)} ORDER BY {order}")
    return insert(quote(table), [quote(column) for column in columns], rows)


def _names(connection: Connection, query: str, table: str) -> list[str]:
    return [row[0] for row in connection.execute(text(query), {"table": table})]
