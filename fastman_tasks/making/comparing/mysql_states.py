"""Asks MySQL and MariaDB how they have the models' tables, and how they would make them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import Connection, Index, Table
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError

from fastman_tasks.making.comparing import model_copies, table_text
from fastman_tasks.making.comparing.model_copies import Copy
from fastman_tasks.making.comparing.table_states import Answer, IndexState, Place, TableState


def ask(connection: Connection, models: Mapping[Place, Table]) -> Answer:
    """A Pair of each of ``models``, which are in the database. The tables that are made for it are temporary ones:
    only this connection sees them, making them ends no transaction, and they are dropped at once."""
    answer = Answer()
    for at, (place, model) in enumerate(models.items()):
        copy = model_copies.copy(at, place, model, connection.dialect)
        of_full_text = _of_full_text(copy, connection.dialect)
        copy.table.indexes.difference_update(of_full_text)
        try:
            there = _state(connection, model.name, place[0])
            with _trial(connection, copy):
                answer.pairs[place] = pair = copy.pair(there, _state(connection, copy.table.name, None))
            pair.wanted.indexes.update({copy.indexes[str(index.name)]: state for index, state in of_full_text.items()})
        except DBAPIError as error:
            arguments = error.orig.args if error.orig else ()
            answer.failures[place] = str(arguments[-1] if arguments else error)
    return answer


def _of_full_text(copy: Copy, dialect: Dialect) -> dict[Index, IndexState]:
    """The indexes that no temporary table can have (FULLTEXT, SPATIAL), and how the database would have them."""
    quote = dialect.identifier_preparer.quote_identifier
    return {
        index: IndexState(False, tuple(quote(column.name) for column in index.columns), prefix.upper())
        for index in copy.table.indexes
        if (prefix := index.kwargs.get(f"{dialect.name}_prefix"))
    }


@contextmanager
def _trial(connection: Connection, copy: Copy) -> Iterator[None]:
    try:
        copy.create(connection, {})
        yield
    finally:
        connection.exec_driver_sql(f"DROP TEMPORARY TABLE IF EXISTS {copy.table.name}")


def _state(connection: Connection, table: str, schema: str | None) -> TableState:
    quote = connection.dialect.identifier_preparer.quote
    name = ".".join(quote(each).replace("%", "%%") for each in (schema, table) if each)
    sql = connection.exec_driver_sql(f"SHOW CREATE TABLE {name}").one()[1]
    return table_text.parse(sql, mysql=True)
