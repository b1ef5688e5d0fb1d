"""What a literal SQL statement does to data, as far as its text tells."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

# What makes something, or says something of it. UPDATE, DELETE and DROP lose data, and so may whatever is called.
_HARMLESS = re.compile(
    r"(create (?!or replace)|insert into |comment on |grant |revoke |set |alter sequence |"
    r"alter index \S+ rename to \S+$|alter table \S+ rename (constraint|index|key) \S+ to \S+$|"
    r"alter type \S+ (add value|rename (value|to)) |alter table (only )?\S+ add constraint |"
    r"select (pg_catalog\.)?(setval|nextval|set_config)\s*\()",
    re.IGNORECASE,
)
_OVERWRITES = re.compile(r"\bon (conflict|duplicate key)\b|\b(update|delete|drop|truncate|replace)\b", re.IGNORECASE)
# PostgreSQL drops no type that a column has, and no schema so that has anything in it; MySQL has no such word. An
# identity is no data.
_DROPS_NO_DATA = re.compile(
    r"drop type (if exists )?[^\s,]+(\s*,\s*[^\s,]+)*( restrict)?$|drop schema \S+ restrict$|"
    r"alter table \S+ alter column \S+ (set generated|add generated|drop identity)\b[^,]*$",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`|\$(\w*)\$.*?\$\1\$")


def keeps_everything(sql: str) -> bool:
    """Whether each statement of ``sql`` certainly loses nothing."""
    statements = [text for each in _QUOTED.sub("''", sql).split(";") if (text := each.strip())]
    return all(
        _DROPS_NO_DATA.match(each) or (_HARMLESS.match(each) and not _OVERWRITES.search(each)) for each in statements
    )


@dataclass(frozen=True)
class Effect:
    """A table or column that a statement drops, renames (to ``new``) or makes, or a "delete": the rows of a table, or
    everything in what is no table and has no name here. ``text`` is the statement."""

    kind: Literal["create table", "drop table", "rename table", "drop column", "rename column", "delete"]
    table: str
    column: str = ""
    new: str = ""
    text: str = ""


_PART = re.compile(
    r"--[^\n]*|/\*.*?\*/|(?P<text>'(?:[^']|'')*'|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)"
    r"|(?P<name>\"(?:[^\"]|\"\")*\"|`[^`]*`)|(?P<end>;)|(?P<rest>[^-/'$\"`;]+|.)",
    re.DOTALL,
)
_NAME = r"(?:\"(?:[^\"]|\"\")*\"|`[^`]*`|[\w$]+)"
_TABLE = rf"{_NAME}(?:\s*\.\s*{_NAME})?"
_ALTER = rf"alter\s+table\s+(?:if\s+exists\s+)?(?:only\s+)?(?P<table>{_TABLE})\s+"
_CREATE = re.compile(rf"create\s+table\s+(?P<table>{_TABLE})\s*[(a]", re.IGNORECASE)
_DROP = re.compile(rf"drop\s+table\s+(?:if\s+exists\s+)?(?P<tables>{_TABLE}(?:\s*,\s*{_TABLE})*)", re.IGNORECASE)
_EMPTY = re.compile(
    rf"(?:truncate\s+(?:table\s+)?|delete\s+from\s+)(?:only\s+)?(?P<tables>{_TABLE}(?:\s*,\s*{_TABLE})*)", re.IGNORECASE
)
_RENAME = re.compile(rf"{_ALTER}rename\s+(?:to|as)\s+(?P<new>{_NAME})", re.IGNORECASE)
_RENAME_COLUMN = re.compile(
    rf"{_ALTER}rename\s+(?:column\s+)?(?P<column>{_NAME})\s+to\s+(?P<new>{_NAME})", re.IGNORECASE
)
_ALTER_TABLE = re.compile(_ALTER, re.IGNORECASE)
_DROP_COLUMN = re.compile(rf"\bdrop\s+column\s+(?:if\s+exists\s+)?(?P<column>{_NAME})", re.IGNORECASE)
_DELETES = re.compile(r"(?:drop\s+(?:table|schema|database)|truncate|delete)\b", re.IGNORECASE)


def effects(sql: str, dialect: str) -> Iterator[Effect]:
    """What the statements of ``sql`` certainly do to tables and columns, on a database of the named ``dialect``.

    What is called, or stands in another statement (``WITH``, ``DO``), is not looked into.
    """
    for statement in _split(sql):
        yield from _effects(statement, dialect)


def _effects(statement: str, dialect: str) -> Iterator[Effect]:
    text = " ".join(statement.split())
    if found := _CREATE.match(statement):
        yield Effect("create table", _table(found["table"], dialect), text=text)
    elif found := _DROP.match(statement):
        for each in re.findall(_TABLE, found["tables"]):
            yield Effect("drop table", _table(each, dialect), text=text)
    elif found := _EMPTY.match(statement):
        for each in re.findall(_TABLE, found["tables"]):
            yield Effect("delete", _table(each, dialect), text=text)
    elif _DELETES.match(statement) and not _DROPS_NO_DATA.match(statement):
        yield Effect("delete", "", text=text)
    elif found := _RENAME.match(statement):
        table, new = _table(found["table"], dialect), _table(found["new"], dialect)
        schema = table.rpartition(".")[0]
        yield Effect("rename table", table, new=f"{schema}.{new}" if schema else new, text=text)
    elif found := _RENAME_COLUMN.match(statement):
        column, new = (_plain(found[each], dialect) for each in ("column", "new"))
        yield Effect("rename column", _table(found["table"], dialect), column, new, text)
    elif found := _ALTER_TABLE.match(statement):
        for dropped in _DROP_COLUMN.finditer(statement):
            yield Effect("drop column", _table(found["table"], dialect), _plain(dropped["column"], dialect), text=text)


def _split(sql: str) -> Iterator[str]:
    """The statements of ``sql``, without comments, and without what stands in texts."""
    statement = ""
    for part in _PART.finditer(sql):
        if part["end"]:
            yield statement.strip()
            statement = ""
        else:
            statement += "''" if part["text"] else part["name"] or part["rest"] or " "
    yield statement.strip()


def _table(name: str, dialect: str) -> str:
    return ".".join(_plain(each, dialect) for each in re.findall(_NAME, name))


def _plain(name: str, dialect: str) -> str:
    """``name`` as the database has it, without its quotes."""
    if name[0] in '"`':
        return name[1:-1].replace('""', '"')
    return name.lower() if dialect == "postgresql" else name
