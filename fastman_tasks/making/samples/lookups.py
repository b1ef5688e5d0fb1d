"""How a generated seeder looks up the rows that its own refer to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Column

from fastman_tasks.making.source import GeneratedNames, quote
from fastman_tasks.models.references import Reference, attribute_of

_WIDTH = 120


def lookups(
    found: Sequence[Reference],
    attributes: dict[Column[Any], str],
    names: GeneratedNames,
    places: Mapping[Column[Any], int],
) -> tuple[dict[str, str], list[str]]:
    """The variables that hold the values of the ``attributes`` of a reference, and the lines that set them. ``places``
    say which row of its table a column refers to, counted from 1."""
    sources = [_source(reference, names) for reference in found]
    variables: dict[Column[Any], str] = {}
    lines: list[str] = []
    for columns, source in sources:
        new = {column: expression for column, expression in columns.items() if column not in variables}
        wanted = ", ".join(new.values())
        query = [f"{names.import_name('sqlalchemy', 'select')}({wanted})", *source]
        query += [f".where({columns[column]} == {variables[column]})" for column in columns if column in variables]
        # The lowest, so that another key that shares a column finds its own among the same rows.
        skipped = max(places[column] for column in columns) - 1
        query += [f".order_by({wanted})"] if len(new) > 1 or skipped else []
        query += [f".offset({skipped})"] if skipped else []
        query.append(".limit(1)")
        variables |= {column: names.local(attributes[column]) for column in new}
        set_ = ", ".join(variables[column] for column in new)
        lines += _statement(f"{set_} = db.{'execute' if len(new) > 1 else 'scalars'}(", query, ").one()")
    return {attributes[column]: variable for column, variable in variables.items()}, lines


def _source(reference: Reference, names: GeneratedNames) -> tuple[dict[Column[Any], str], list[str]]:
    """Each column of ``reference`` as the one that it refers to is called in a statement, and what it selects from
    where these do not say so."""
    names.import_name("sqlalchemy", "select")
    if reference.parent is not None:
        parent = reference.parent
        found = {column: attribute_of(parent, target) for column, target in reference.columns.items()}
        return {column: names.attribute(parent.class_, name) for column, name in found.items() if name}, []
    column_, table_ = (names.import_name("sqlalchemy", name) for name in ("column", "table"))
    schema = getattr(reference.table, "schema", None)
    name = getattr(reference.table, "name", "")
    table = f"{table_}({quote(name)}{f', schema={quote(schema)}' if schema else ''})"
    columns = {column: f"{column_}({quote(target.name)})" for column, target in reference.columns.items()}
    return columns, [f".select_from({table})"]


def _statement(start: str, query: list[str], end: str) -> list[str]:
    """``start``, ``query`` and ``end`` in one line, or in as many as formatters make of it in a method."""
    if len(line := start + "".join(query) + end) <= _WIDTH - 8:
        return [line]
    inner = ["".join(query)] if len("".join(query)) <= _WIDTH - 12 else query
    return [start, *(f"    {part}" for part in inner), end]
