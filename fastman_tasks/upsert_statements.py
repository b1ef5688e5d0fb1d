"""``INSERT … ON CONFLICT`` and its like, and how each database tells what such a statement did."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import JSON, Column, Connection, Table, Text, cast, func, literal_column, or_, select, text
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.sql.dml import Insert
from sqlalchemy.sql.elements import ColumnElement

from fastman_tasks import sequences
from fastman_tasks.columns import NoContext, plain
from fastman_tasks.errors import UpsertRefused
from fastman_tasks.recording import Counts

Batch = list[dict[str, Any]]


def run(
    connection: Connection,
    table: Table,
    keys: Sequence[Column[Any]],
    kept: Collection[str],
    batches: Iterable[Batch],
    on_done: Callable[[int], None] = lambda done: None,
) -> Counts:
    """Write ``batches``, each of rows that name the same columns.

    A row that is there keeps its values of the columns ``kept``. ``on_done`` is called with the rows written so far.
    Raises UpsertRefused for a database that has no such statement.
    """
    dialect = connection.dialect.name
    if dialect not in _STATEMENTS:
        raise UpsertRefused(f"upsert() works on PostgreSQL, SQLite, MySQL and MariaDB, not on {dialect}.")
    # PostgreSQL tells of each row whether it is new; elsewhere the table's size tells how many are.
    tells = dialect == "postgresql" and _is_plain(connection, table)
    before = 0 if tells else _size(connection, table)
    statements: dict[tuple[str, ...], Insert] = {}
    rows = created = updated = touched = 0
    for batch in batches:
        names = tuple(batch[0])
        if names not in statements:
            values = [name for name in names if table.c[name] not in keys and name not in kept]
            statements[names] = _STATEMENTS[dialect](table, keys, values)
            if tells:
                statements[names] = statements[names].returning(literal_column("xmax = 0"))
            elif dialect in _RETURNING:
                statements[names] = statements[names].returning(literal_column("1"))
        result = connection.execute(statements[names], batch)
        if tells:
            new = list(result.scalars())
            created += sum(new)
            updated += len(new) - sum(new)
        elif dialect in _RETURNING:
            touched += len(result.all())
        else:
            # A new row and one that is as it was count 1 each, one that was changed counts 2.
            updated += result.rowcount - len(batch)
        rows += len(batch)
        on_done(rows)
    if not tells:
        created = _size(connection, table) - before
        if dialect in _RETURNING:
            updated = touched - created
    sequences.move_up(connection, table, {table.c[name] for names in statements for name in names})
    return Counts(created, updated, 0, rows - created - updated)


def _is_plain(connection: Connection, table: Table) -> bool:
    """Whether ``table`` is one whose rows have an xmax: a partitioned one has none."""
    name = connection.dialect.identifier_preparer.format_table(table)
    kind = text("SELECT relkind = 'r' FROM pg_class WHERE oid = to_regclass(:name)")
    return bool(connection.scalar(kind, {"name": name}))


def _size(connection: Connection, table: Table) -> int:
    return connection.scalar(select(func.count()).select_from(table)) or 0


def _on_conflict(insert: Any, table: Table, keys: Sequence[Column[Any]], names: Sequence[str]) -> Insert:
    values = {name: insert.excluded[name] for name in names}
    made: Insert
    if not values:
        made = insert.on_conflict_do_nothing(index_elements=list(keys))
        return made
    changed = [_differs(table.c[name], new) for name, new in values.items()]
    made = insert.on_conflict_do_update(
        index_elements=list(keys), set_={**values, **_on_update(table, values)}, where=or_(*changed)
    )
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
            context = NoContext(
                UpsertRefused(
                    f"{table.fullname}.{column.name}: its onupdate is made from the row's other values, which upsert() "
                    f"does not give it. Name {column.key} in each row."
                )
            )
            values[column.key] = default.arg(context) if default.is_callable else default.arg
    return values


def _postgresql(table: Table, keys: Sequence[Column[Any]], names: Sequence[str]) -> Insert:
    return _on_conflict(postgresql.insert(table), table, keys, names)


def _sqlite(table: Table, keys: Sequence[Column[Any]], names: Sequence[str]) -> Insert:
    return _on_conflict(sqlite.insert(table), table, keys, names)


def _mysql(table: Table, keys: Sequence[Column[Any]], names: Sequence[str]) -> Insert:
    insert = mysql.insert(table)
    values = {name: insert.inserted[name] for name in names}
    # A row that is there has its key already: writing it again changes nothing.
    return insert.on_duplicate_key_update(values or {keys[0].key: insert.inserted[keys[0].key]})


# Where each statement gives a row for every row that it wrote.
_RETURNING = ("postgresql", "sqlite")
# A statement for a table, its key, and the columns to update.
_STATEMENTS: dict[str, Callable[[Table, Sequence[Column[Any]], Sequence[str]], Insert]] = {
    "postgresql": _postgresql,
    "sqlite": _sqlite,
    "mysql": _mysql,
    "mariadb": _mysql,
}
