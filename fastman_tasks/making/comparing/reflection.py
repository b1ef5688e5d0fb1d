"""A table as the database has it, so that Alembic writes it into a file that creates it again."""

from __future__ import annotations

from sqlalchemy import Connection, DefaultClause, Index, MetaData, Table, TextClause, text

from fastman_tasks.making.sql.text import escape


def reflect(connection: Connection, name: str, schema: str | None = None) -> Table:
    """The table ``name``, which has to be there, with what comes by itself left out."""
    table = Table(name, MetaData(), schema=schema, autoload_with=connection, resolve_fks=False)
    for column in table.columns:
        default = getattr(column.server_default, "arg", None)
        # PostgreSQL's SERIAL: the sequence comes and goes with the column.
        if str(default).startswith("nextval(") and _is_serial(connection, table, column.name):
            column.server_default = None
        elif isinstance(default, TextClause):
            column.server_default = DefaultClause(text(escape(default.text)))
    return table


def _is_serial(connection: Connection, table: Table, column: str) -> bool:
    name = connection.dialect.identifier_preparer.format_table(table)
    query = text("SELECT pg_get_serial_sequence(:table, :column)")
    return connection.scalar(query, {"table": name, "column": column}) is not None


def own_indexes(connection: Connection, table: Table) -> list[Index]:
    """The indexes of ``table`` but those that MySQL made for a foreign key: by its name, or where that had none by its
    first column's."""
    implied: set[tuple[str, tuple[str, ...]]] = set()
    if connection.dialect.name in {"mysql", "mariadb"}:
        for key in table.foreign_key_constraints:
            columns = tuple(key.column_keys)
            implied |= {(str(key.name), columns), (columns[0], columns)}
    own = [index for index in table.indexes if (str(index.name), tuple(index.columns.keys())) not in implied]
    return sorted(own, key=lambda index: str(index.name))
