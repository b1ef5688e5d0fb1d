"""Rows whose values an enum does not have."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Column, ColumnElement, Connection, MetaData, Table, Text, cast, func, literal_column, select

from fastman_tasks.errors import MigrationRefused
from fastman_tasks.text import pluralize


def refuse_strange(
    connection: Connection,
    place: tuple[str | None, str, str],
    members: Sequence[str],
    *,
    is_array: bool = False,
    hint: str = "",
) -> None:
    """Raises MigrationRefused where the column at ``place`` (schema, table, name) has other values than ``members``.

    ``hint`` is another way out.
    """
    schema, name, column = place
    table = Table(name, MetaData(), Column(column), schema=schema)
    value: ColumnElement[str] = cast(table.c[column], Text) if connection.dialect.name == "postgresql" else (
        table.c[column]
    )  # fmt: skip
    if is_array:
        quoted = connection.dialect.identifier_preparer.quote(column)
        value = func.unnest(literal_column(f"{quoted}::text[]"))
    values = select(value.label("value")).select_from(table).subquery()
    query = (
        select(values.c.value, func.count())
        .where(values.c.value.is_not(None), values.c.value.not_in(members))
        .group_by(values.c.value)
        .order_by(values.c.value)
    )
    found = connection.execute(query).all()
    if found:
        dotted = ".".join(filter(None, place))
        rows = " and ".join(f"{pluralize(count, 'row')} with {value!r}" for value, count in found)
        raise MigrationRefused(
            f"{dotted} has {rows}, which the models do not have as a member. Nothing was written.\n"
            f"Change these rows first, in a migration made with --empty, or add the member to the models.{hint}"
        )
