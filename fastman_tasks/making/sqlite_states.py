"""Compares what SQLite keeps as text, the statements that made a table and its indexes, with those of the models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlalchemy import Connection, Table, text
from sqlalchemy.exc import CompileError

from fastman_tasks.making import index_text, model_copies, table_text
from fastman_tasks.making.table_states import Answer, IndexState, Place, TableState


def ask(connection: Connection, models: Mapping[Place, Table]) -> Answer:
    """A Pair of each of ``models`` that is in the main database; nothing is made for it."""
    tables = {name: sql for _, name, sql in _kept(connection, "table")}
    indexes = read_indexes(connection)
    answer = Answer()
    for at, (place, model) in enumerate(models.items()):
        schema, name = place
        if schema is not None or name not in tables:
            continue
        try:
            copy = model_copies.copy(at, place, model, connection.dialect)
            sql, created = copy.sql(connection.dialect)
            wanted = _state(sql, {name: index_text.parse(each) for name, each in created.items()})
        except CompileError as error:
            answer.failures[place] = str(error).partition("\n")[0]
        else:
            answer.pairs[place] = copy.pair(_state(tables[name], indexes.get(name, {})), wanted)
    return answer


def read_indexes(connection: Connection) -> dict[str, dict[str, IndexState]]:
    """The indexes of the main database that somebody has made, by their tables and names."""
    found: dict[str, dict[str, IndexState]] = {}
    for table, name, sql in _kept(connection, "index"):
        found.setdefault(table, {})[name] = index_text.parse(sql)
    return found


def _kept(connection: Connection, kind: str) -> Iterator[tuple[str, str, str]]:
    query = text("SELECT tbl_name, name, sql FROM sqlite_master WHERE type = :kind AND sql IS NOT NULL")
    yield from connection.execute(query, {"kind": kind})


def _state(table: str, indexes: Mapping[str, IndexState]) -> TableState:
    state = table_text.parse(table)
    state.indexes.update(indexes)
    return state
