"""Compares what SQLite keeps as text, the statements that made a table and its indexes, with those of the models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlalchemy import Connection, Table, text
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import CompileError
from sqlalchemy.schema import CreateIndex, CreateTable

from fastman_tasks.making.comparing import index_text, table_text
from fastman_tasks.making.comparing.table_states import Answer, IndexState, Pair, Place, TableState
from fastman_tasks.making.constraints.names import checks_of, sql_of


def ask(connection: Connection, models: Mapping[Place, Table]) -> Answer:
    """A Pair of each of ``models`` that is in the main database; nothing is made for it."""
    tables = {name: sql for _, name, sql in _read_statements(connection, "table")}
    indexes = read_indexes(connection)
    answer = Answer()
    for place, model in models.items():
        schema, name = place
        if schema is not None or name not in tables:
            continue
        try:
            answer.pairs[place] = _pair(model, _state(tables[name], indexes.get(name, {})), connection.dialect)
        except CompileError as error:
            answer.failures[place] = str(error).partition("\n")[0]
    return answer


def _pair(model: Table, there: TableState, dialect: Dialect) -> Pair:
    create = CreateTable(model, include_foreign_key_constraints=[])
    created = {
        str(index.name): index_text.parse(str(CreateIndex(index).compile(dialect=dialect)))
        for index in model.indexes
        if index.name is not None and index.expressions
    }
    conditions = {check: sql for check in checks_of(model) if (sql := sql_of(check, dialect)) is not None}
    return Pair(model, there, _state(str(create.compile(dialect=dialect)), created), conditions)


def read_indexes(connection: Connection) -> dict[str, dict[str, IndexState]]:
    """The indexes of the main database that somebody has made, by their tables and names."""
    found: dict[str, dict[str, IndexState]] = {}
    for table, name, sql in _read_statements(connection, "index"):
        found.setdefault(table, {})[name] = index_text.parse(sql)
    return found


def _read_statements(connection: Connection, kind: str) -> Iterator[tuple[str, str, str]]:
    query = text("SELECT tbl_name, name, sql FROM sqlite_master WHERE type = :kind AND sql IS NOT NULL")
    yield from connection.execute(query, {"kind": kind})


def _state(table: str, indexes: Mapping[str, IndexState]) -> TableState:
    state = table_text.parse(table)
    state.indexes.update(indexes)
    return state
