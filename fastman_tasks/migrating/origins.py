"""Which migration made each column of a table, as far as the version files tell."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from fastman_tasks.migrating.downgrades import read
from fastman_tasks.migrating.reading import replacements
from fastman_tasks.migrating.reading.directives import Operation
from fastman_tasks.revisions.graph import Revision


def find_origins(revisions: Iterable[Revision], table: str, columns: Collection[str], dialect: str) -> dict[str, str]:
    """Returns the name of the migration that made each of the ``columns`` of ``table``. ``revisions`` are the applied
    ones, oldest first. A column that was not found, as raw SQL made it, is left out. No migration is run."""
    tables: dict[str, dict[str, Revision]] = {}
    makers: dict[str, Revision] = {}
    for revision in revisions:
        reading = read(revision.file, "upgrade", dialect)
        for operation in replacements.merge(reading.operations, dialect) if reading is not None else ():
            _follow(operation, revision, tables, makers)
    known, maker = tables.get(table, {}), makers.get(table)
    found = {column: known[column].name for column in columns if column in known}
    if maker is not None:
        # What create_table() makes is only known by its name in the file.
        source = maker.file.read_text("utf-8", errors="replace")
        named = [each for each in columns if each not in found and re.search(rf"\b{re.escape(each)}\b", source)]
        found.update(dict.fromkeys(named, maker.name))
    return found


def _follow(
    operation: Operation, revision: Revision, tables: dict[str, dict[str, Revision]], makers: dict[str, Revision]
) -> None:
    table, column = operation.table, operation.column
    match operation.kind:
        case "create table":
            tables[table], makers[table] = {}, revision
        case "drop table":
            tables.pop(table, None)
            makers.pop(table, None)
        case "rename table":
            tables[operation.new] = tables.pop(table, {})
            if table in makers:
                makers[operation.new] = makers.pop(table)
        case "add column":
            tables.setdefault(table, {})[column] = revision
        case "drop column":
            tables.get(table, {}).pop(column, None)
        case "rename column":
            of = tables.setdefault(table, {})
            if (maker := of.pop(column, makers.get(table))) is not None:
                of[operation.new] = maker
