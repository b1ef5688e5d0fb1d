"""The rows that a failed seeder needed: of an empty table that it read, or of the parent of a foreign key."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, SelectBase, TableClause, column, exists, inspect, select, table
from sqlalchemy.exc import IntegrityError, NoResultFound, SQLAlchemyError
from sqlalchemy.sql import visitors

from fastman_tasks import names
from fastman_tasks.models.columns import mapper_of
from fastman_tasks.rows.row_counts import parse_write
from fastman_tasks.seeding.discovery import Seeder


@dataclass(frozen=True)
class Missing:
    """Rows that a seeder needs in the table ``name``: any, or those with the values in ``row``, which is empty if they
    are unknown. ``model`` is the mapped class of the table that the seeders import."""

    name: str
    model: str | None
    row: str | None = None


_Found = tuple[str | None, str, str | None]


def find(error: BaseException, context: Any, connection: Connection, seeders: Sequence[Seeder]) -> list[Missing]:
    """Returns the missing rows that caused ``error``; empty if that is unknown.

    ``context`` is the execution context of the latest statement, ``connection`` is rolled back to the start of the
    seeder, ``seeders`` are all seeders of the project.
    """
    found: list[_Found] = []
    try:
        if isinstance(error, IntegrityError):
            found = list(_parents(error, context, connection))
        elif isinstance(error, NoResultFound) or (isinstance(error, AttributeError) and "'NoneType'" in str(error)):
            found = [(each.schema, each.name, None) for each in _read(context) if _is_empty(connection, each)]
    except SQLAlchemyError:
        # The connection is unusable: only the error itself is known.
        return []
    return [
        Missing(f"{schema}.{name}" if schema else name, _model(schema, name, seeders), row)
        for schema, name, row in dict.fromkeys(found)
    ]


def advice(missing: Missing, seeder: Seeder, seeders: Sequence[Seeder]) -> str:
    """Returns what is missing, which of ``seeders`` fills it, and how to run that one before ``seeder``."""
    said = f"The table {missing.name} is empty."
    if missing.row is not None:
        said = f"No row of {missing.name} has {missing.row}." if missing.row else f"The row is not in {missing.name}."
    table = names.camel(missing.name.rpartition(".")[2])
    wanted = [f"{subject}Seeder" for subject in (missing.model, table) if subject]
    filler = next((each for name in wanted for each in seeders if each.name == name), None)
    if filler is None:
        made = names.seeder_name(missing.model or table)
        command = f"inv make.seeder {made.module.removesuffix('_seeder')}"
        return f"{said} Next: {command}, and {_depends_on(seeder, made.class_)} in {seeder.name}."
    if filler is seeder:
        return f"{said} Its first row has to refer to itself, or to nothing."
    if filler.name in seeder.depends_on:
        return f"{said} {filler.name} ({filler.where}) should fill it, and {seeder.name} already depends on it."
    return f"{said} {filler.name} ({filler.where}) fills it. Next: {_depends_on(seeder, filler.name)} in {seeder.name}."


def _depends_on(seeder: Seeder, name: str) -> str:
    listed = ", ".join(f'"{each}"' for each in (*seeder.depends_on, name))
    return f"depends_on = [{listed}]"


def _read(context: Any) -> Iterator[TableClause]:
    """Yields the tables that the statement reads."""
    statement = context.compiled.statement if context is not None and context.compiled is not None else None
    if isinstance(statement, SelectBase):
        yield from dict.fromkeys(each for each in visitors.iterate(statement) if isinstance(each, TableClause))


def _is_empty(connection: Connection, wanted: TableClause) -> bool:
    return not connection.scalar(select(exists().select_from(wanted)))


def _parents(error: IntegrityError, context: Any, connection: Connection) -> Iterator[_Found]:
    """Yields the tables that a written row refers to and whose rows are missing: of the foreign key in the error or, as
    SQLite names none, of each."""
    kind, written_to = parse_write(error.statement or "") or ("", "")
    if kind not in ("created", "updated"):
        return
    schema, _, name = written_to.rpartition(".")
    message = str(error.orig)
    for key in inspect(connection).get_foreign_keys(name, schema or None):
        named = bool(key["name"]) and str(key["name"]) in message
        left_null = "null" in message.lower() and any(each in message for each in key["constrained_columns"])
        parent = table(key["referred_table"], *map(column, key["referred_columns"]), schema=key["referred_schema"])
        if not (named or left_null or "FOREIGN KEY constraint failed" in message):
            continue
        if _is_empty(connection, parent):
            yield key["referred_schema"], key["referred_table"], None
        elif not left_null:
            row = _lacking(context, error, connection, key["constrained_columns"], parent)
            if named or row:
                yield key["referred_schema"], key["referred_table"], row


def _lacking(
    context: Any, error: IntegrityError, connection: Connection, columns: Sequence[str], parent: TableClause
) -> str:
    """Returns ``id = 7``: the values of ``columns`` in the first row of the statement that no row of ``parent`` has."""
    if context is None or context.compiled is None or context.statement != error.statement:
        return ""
    for row in context.compiled_parameters:
        values = [row.get(each) for each in columns]
        if None not in values:
            same = [target == value for target, value in zip(parent.c, values, strict=True)]
            if not connection.scalar(select(exists().select_from(parent).where(*same))):
                return ", ".join(f"{target.name} = {value!r}" for target, value in zip(parent.c, values, strict=True))
    return ""


def _model(schema: str | None, name: str, seeders: Sequence[Seeder]) -> str | None:
    """Returns the name of the class that is mapped to the table, from the registries in the seeders' modules."""
    registries = {
        mapper.registry
        for seeder in seeders
        for value in list(vars(sys.modules.get(seeder.class_.__module__, sys)).values())
        if isinstance(value, type) and (mapper := mapper_of(value)) is not None
    }
    for registry in registries:
        for mapper in registry.mappers:
            local = mapper.local_table
            if (
                mapper.inherits is None
                and isinstance(local, TableClause)
                and (local.schema, local.name) == (schema, name)
            ):
                return mapper.class_.__name__
    return None
