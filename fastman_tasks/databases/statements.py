"""What the text of a SQL statement tells about its effect on data."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

# What makes something, or says something of it. UPDATE, DELETE and DROP lose data, and so may whatever is called.
_HARMLESS = re.compile(
    r"(create (?!or replace)|insert into |comment on |grant |revoke |set |alter sequence |"
    r"alter index \S+ rename to \S+$|alter table \S+ rename (constraint|index|key) \S+ to \S+$|"
    r"alter type \S+ (add value|rename (value|to)) |alter table (only )?\S+ add constraint |"
    r"select (pg_catalog\.)?(setval|nextval|set_config)\s*\(|pragma legacy_alter_table\b)",
    re.IGNORECASE,
)
# What a trigger does when a row changes later is not an effect of the statement that creates it.
_MAKES = re.compile(r"create\s+(temp\w*\s+|unique\s+)*(table|index|trigger)\b", re.IGNORECASE)
_OVERWRITES = re.compile(r"\bon (conflict|duplicate key)\b|\b(update|delete|drop|truncate|replace)\b", re.IGNORECASE)
# PostgreSQL drops no type that a column has, and no schema so that has anything in it; MySQL has no such word. What
# only speeds rows up, checks or shows them, and an identity, is no data.
_DROPS_NO_DATA = re.compile(
    r"drop sequence (if exists )?\S+( restrict)?$|"
    r"drop (type|domain|view|materialized view) (if exists )?[^\s,]+(\s*,\s*[^\s,]+)*( restrict)?$|"
    r"drop schema \S+ restrict$|drop (routine|function|procedure|aggregate) (?!.*\bcascade\b)|"
    r"drop (index( concurrently)?|trigger|policy|rule) (if exists )?\S+( on \S+)?( restrict)?$|"
    r"alter table (only )?\S+ drop constraint (if exists )?\S+( restrict)?$|"
    r"alter table (only )?\S+ alter column \S+ (set|drop) (default|not null)\b[^,]*$|"
    r"alter table \S+ alter column \S+ (set generated|add generated|drop identity)\b[^,]*$",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`|\$(\w*)\$.*?\$\1\$")


#: Says of an UPDATE that no row had the new value before, so that it can be told from the others afterwards.
RENAMED_MEMBER = "/* a renamed member */"


def loses_nothing(sql: str) -> bool:
    """Whether every statement of ``sql`` certainly loses no data."""
    if _RENAMES_MEMBER.fullmatch(sql.strip()):
        return True
    statements = [_QUOTED.sub("''", each) for each in _split(sql) if each and not _FILLS.fullmatch(each)]
    return all(
        _DROPS_NO_DATA.match(each) or (_HARMLESS.match(each) and (_MAKES.match(each) or not _OVERWRITES.search(each)))
        for each in statements
    )


@dataclass(frozen=True)
class Effect:
    """A table or column that a statement drops, renames (to ``new``) or creates; or a "delete": of the rows of a table,
    or, without a table, of something else, such as a schema. ``text`` is the statement."""

    kind: Literal["create table", "drop table", "rename table", "drop column", "rename column", "delete"]
    table: str
    column: str = ""
    new: str = ""
    text: str = ""


# What reflection asks SQLite for.
_ASKS = re.compile(
    r"\s*(pragma\s+(?:(?:\"[^\"]*\"|\w+)\.)?(?:table_x?info|table_list|foreign_key_list|index_list|index_x?info)\b"
    r"|select\b.*\bfrom\s+(?:\"?\w+\"?\.)?sqlite_(?:temp_)?(?:master|schema)\b)",
    re.IGNORECASE | re.DOTALL,
)
_SAVEPOINT = re.compile(r"\s*(?P<end>rollback\s+to\s+|release\s+)?savepoint\s+(?P<name>\w+)", re.IGNORECASE)


def select_changes(statements: Iterable[str]) -> tuple[str, ...]:
    """Returns ``statements`` without those that only read SQLite's schema, and without savepoints that are never rolled
    back to."""
    several = [(each, _SAVEPOINT.match(each)) for each in statements]
    returned = {found["name"] for _, found in several if found and (found["end"] or "").lower().startswith("rollback")}
    return tuple(
        each for each, found in several if not _ASKS.match(each) and (found is None or found["name"] in returned)
    )


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
_DROP_ALL = re.compile(rf"{_DROP.pattern}(?:\s+(?:cascade|restrict))?", re.IGNORECASE)
_EMPTY = re.compile(
    rf"(?:truncate\s+(?:table\s+)?|delete\s+from\s+)(?:only\s+)?(?P<tables>{_TABLE}(?:\s*,\s*{_TABLE})*)", re.IGNORECASE
)
_RENAME = re.compile(rf"{_ALTER}rename\s+(?:to|as)\s+(?P<new>{_NAME})", re.IGNORECASE)
_RENAME_COLUMN = re.compile(
    rf"{_ALTER}rename\s+(?:column\s+)?(?P<column>{_NAME})\s+to\s+(?P<new>{_NAME})", re.IGNORECASE
)
_ALTER_TABLE = re.compile(_ALTER, re.IGNORECASE)
_DROP_COLUMN = re.compile(rf"\bdrop\s+column\s+(?:if\s+exists\s+)?(?P<column>{_NAME})", re.IGNORECASE)
# A constant for the rows that have nothing; and a value for another one, as make.migration writes it.
_SET = rf"update\s+{_TABLE}\s+set\s+(?P<column>{_NAME})\s*=\s*"
_FILLS = re.compile(rf"{_SET}[^(),]+?\s+where\s+(?P=column)\s+is\s+null", re.IGNORECASE)
_LITERAL = r"'(?:[^']|'')*'"
_RENAMES_MEMBER = re.compile(
    rf"{_SET}{_LITERAL}\s+where\s+(?P=column)\s*=\s*{_LITERAL}\s*{re.escape(RENAMED_MEMBER)}", re.IGNORECASE
)
_COPY = re.compile(
    rf"insert\s+into\s+(?P<new>{_TABLE})\s*(?:\([^()]*\))?\s*select\s+(?P<read>.+)\s+from\s+(?P<old>{_TABLE})",
    re.IGNORECASE | re.DOTALL,
)
_NOT_EACH_ROW = re.compile(r"\b(from|distinct|over)\b|\b(?!(?:cast|coalesce|ifnull|nullif)\b)\w+\s*\(", re.IGNORECASE)
_TRIGGER = re.compile(r"create\s+(?:temp\w*\s+)?trigger\b.*?\bbegin\b", re.IGNORECASE | re.DOTALL)
_OPENS, _CLOSES = (re.compile(rf"\b(?:{word})\b", re.IGNORECASE) for word in ("begin|case", "end"))
_DELETES = re.compile(r"(?:drop\s+(?:table|schema|database)|truncate|delete)\b", re.IGNORECASE)


def find_effects(sql: str, dialect: str) -> Iterator[Effect]:
    """Yields what the statements of ``sql`` certainly do to tables and columns, on a database of the named ``dialect``.

    Functions that are called, and statements inside others (``WITH``, ``DO``), are not analysed.
    """
    for statement in _split(sql):
        yield from _effects(statement, dialect)


def find_dropped_tables(sql: str, dialect: str) -> list[str] | None:
    """Returns the tables that ``sql`` drops; None if it does anything else."""
    statements = [_DROP_ALL.fullmatch(each) for each in _split(sql) if each]
    if not all(statements):
        return None
    return [_table(each, dialect) for found in statements if found for each in re.findall(_TABLE, found["tables"])]


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


@dataclass(frozen=True)
class Copy:
    """Every row of the table ``old`` is copied to ``new``; ``columns`` are the names that are read, None for all."""

    old: str
    new: str
    columns: frozenset[str] | None


def find_copy(sql: str, dialect: str) -> Copy | None:
    """Returns what ``sql`` copies; None if it is not a statement that copies a whole table."""
    several = [each for each in _split(sql) if each]
    found = _COPY.fullmatch(several[0]) if len(several) == 1 else None
    if found is None:
        return None
    read = found["read"].strip()
    # Anything else might leave rows out, or make one of several.
    if read != "*" and ("*" in read or _NOT_EACH_ROW.search(read)):
        return None
    columns = None if read == "*" else frozenset(_plain(each, dialect) for each in re.findall(_NAME, read))
    return Copy(_table(found["old"], dialect), _table(found["new"], dialect), columns)


def _split(sql: str) -> Iterator[str]:
    """The statements of ``sql``, without comments, and without what stands in texts."""
    statement = ""
    for part in _PART.finditer(sql):
        if part["end"] and _is_open(statement):
            statement += ";"
        elif part["end"]:
            yield statement.strip()
            statement = ""
        else:
            statement += "''" if part["text"] else part["name"] or part["rest"] or " "
    yield statement.strip()


def _is_open(statement: str) -> bool:
    """Whether it is a trigger whose body has not ended yet."""
    return bool(_TRIGGER.match(statement.strip())) and (
        len(_OPENS.findall(statement)) > len(_CLOSES.findall(statement))
    )


def _table(name: str, dialect: str) -> str:
    return ".".join(_plain(each, dialect) for each in re.findall(_NAME, name))


def _plain(name: str, dialect: str) -> str:
    """``name`` as the database has it, without its quotes."""
    if name[0] in '"`':
        return name[1:-1].replace('""', '"')
    return name.lower() if dialect == "postgresql" else name
