"""The database as it will be once tables and columns are renamed: what is compared with the models after a rename."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, TextClause, text
from sqlalchemy.engine.reflection import Inspector

_SINGLE = (
    "get_columns", "get_pk_constraint", "get_foreign_keys", "get_indexes", "get_unique_constraints",
    "get_check_constraints", "get_table_comment", "get_table_options",
)  # fmt: skip
_MULTI = tuple(name.replace("get_", "get_multi_", 1) for name in _SINGLE)
_KEYS_OF_NAMES = {"column_names", "constrained_columns", "include_columns", "expressions", "postgresql_include"}
_KEYS_OF_SQL = {"sqltext", "postgresql_where", "sqlite_where"}
_KEYS_BY_NAME = {"column_sorting", "postgresql_ops", "mysql_length", "mariadb_length"}
# A quoted text, a word in quotes, or a word that is neither a function nor a type.
_WORD = re.compile(
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")+\"|`[^`]+`|\[[^\]']+\]|(?<!::)(?<![\w$])[^\W\d][\w$]*(?!\s*\(|[\w$])"
)


@dataclass(frozen=True)
class Rename:
    """A column of ``table``, or without one a table, that is renamed from ``old`` to ``new``."""

    schema: str | None
    table: str | None
    old: str
    new: str


class Renames:
    """Renames that are carried out one after the other; a column's table has its name of then."""

    def __init__(self, default_schema: str | None, several: Iterable[Rename] = ()) -> None:
        self._default = default_schema
        self._tables: dict[tuple[str | None, str], str] = {}
        self._columns: dict[tuple[str | None, str], dict[str, str]] = {}
        for each in several:
            if each.table is None:
                first = self.old_table(each.old, each.schema)
                self._tables[self._schema(each.schema), first] = each.new
            else:
                first = self.old_table(each.table, each.schema)
                self._columns.setdefault((self._schema(each.schema), first), {})[each.old] = each.new

    def _schema(self, schema: str | None) -> str | None:
        return None if schema == self._default else schema

    def old_table(self, table: str, schema: str | None) -> str:
        """What the database calls the table that will be called ``table``."""
        found = [old for (place, old), new in self._tables.items() if (place, new) == (self._schema(schema), table)]
        return found[0] if found else table

    def concern(self, table: str, schema: str | None) -> bool:
        """Whether they are about the table that will be called ``table``, or a column of it."""
        old = self.old_table(table, schema)
        return old != table or bool(self.columns(old, schema))

    def new_table(self, table: str, schema: str | None) -> str:
        """What the database's ``table`` will be called."""
        return self._tables.get((self._schema(schema), table), table)

    def old_column(self, table: str, column: str, schema: str | None) -> str:
        """What the database calls ``column`` of the table that will be called ``table``."""
        columns = self.columns(self.old_table(table, schema), schema)
        return next((old for old, new in columns.items() if new == column), column)

    def columns(self, table: str, schema: str | None) -> Mapping[str, str]:
        """The new names, by the old ones, of columns of the database's ``table``."""
        return self._columns.get((self._schema(schema), table), {})

    def apply(self, found: Any, table: str, schema: str | None) -> Any:
        """What SQLAlchemy reads of the database's ``table`` with the new names in it."""
        if isinstance(found, list):
            return [self.apply(each, table, schema) for each in found]
        if not isinstance(found, dict):
            return found
        columns = self.columns(table, schema)
        said = {key: _rename_value(key, value, columns) for key, value in found.items()}
        if "type" in found and "nullable" in found:
            said["name"] = columns.get(found["name"], found["name"])
        if "referred_table" in found:
            place = found["referred_schema"]
            others = self.columns(found["referred_table"], place)
            said["referred_table"] = self.new_table(found["referred_table"], place)
            said["referred_columns"] = [others.get(each, each) for each in found["referred_columns"]]
        return said


def rename_words(sql: str, names: Mapping[str, str]) -> str:
    """``sql`` with the columns that it mentions under their new ``names``."""

    def new(found: re.Match[str]) -> str:
        word = found[0]
        if word[0] == "'":
            return word
        if word[0] in '"`[':
            plain = word[1:-1].replace('""', '"')
            return f"{word[0]}{names[plain]}{word[-1]}" if plain in names else word
        return names.get(word) or lower.get(word.lower(), word)

    lower = {old.lower(): name for old, name in names.items()}
    return _WORD.sub(new, sql) if names else sql


def _rename_value(key: str, value: Any, columns: Mapping[str, str]) -> Any:
    if not columns or value is None:
        return value
    if key in _KEYS_OF_NAMES:
        # An expression stands among the names of an index's columns.
        return [columns.get(each, rename_words(each, columns)) if isinstance(each, str) else each for each in value]
    if key in _KEYS_BY_NAME:
        return {columns.get(name, name): each for name, each in value.items()}
    if key in _KEYS_OF_SQL:
        if isinstance(value, TextClause):
            return text(rename_words(value.text, columns))
        return rename_words(value, columns) if isinstance(value, str) else value
    if key in ("computed", "dialect_options"):
        return {name: _rename_value(name, each, columns) for name, each in value.items()}
    return value


@contextmanager
def show_renamed(connection: Connection, renames: Renames) -> Iterator[None]:
    """Within the block ``sqlalchemy.inspect(connection)`` tells of the database as it is after ``renames``."""
    dialect: Any = connection.dialect
    base = getattr(dialect, "inspector", Inspector)
    # inspect() makes an object of the class that a dialect names here, as PostgreSQL's does.
    before = vars(dialect).get("inspector")
    dialect.inspector = _inspector(base, renames)
    try:
        yield
    finally:
        if before is None:
            del dialect.inspector
        else:
            dialect.inspector = before


def _inspector(base: type[Inspector], renames: Renames) -> type[Inspector]:
    def of_table(name: str) -> Callable[..., Any]:
        read = getattr(base, name)

        @functools.wraps(read)
        def method(self: Inspector, table_name: str, schema: str | None = None, **options: Any) -> Any:
            old = renames.old_table(table_name, schema)
            return renames.apply(read(self, old, schema, **options), old, schema)

        return method

    def of_several(name: str) -> Callable[..., Any]:
        read = getattr(base, name)

        @functools.wraps(read)
        def method(
            self: Inspector, schema: str | None = None, filter_names: Sequence[str] | None = None, **options: Any
        ) -> Any:
            wanted = None if filter_names is None else [renames.old_table(each, schema) for each in filter_names]
            found = read(self, schema, wanted, **options)
            return {
                (place, renames.new_table(table, place)): renames.apply(each, table, place)
                for (place, table), each in found.items()
            }

        return method

    def get_table_names(self: Inspector, schema: str | None = None, **options: Any) -> list[str]:
        return [renames.new_table(each, schema) for each in base.get_table_names(self, schema, **options)]

    def has_table(self: Inspector, table_name: str, schema: str | None = None, **options: Any) -> bool:
        # Its old name is free.
        old = renames.old_table(table_name, schema)
        is_gone = old == table_name and renames.new_table(old, schema) != old
        return not is_gone and base.has_table(self, old, schema, **options)

    methods = {name: of_table(name) for name in _SINGLE} | {name: of_several(name) for name in _MULTI}
    return type("RenamedInspector", (base,), {**methods, "get_table_names": get_table_names, "has_table": has_table})
