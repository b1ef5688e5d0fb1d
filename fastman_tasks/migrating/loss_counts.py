"""How many rows a plan would lose."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, MetaData, Table, func, inspect, literal_column, select, text

from fastman_tasks.plans import Loss

#: The number of rows up to which a table is counted exactly; beyond that the server's estimate is used.
EXACT_LIMIT = 100_000
# SQLite takes 500.
_TOGETHER = 200


@dataclass(frozen=True)
class UncountedLoss(Loss):
    """A loss that has not been counted yet. With ``kept``, all other columns of its table are lost."""

    kept: frozenset[str] | None = None


def count(named: Iterable[Loss], connection: Connection) -> tuple[Loss, ...]:
    """Returns the losses ``named`` with their rows. It only reads the database, at a bounded cost for each table."""
    uncounted = (each for each in named if isinstance(each, UncountedLoss))
    each_column = [loss for each in uncounted for loss in _in_columns(each, connection)]
    small = _count_small(each_column, connection)
    found = []
    for each in each_column:
        rows = small.get(each.table) if each.table is not None and each.column is None else None
        loss = _counted(each, connection) if rows is None else Loss(each.table, None, rows, reason=each.reason)
        if loss is not None:
            found.append(loss)
    return tuple(found)


def _count_small(several: Iterable[Loss], connection: Connection) -> dict[str, int]:
    """The rows of whole tables, many in one statement; not of those that have more than EXACT_LIMIT."""
    wanted = {each.table for each in several if each.table is not None and each.column is None}
    if len(wanted) < 2 or connection.dialect.name not in ("postgresql", "sqlite", "mysql", "mariadb"):
        return {}
    inspector, found = inspect(connection), {}
    by_schema: dict[str, set[str]] = {}
    for table in wanted:
        schema, _, name = table.rpartition(".")
        by_schema.setdefault(schema, set()).add(name)
    for schema, names in by_schema.items():
        if schema and schema not in inspector.get_schema_names():
            continue
        # A view, or what is not there, is not among them.
        there = sorted(names.intersection(inspector.get_table_names(schema or None)))
        for start in range(0, len(there), _TOGETHER):
            batch = there[start : start + _TOGETHER]
            rows = connection.exec_driver_sql(_counting(batch, schema, connection))
            found.update({f"{schema}.{batch[at]}" if schema else batch[at]: number for at, number in rows})
    return {table: number for table, number in found.items() if number <= EXACT_LIMIT}


def _counting(names: list[str], schema: str, connection: Connection) -> str:
    quote = connection.dialect.identifier_preparer.quote_identifier
    tables = (".".join(map(quote, filter(None, (schema, name)))) for name in names)
    counts = (
        f"SELECT {at}, count(*) FROM (SELECT 1 FROM {table} LIMIT {EXACT_LIMIT + 1}) AS counted"
        for at, table in enumerate(tables)
    )
    return " UNION ALL ".join(counts)


def _in_columns(loss: UncountedLoss, connection: Connection) -> Iterator[UncountedLoss]:
    """``loss``; of a table that is replaced, each column that its copy has no values of."""
    if loss.table is None or loss.kept is None:
        yield loss
        return
    schema, _, name = loss.table.rpartition(".")
    inspector = inspect(connection)
    if inspector.has_table(name, schema=schema or None):
        for column in inspector.get_columns(name, schema=schema or None):
            if column["name"] not in loss.kept and "computed" not in column:
                yield UncountedLoss(loss.table, column["name"])


def _counted(loss: UncountedLoss, connection: Connection) -> Loss | None:
    """Returns ``loss`` with its count; None if the table or column does not exist (an earlier step creates it)."""
    if loss.table is None:
        return Loss(reason=loss.reason)
    schema, _, name = loss.table.rpartition(".")
    inspector = inspect(connection)
    if not inspector.has_table(name, schema=schema or None):
        return None
    if loss.column is not None and loss.column not in {
        column["name"] for column in inspector.get_columns(name, schema=schema or None)
    }:
        return None
    table = Table(name, MetaData(), schema=schema or None)
    value: ColumnElement[Any] = literal_column("1")
    if loss.column is not None:
        table.append_column(Column(loss.column))
        value = table.c[loss.column]
    sample = select(value.label("value")).select_from(table).limit(EXACT_LIMIT + 1).subquery()
    rows, values = connection.execute(select(func.count(), func.count(sample.c.value)).select_from(sample)).one()
    if rows <= EXACT_LIMIT:
        return Loss(loss.table, loss.column, values, reason=loss.reason)
    estimate = _estimate(connection, table)
    if estimate is None or estimate < rows:
        return Loss(loss.table, loss.column, min(values, EXACT_LIMIT), "at least", loss.reason)
    return Loss(loss.table, loss.column, round(estimate * values / rows), "estimate", loss.reason)


def _estimate(connection: Connection, table: Table) -> int | None:
    """Returns the server's estimate of the rows in ``table``, at no cost; None if it has none."""
    preparer = connection.dialect.identifier_preparer
    if connection.dialect.name == "postgresql":
        name = preparer.format_table(table)
        guess = connection.scalar(text("SELECT reltuples FROM pg_class WHERE oid = to_regclass(:name)"), {"name": name})
    elif connection.dialect.name in ("mysql", "mariadb"):
        guess = connection.scalar(
            text(
                "SELECT table_rows FROM information_schema.tables "
                "WHERE table_name = :name AND table_schema = coalesce(:schema, database())"
            ),
            {"name": table.name, "schema": table.schema},
        )
    elif connection.dialect.name == "sqlite":
        # A table's highest rowid is found at once; only a table without rowids has none.
        has_rowid = (
            "WITHOUT ROWID"
            not in str(
                connection.scalar(text("SELECT sql FROM sqlite_master WHERE name = :name"), {"name": table.name})
            ).upper()
        )
        name = preparer.format_table(table)
        guess = connection.exec_driver_sql(f"SELECT max(rowid) FROM {name}").scalar() if has_rowid else None
    else:
        guess = None
    return None if guess is None else int(guess)
