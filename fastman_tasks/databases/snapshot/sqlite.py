"""SQLite's schema, from its pragmas, and from its statements for what they do not tell.

A table that was rebuilt has another statement than one that was created so: their parts are compared, in one form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, text

from fastman_tasks.databases.snapshot import Entry, Known
from fastman_tasks.databases.sql import definition, tokens
from fastman_tasks.databases.sql.virtual_tables import is_shadow, is_virtual

_TABLES = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
_COLUMNS = """SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(:table)"""
_KEYS = (
    """SELECT id, "table", "from", "to", on_update, on_delete FROM pragma_foreign_key_list(:table) ORDER BY id, seq"""
)
_INDEXES = """SELECT l.name, l."unique", l.origin, i.name, i.desc, i.coll
    FROM pragma_index_list(:table) l JOIN pragma_index_xinfo(l.name) i WHERE i.key ORDER BY l.name, i.seqno"""


def read(connection: Connection, known: Known) -> Iterator[Entry]:
    """Everything in the main database that SQLite does not make by itself. ``known`` is what was read before."""
    rows = [tuple(row) for row in connection.exec_driver_sql(_TABLES)]
    virtual = [name for _, name, _, sql in rows if is_virtual(sql)]
    statements: dict[str, list[str | None]] = {}
    for _, _, table, sql in rows:
        statements.setdefault(table, []).append(sql)
    for kind, name, table, sql in rows:
        # The tables that a virtual table keeps its content in are made and dropped with it.
        if is_shadow(table, virtual) and kind in ("table", "index"):
            continue
        if kind == "table" and name in virtual:
            yield Entry("table", name, _flat(sql), name)
        elif kind == "table":
            # What the pragmas tell, they read from these.
            key = (name, *statements[name])
            if key not in known:
                known[key] = tuple(_table(connection, name, sql))
            yield from known[key]
        elif kind != "index":
            yield Entry(kind, name, _flat(sql), table if kind == "trigger" else name)
        elif sql:
            yield Entry("index", name, _index(sql), table)


def _table(connection: Connection, name: str, sql: str) -> Iterator[Entry]:
    found = definition.parse(sql)
    if found is None:
        yield Entry("table", name, _flat(sql), name)
        return
    options = [*sorted(found.options.upper().replace(",", " ").split())]
    yield Entry("table", name, " ".join([*options, *(["AUTOINCREMENT"] if found.counts_up else [])]), name)

    def rows(query: str) -> list[Any]:
        return list(connection.execute(text(query), {"table": name}))

    columns = rows(_COLUMNS)
    keys = [column for _, column in sorted((each.pk, each.name) for each in columns if each.pk)]
    for each in columns:
        # 1 is a hidden column of a virtual table.
        if each.hidden != 1:
            yield Entry("column", f"{name}.{each.name}", _column(each, found.column(each.name), keys), name)
    constraints = [f"PRIMARY KEY ({', '.join(keys)})"] if keys else []
    constraints += [f"CHECK ({_flat(each.condition)})" for each in found.clauses() if each.kind == "CHECK"]
    constraints += _foreign_keys(rows(_KEYS))
    constraints += _uniques(rows(_INDEXES))
    names = sorted(each.name for each in found.clauses() if each.name)
    # SQLite drops no constraint by its name, but Alembic does, when it rebuilds a table.
    yield from (Entry("constraint", f"{name}: {each}", "", name) for each in {*constraints, *names})


def _column(row: Any, found: definition.Column | None, keys: list[str]) -> str:
    # What is an alias of the rowid is never NULL, whatever it says.
    is_rowid = keys == [row.name] and row.type.upper() == "INTEGER"
    parts = [row.type.upper()]
    parts += ["NOT NULL"] if row.notnull and not is_rowid else []
    parts += [f"DEFAULT {_flat(row.dflt_value)}"] if row.dflt_value else []
    clauses = found.only("COLLATE", "GENERATED", "AS") if found else ()
    parts += [_flat(str(each)).removeprefix("generated always ") for each in clauses]
    return " ".join(filter(None, parts))


def _foreign_keys(rows: list[Any]) -> Iterator[str]:
    keys: dict[int, list[Any]] = {}
    for row in rows:
        keys.setdefault(row[0], []).append(row)
    for several in keys.values():
        _, table, _, _, update, delete = several[0]
        columns, referred = (", ".join(str(row[at] or "") for row in several) for at in (2, 3))
        rules = "".join(
            f" ON {on} {rule}" for on, rule in (("UPDATE", update), ("DELETE", delete)) if rule != "NO ACTION"
        )
        yield f"FOREIGN KEY ({columns}) REFERENCES {table} ({referred}){rules}"


def _uniques(rows: list[Any]) -> Iterator[str]:
    columns: dict[str, list[str]] = {}
    for index, _, origin, column, *_ in rows:
        if origin == "u":
            columns.setdefault(index, []).append(column)
    return (f"UNIQUE ({', '.join(each)})" for each in columns.values())


def _index(sql: str) -> str:
    # Without its own name and that of the table, which a rename may have put into quotes.
    head, *rest = re.split(r"\bON\b", sql, maxsplit=1, flags=re.IGNORECASE)
    unique = "UNIQUE " if "UNIQUE" in head.upper().split() else ""
    return f"{unique}{_flat(rest[0])}" if rest else _flat(sql)


def _flat(sql: str) -> str:
    """``sql`` without what says nothing: quotes of names, needless parentheses, case, spaces."""
    return " ".join(text for each in tokens.form(sql) or () for text in _texts(each))


def _texts(form: tokens.Form | str) -> Iterator[str]:
    if isinstance(form, str):
        yield form
        return
    # A call is its name, the opening parenthesis and what is in it.
    name, inner = (form[0], form[2:]) if len(form) > 1 and form[1] == "(" else ("", form)
    yield from _texts(name)
    yield from ("(", *(text for each in inner for text in _texts(each)), ")")
