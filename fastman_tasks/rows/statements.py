"""``INSERT … ON CONFLICT`` and similar statements, and how each database reports their result."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    JSON,
    Column,
    Connection,
    CursorResult,
    Table,
    Text,
    cast,
    func,
    literal_column,
    or_,
    select,
    text,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import InvalidRequestError, StatementError
from sqlalchemy.sql.dml import Insert
from sqlalchemy.sql.elements import ColumnElement

from fastman_tasks.errors import UpsertRefused
from fastman_tasks.models.columns import NoContext, undecorate
from fastman_tasks.plans import Counts
from fastman_tasks.rows import sequences
from fastman_tasks.rows.arrays import Arrays

Batch = list[dict[str, Any]]


def run(
    connection: Connection,
    table: Table,
    keys: Sequence[Column[Any]],
    kept: Collection[str],
    batches: Iterable[Batch],
    on_done: Callable[[int], None] = lambda done: None,
) -> Counts:
    """Write ``batches``, each of rows with the same columns, and return the counts.

    An existing row keeps its values of the columns ``kept``. ``on_done`` is called with the rows written so far. Raises
    UpsertRefused for a database without such a statement.
    """
    dialect = connection.dialect.name
    if dialect not in _STATEMENTS:
        raise UpsertRefused(f"upsert() works on PostgreSQL, SQLite, MySQL and MariaDB, not on {dialect}.")
    # PostgreSQL returns whether each row is new; elsewhere the table's size shows how many are.
    tells = dialect == "postgresql" and _is_plain(connection, table)
    before = 0 if tells else _size(connection, table)
    statements: dict[tuple[str, ...], _Statement] = {}
    rows = created = updated = touched = 0
    for batch in batches:
        names = tuple(batch[0])
        if names not in statements:
            values = [name for name in names if table.c[name] not in keys and name not in kept]
            told = "xmax = 0" if tells else "1" if dialect in _RETURNING else None
            statements[names] = _Statement(dialect, table, keys, names, values, told)
        result = statements[names].execute(connection, batch)
        if tells:
            new = list(result.scalars())
            created += sum(new)
            updated += len(new) - sum(new)
        elif dialect in _RETURNING:
            touched += len(result.all())
        else:
            # A new row and an unchanged one count 1 each, a changed one counts 2.
            updated += result.rowcount - len(batch)
        rows += len(batch)
        on_done(rows)
    if not tells:
        created = _size(connection, table) - before
        if dialect in _RETURNING:
            updated = touched - created
    sequences.move_up(connection, table, {table.c[name] for names in statements for name in names})
    return Counts(created, updated, 0, rows - created - updated)


class _Statement:
    """Writes batches with the columns ``names``, of which ``values`` are updated; ``told`` is returned for each row."""

    def __init__(
        self,
        dialect: str,
        table: Table,
        keys: Sequence[Column[Any]],
        names: Sequence[str],
        values: Sequence[str],
        told: str | None,
    ) -> None:
        def made(insert: Any) -> Insert:
            statement = _STATEMENTS[dialect](insert, table, keys, values)
            return statement.returning(literal_column(told)) if told else statement

        self._rows = made(_INSERTS[dialect](table))
        self._arrays, self._short = Arrays(table, names), None
        if dialect == "postgresql" and self._arrays.insert is not None:
            self._short = made(self._arrays.insert)

    def execute(self, connection: Connection, batch: Batch) -> CursorResult[Any]:
        """Write ``batch``."""
        if self._short is not None and (values := self._arrays.values(batch)):
            return connection.execute(self._short, values)
        try:
            return connection.execute(self._rows, batch)
        except StatementError as error:
            # SQL in the model's onupdate may have parameters inside the statement: SQLAlchemy does not support that
            # for executemany, and raises before anything is sent.
            if not isinstance(error.orig, InvalidRequestError):
                raise
        return connection.execute(self._rows.values(batch))


def _is_plain(connection: Connection, table: Table) -> bool:
    """Whether the rows of ``table`` have an xmax: those of a partitioned table have none."""
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
    kind = undecorate(old.type)
    if isinstance(undecorate(kind.item_type) if isinstance(kind, ARRAY) else kind, JSON):
        # PostgreSQL can compare neither JSON nor arrays of it. It can compare JSONB, but text works for both.
        return cast(old, Text).is_distinct_from(cast(new, Text))
    return old.is_distinct_from(new)


def _on_update(table: Table, given: dict[str, Any]) -> dict[str, Any]:
    """Returns the values that the model's ``onupdate`` sets in a changed row."""
    values = {}
    for column in table.columns:
        default: Any = column.onupdate
        if default is not None and column.key not in given:
            context = NoContext(
                UpsertRefused(
                    f"{table.fullname}.{column.name}: its onupdate needs the row's other values, which upsert() does "
                    f"not pass to it. Include {column.key} in each row."
                )
            )
            values[column.key] = default.arg(context) if default.is_callable else default.arg
    return values


def _on_duplicate_key(insert: Any, table: Table, keys: Sequence[Column[Any]], names: Sequence[str]) -> Insert:
    values = {name: insert.inserted[name] for name in names}
    # An existing row has its key already: writing it again changes nothing.
    made: Insert = insert.on_duplicate_key_update(values or {keys[0].key: insert.inserted[keys[0].key]})
    return made


# The databases that return a row for every row that is written.
_RETURNING = ("postgresql", "sqlite")
_INSERTS: dict[str, Callable[[Table], Insert]] = {
    "postgresql": postgresql.insert,
    "sqlite": sqlite.insert,
    "mysql": mysql.insert,
    "mariadb": mysql.insert,
}
# The functions that turn an insert into an upsert, for a table, its key, and the columns to update.
_STATEMENTS: dict[str, Callable[[Any, Table, Sequence[Column[Any]], Sequence[str]], Insert]] = {
    "postgresql": _on_conflict,
    "sqlite": _on_conflict,
    "mysql": _on_duplicate_key,
    "mariadb": _on_duplicate_key,
}
