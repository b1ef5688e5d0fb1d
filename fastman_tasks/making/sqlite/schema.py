"""What a SQLite database consists of, as SQLite keeps it: the statements that made it. A change can be tried on it."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, create_engine

from fastman_tasks.databases.sql.definition import Definition, parse, tokens

_READ = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY rowid"
_ORDER = ("table", "index", "view", "trigger")
# A collation or function that the application registers on its connections.
_UNKNOWN = re.compile(r"no such (collation sequence|function): (.+)")


@dataclass(frozen=True)
class Thing:
    """A table, index, view or trigger, which belongs to ``table``, and the statement that makes it."""

    type: str
    name: str
    table: str
    sql: str

    @cached_property
    def words(self) -> frozenset[str]:
        """Every name and keyword in the statement, in small letters."""
        return frozenset(each.name.lower() for each in tokens(self.sql))


@dataclass(frozen=True)
class Schema:
    """All there is in a database, in the order in which it can be made."""

    things: tuple[Thing, ...]

    @classmethod
    def read(cls, connection: Connection) -> Schema:
        """What is in the database behind ``connection``; not what SQLite makes by itself."""
        rows = connection.exec_driver_sql(_READ)
        return cls._of(map(tuple, rows))

    @classmethod
    def _of(cls, rows: Iterable[tuple[Any, ...]]) -> Schema:
        things = [Thing(*row) for row in rows if row[3] and not row[1].startswith("sqlite_")]
        return cls(()).with_things(things)

    def table(self, name: str) -> Definition | None:
        """The definition of the table ``name``; None where there is none that can be changed."""
        found = [each for each in self.things if each.type == "table" and each.name.lower() == name.lower()]
        return parse(found[0].sql) if found else None

    def tables(self) -> dict[str, Definition]:
        """The definition of each table that has one."""
        found = {each.name: parse(each.sql) for each in self.things if each.type == "table"}
        return {name: definition for name, definition in found.items() if definition is not None}

    def of(self, table: str, type: str) -> list[Thing]:
        """The indexes or triggers of ``table`` that somebody has made."""
        return [each for each in self.things if each.type == type and each.table.lower() == table.lower()]

    def index(self, name: str) -> Thing | None:
        """The index of that name."""
        return next((each for each in self.things if each.type == "index" and each.name == name), None)

    def parts_of(self, table: str) -> tuple[Thing, ...]:
        """The table itself, its indexes and its triggers."""
        return tuple(each for each in self.things if each.table.lower() == table.lower())

    def free_name(self, name: str) -> str:
        """``name``, or with more behind it where something has that name."""
        taken = {each.name.lower() for each in self.things}
        while name.lower() in taken:
            name += "_"
        return name

    def find_mentions(self, table: str) -> list[Thing]:
        """The views, and the triggers of other tables, that have the name of ``table`` in them.

        SQLite renames no table while it finds that one of them speaks of a table that does not exist.
        """
        return [
            each
            for each in self.things
            if each.type in ("view", "trigger") and each.table.lower() != table.lower() and table.lower() in each.words
        ]

    def with_table(self, name: str, definition: Definition, indexes: Iterable[Thing]) -> Schema:
        """The schema with the table ``name`` as ``definition`` has it, and with these indexes."""
        sql = definition.create(_quote(name))
        others = [each for each in self.things if each.type != "index" or each.table.lower() != name.lower()]
        return Schema(()).with_things(
            replace(each, sql=sql) if each.type == "table" and each.name.lower() == name.lower() else each
            for each in (*others, *indexes)
        )

    def with_optional(self, table: str, name: str) -> Schema:
        """The schema with a column of ``table`` that can be NULL, where there is one of that ``name``."""
        definition = self.table(table)
        column = definition.column(name) if definition is not None else None
        if definition is None or column is None:
            return self
        return self.with_table(
            table, definition.with_column(column.without("NOT"), instead_of=name), self.of(table, "index")
        )

    def with_things(self, things: Iterable[Thing]) -> Schema:
        """The schema with more in it."""
        return Schema(tuple(sorted((*self.things, *things), key=lambda each: _ORDER.index(each.type))))

    def without_table(self, name: str) -> Schema:
        """The schema without the table ``name``, its indexes and its triggers."""
        return Schema(tuple(each for each in self.things if each.table.lower() != name.lower()))

    def after(self, statement: str) -> Schema:
        """The schema as ``statement`` leaves it. Raises sqlite3.Error."""
        with closing(self._build()) as connection:
            _persist(connection, statement)
            return self._of(connection.execute(_READ))

    def complaint(self, table: str) -> str | None:
        """What SQLite says is wrong with ``table`` and what speaks of it, if anything is."""
        try:
            self.after(f"ALTER TABLE {_quote(table)} RENAME TO fastman_tried")
        except sqlite3.Error as error:
            return str(error)
        return None

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A connection to a database in memory with this schema."""
        engine = create_engine("sqlite://", creator=self._build)
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()

    def _build(self) -> sqlite3.Connection:
        """A database in memory with this schema; without virtual tables, whose modules need not be there."""
        connection = sqlite3.connect(":memory:")
        try:
            for each in self.things:
                if not each.sql.upper().startswith("CREATE VIRTUAL"):
                    _persist(connection, each.sql)
        except BaseException:
            connection.close()
            raise
        return connection


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _persist(connection: sqlite3.Connection, statement: str) -> None:
    """Execute ``statement``; the collations and functions of the application are stood in for."""
    seen = set()
    while True:
        try:
            connection.execute(statement)
            return
        except sqlite3.OperationalError as error:
            found = _UNKNOWN.search(str(error))
            if found is None or found[0] in seen:
                raise
            seen.add(found[0])
            if found[1] == "function":
                connection.create_function(found[2].removesuffix("()"), -1, lambda *_: None, deterministic=True)
            else:
                connection.create_collation(found[2], lambda one, other: (one > other) - (one < other))
