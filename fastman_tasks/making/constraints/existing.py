"""What a database has of constraints, as far as naming and comparing them needs it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property

from sqlalchemy import Connection, inspect, text
from sqlalchemy.engine.interfaces import ReflectedColumn, ReflectedForeignKeyConstraint

from fastman_tasks.making.renaming.view import Renames, rename_words
from fastman_tasks.making.sqlite.schema import Schema


@dataclass(frozen=True)
class Check:
    """A CHECK in the database. ``is_fixed``: MariaDB has it in the column's definition, where no name drops it."""

    name: str | None
    sql: str
    is_fixed: bool = False


class Existing:
    """Reads the constraints of the database behind ``connection`` as they are after ``renames``; each question is
    asked once, when it comes up."""

    def __init__(self, connection: Connection, renames: Renames | None = None) -> None:
        self.connection = connection
        self._renames = renames or Renames(connection.dialect.default_schema_name)
        self._inspector = inspect(connection)
        self.dialect = connection.dialect.name
        self.is_mysql = self.dialect in {"mysql", "mariadb"}
        self.names = cache(self._names)
        self.checks = cache(self._checks)
        self._all_checks = cache(self._read_checks)

    @property
    def wants_names(self) -> bool:
        """Whether each constraint of a new table gets a name."""
        return True

    def tables(self, schema: str | None) -> set[str]:
        """The names of the tables; none where there is no such schema."""
        return set(self._inspector.get_table_names(schema)) if self._has_schema(schema) else set()

    def _has_schema(self, schema: str | None) -> bool:
        return schema is None or schema in self._inspector.get_schema_names()

    def _names(self, schema: str | None) -> frozenset[str]:
        """Every name that a new constraint cannot have: those of tables, indexes and constraints."""
        if not self._has_schema(schema):
            return frozenset()
        found = self._inspector
        several = (
            found.get_multi_unique_constraints(schema),
            found.get_multi_foreign_keys(schema),
            found.get_multi_indexes(schema),
        )
        names = {each["name"] for kind in several for of_table in kind.values() for each in of_table}
        keys = {key["name"] for key in found.get_multi_pk_constraint(schema).values() if key}
        checks = {check.name for table in self.tables(schema) for check in self.checks(table, schema)}
        return frozenset(name for name in (*names, *keys, *checks, *self.tables(schema)) if name)

    def _checks(self, table: str, schema: str | None) -> tuple[Check, ...]:
        """The CHECKs of ``table``."""
        if self._is_mariadb:
            return tuple(self._renamed_checks(self._renames.old_table(table, schema), schema))
        return self._all_checks(schema).get(table, ())

    def _renamed_checks(self, table: str, schema: str | None) -> Iterator[Check]:
        names = self._renames.columns(table, schema)
        for check in self._mariadb_checks.get((schema or self.default_schema, table), ()):
            sql = rename_words(check.sql, names)
            # One in the definition of a column is lost with the old definition.
            if sql == check.sql or not check.is_fixed:
                yield replace(check, sql=sql)

    def _read_checks(self, schema: str | None) -> dict[str, tuple[Check, ...]]:
        if self.dialect == "sqlite" and schema is None:
            # SQLAlchemy finds them by a pattern, which takes too much where several stand in one line.
            return {
                self._renames.new_table(name, None): tuple(
                    Check(each.name, rename_words(each.condition, self._renames.columns(name, None)))
                    for each in table.clauses()
                    if each.kind == "CHECK"
                )
                for name, table in self._sqlite.tables().items()
            }
        return {
            table: tuple(Check(each["name"], each["sqltext"]) for each in checks)
            for (_, table), checks in self._inspector.get_multi_check_constraints(schema).items()
        }

    def unnamed_uniques(self, table: str, schema: str | None) -> list[list[str]]:
        """The columns of each unique constraint that has no name. Only SQLite has such."""
        if self.dialect != "sqlite" or schema is not None:
            return []
        old = self._renames.old_table(table, None)
        definition = self._sqlite.table(old)
        found = definition.unnamed_uniques() if definition is not None else []
        names = self._renames.columns(old, None)
        return [[names.get(each, each) for each in columns] for columns in found]

    def column(self, table: str, schema: str | None, name: str) -> ReflectedColumn:
        """The column ``name`` of ``table`` as SQLAlchemy reflects it."""
        return next(column for column in self._inspector.get_columns(table, schema) if column["name"] == name)

    def columns(self, table: str, schema: str | None) -> list[str]:
        """The names of the columns of ``table``."""
        return [column["name"] for column in self._inspector.get_columns(table, schema)]

    def has_index(self, table: str, schema: str | None, name: str | None) -> bool:
        """Whether ``table`` has an index of that name."""
        return any(index["name"] == name for index in self._inspector.get_indexes(table, schema))

    def indexes(self, table: str, schema: str | None) -> dict[str | None, list[str]]:
        """The columns, by the names, of the indexes of ``table``, its primary key included."""
        found = {
            each["name"]: [name for name in each["column_names"] if name]
            for each in self._inspector.get_indexes(table, schema)
        }
        return found | {None: self._inspector.get_pk_constraint(table, schema)["constrained_columns"]}

    def foreign_keys(self, table: str, schema: str | None) -> list[ReflectedForeignKeyConstraint]:
        """The foreign keys of ``table`` as SQLAlchemy reflects them."""
        return self._inspector.get_foreign_keys(table, schema)

    @cached_property
    def _sqlite(self) -> Schema:
        return Schema.read(self.connection)

    @property
    def _is_mariadb(self) -> bool:
        return bool(getattr(self.connection.dialect, "is_mariadb", False))

    @property
    def default_schema(self) -> str | None:
        """The schema of a table that names none."""
        return self.connection.dialect.default_schema_name

    @cached_property
    def _mariadb_checks(self) -> dict[tuple[str | None, str], tuple[Check, ...]]:
        # What stands in a column's definition SHOW CREATE TABLE writes without a name, and SQLAlchemy overlooks it.
        rows = self.connection.execute(
            text(
                "SELECT constraint_schema, table_name, constraint_name, check_clause, level "
                "FROM information_schema.check_constraints ORDER BY constraint_name"
            )
        )
        found: dict[tuple[str | None, str], tuple[Check, ...]] = {}
        for schema, table, name, sql, level in rows:
            check = Check(name, sql, is_fixed=level == "Column")
            found[schema, table] = (*found.get((schema, table), ()), check)
        return found
