"""``INSERT … ON CONFLICT`` and its like, and how each database tells what such a statement did."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import JSON, Column, Connection, Table, Text, cast, func, literal_column, select
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.sql.dml import Insert
from sqlalchemy.sql.elements import ColumnElement

from fastman_tasks.columns import plain
from fastman_tasks.errors import UpsertRefused
from fastman_tasks.recording import Counts

Batch = list[dict[str, Any]]


def run(
    connection: Connection,
    table: Table,
    keys: Sequence[Column[Any]],
    batches: Iterable[Batch],
    on_done: Callable[[int], None] = lambda done: None,
) -> Counts:
    """Write ``batches``, each of rows that name the same columns; ``on_done`` is called with the rows written so far.

    Raises UpsertRefused for a database that has no such statement.
    """
    dialect = connection.dialect.name
    if dialect not in _STATEMENTS:
        raise UpsertRefused(f"upsert() works on PostgreSQL, SQLite, MySQL and MariaDB, not on {dialect}.")
    # PostgreSQL tells of each row whether it is new; elsewhere the table's size tells how many are.
    tells = dialect == "postgresql"
    before = 0 if tells else _size(connection, table)
    statements: dict[tuple[str, ...], Insert] = {}
    rows = created = updated = touched = 0
    for batch in batches:
        names = tuple(batch[0])
        if names not in statements:
            statements[names] = _STATEMENTS[dialect](table, keys, names)
        result = connection.execute(statements[names], batch)
        if tells:
            new = list(result.scalars())
            created += sum(new)
            updated += len(new) - sum(new)
        elif dialect == "sqlite":
            touched += len(result.all())
        else:
            # A new row and one that is as it was count 1 each, one that was changed counts 2.
            updated += result.rowcount - len(batch)
        rows += len(batch)
        on_done(rows)
    if not tells:
        created = _size(connection, table) - before
    if dialect == "sqlite":
        updated = touched - created
    return Counts(created, updated, 0, rows - created - updated)


def _size(connection: Connection, table: Table) -> int:
    return connection.scalar(select(func.count()).select_from(table)) or 0


def _on_conflict(insert: Any, table: Table, keys: Sequence[Column[Any]], names: Sequence[str], told: str) -> Insert:
    values = {name: insert.excluded[name] for name in names if table.c[name] not in keys}
    if not values:
        statement = insert.on_conflict_do_nothing(index_elements=list(keys))
    else:
        changed = [_differs(table.c[name], new) for name, new in values.items()]
        where = changed[0]
        for each in changed[1:]:
            where |= each
        statement = insert.on_conflict_do_update(
            index_elements=list(keys), set_={**values, **_on_update(table, values)}, where=where
        )
    made: Insert = statement.returning(literal_column(told))
    return made


def _differs(old: Column[Any], new: ColumnElement[Any]) -> ColumnElement[bool]:
    if isinstance(plain(old.type), JSON):
        # PostgreSQL cannot compare JSON; JSONB it could, but the text serves as well.
        return cast(old, Text).is_distinct_from(cast(new, Text))
    return old.is_distinct_from(new)


def _on_update(table: Table, given: dict[str, Any]) -> dict[str, Any]:
    """What the model's ``onupdate`` gives a row that is changed."""
    values = {}
    for column in table.columns:
        default: Any = column.onupdate
        if default is not None and column.key not in given:
            values[column.key] = default.arg(None) if default.is_callable else default.arg
    return values


def _postgresql(table: Table, keys: Sequence[Column[Any]], names: Sequence[str]) -> Insert:
    return _on_conflict(postgresql.insert(table), table, keys, names, "xmax = 0")


def _sqlite(table: Table, keys: Sequence[Column[Any]], names: Sequence[str]) -> Insert:
    return _on_conflict(sqlite.insert(table), table, keys, names, "1")


def _mysql(table: Table, keys: Sequence[Column[Any]], names: Sequence[str]) -> Insert:
    insert = mysql.insert(table)
    values = {name: insert.inserted[name] for name in names if table.c[name] not in keys}
    # A row that is there has its key already: writing it again changes nothing.
    return insert.on_duplicate_key_update(values or {keys[0].key: insert.inserted[keys[0].key]})


_STATEMENTS: dict[str, Callable[[Table, Sequence[Column[Any]], Sequence[str]], Insert]] = {
    "postgresql": _postgresql,
    "sqlite": _sqlite,
    "mysql": _mysql,
    "mariadb": _mysql,
}
