"""Move PostgreSQL's sequences past the ids that were written without them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Table, cast, column, func, select, table, text

# The sequence of a column. One that counts down, or that the role may not set, is left alone.
_FIND = text(
    "SELECT CAST(c.oid AS bigint) AS id, CAST(c.relname AS text) AS name, CAST(n.nspname AS text) AS schema, s.seqmax "
    "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_sequence s ON s.seqrelid = c.oid "
    "WHERE c.oid = to_regclass(pg_get_serial_sequence(:table, :column)) AND s.seqincrement > 0 "
    "AND has_sequence_privilege(c.oid, 'SELECT') AND has_sequence_privilege(c.oid, 'UPDATE')"
)
_SET = text("SELECT setval(CAST(CAST(:id AS bigint) AS regclass), :value)")


def move_up(connection: Connection, target: Table, given: Collection[Column[Any]]) -> None:
    """Make sure that the next generated id is free, after rows of ``target`` with the ``given`` columns were written.

    Does nothing if the ids are not among these columns or have no sequence. A sequence never moves back.
    """
    ids = target.autoincrement_column
    if connection.dialect.name != "postgresql" or ids is None or ids not in given:
        return
    name = connection.dialect.identifier_preparer.format_table(target)
    found = connection.execute(_FIND, {"table": name, "column": ids.name}).first()
    if found is None:
        return
    highest = connection.scalar(select(cast(func.max(ids), BigInteger)))
    if highest is None:
        return
    sequence = table(found.name, column("last_value"), column("is_called"), schema=found.schema)
    last, called = connection.execute(select(sequence.c.last_value, sequence.c.is_called)).one()
    if highest > last or (highest == last and not called):
        connection.execute(_SET, {"id": found.id, "value": min(highest, found.seqmax)})
