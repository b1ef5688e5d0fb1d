"""What Alembic's batch mode would lose of a SQLite table: it makes the new one of what reflection tells of the old."""

from __future__ import annotations

from collections.abc import Iterator

from alembic.operations import ops
from sqlalchemy import Connection, inspect
from sqlalchemy.exc import CompileError
from sqlalchemy.types import TypeEngine

from fastman_tasks.databases.sql.definition import Definition, Token, parts, tokens
from fastman_tasks.making.sql.text import escape
from fastman_tasks.making.sqlite.schema import Schema, Thing

# Words of a definition that reflection does not tell, or that the INSERT into the new table does not heed.
_WORDS = {
    "COLLATE": "COLLATE",
    "AUTOINCREMENT": "AUTOINCREMENT",
    "GENERATED": "computed columns",
    "AS": "computed columns",
    "CONFLICT": "ON CONFLICT",
    "MATCH": "MATCH",
    "DESC": "DESC",
    "STRICT": "STRICT",
    "ROWID": "WITHOUT ROWID",
}


def find(schema: Schema, table: str, change: ops.ModifyTableOps | None = None) -> list[str]:
    """What would be lost of ``table``, or stand in the way of ``change``, in words.

    ``schema`` is what the database has when the change begins.
    """
    definition = schema.table(table)
    if definition is None:
        return []
    found = [*_find(schema, table, definition), *_find_misread(schema, table, definition)]
    names = {each.name for each in definition.clauses()}
    for each in change.ops if change is not None else ():
        if isinstance(each, ops.DropConstraintOp) and each.constraint_name not in names:
            found.append("constraints without a name")
    return list(dict.fromkeys(found))


def _find(schema: Schema, table: str, definition: Definition) -> Iterator[str]:
    text = definition.create("t")
    yield from (_WORDS[each.keyword] for each in tokens(text) if each.keyword in _WORDS)
    if escape(text) != text:
        yield "a colon in a text"
    if any(each.kind == "CHECK" and each.name is None for each in definition.clauses()):
        yield "a CHECK without a name"
    for column in definition.columns:
        if column.only("CHECK"):
            yield "a CHECK of a column"
        if any("DEFERRABLE" in str(each).upper() for each in column.only("REFERENCES")):
            yield "DEFERRABLE"
    yield from (f"the index {each.name}" for each in schema.of(table, "index") if not is_plain(each))
    yield from (f"the trigger {each.name}" for each in schema.of(table, "trigger"))
    # These are not lost, but the new table would not get the old one's name.
    yield from (f"the {each.type} {each.name}" for each in schema.find_mentions(table))


def is_plain(index: Thing) -> bool:
    """Whether ``index`` is one of whole columns, in ascending order and their own collation."""
    return all(len(part) == 1 for part in parts(index.sql)) and escape(index.sql) == index.sql


def _find_misread(schema: Schema, table: str, definition: Definition) -> Iterator[str]:
    """What reflection takes for something else: types that SQLAlchemy does not have, and CHECKs on one line."""
    with schema.connect() as connection:
        inspector = inspect(connection)
        for column in inspector.get_columns(table):
            found = definition.column(column["name"])
            if found is not None and _type_sql(connection, column["type"]) != _plain(found.type):
                yield f"the type {found.type}" if found.type else f"that {found.name} has no type"
        read = sorted(_plain(each["sqltext"]) for each in inspector.get_check_constraints(table))
    if read != sorted(_plain(each.condition) for each in definition.constraints if each.kind == "CHECK"):
        yield "CHECKs"


def _type_sql(connection: Connection, type_: TypeEngine[object]) -> str:
    try:
        return _plain(str(type_.compile(dialect=connection.dialect)))
    except CompileError:
        return ""


def _plain(sql: str) -> str:
    def plain(token: Token) -> str:
        return token.keyword or token.text

    return "".join(map(plain, tokens(sql)))
