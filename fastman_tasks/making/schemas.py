"""Tables in schemas of their own: Alembic does not look there unless it is told to, nor does it create a schema."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData, inspect

from fastman_tasks.making.sql.statements import StatementsOp

_STATEMENT = re.compile(r"\b(CREATE|DROP) SCHEMA (?:IF (?:NOT )?EXISTS )?[\"`]?([^\s\"'`;]+)", re.IGNORECASE)
_WITH_SCHEMAS = {"postgresql", "mysql", "mariadb"}


class SchemaOp(StatementsOp):
    """Creates a schema, or drops it."""


class Schemas:
    """The schemas of the models' tables, and those that the migrations in ``files`` create.

    A schema that a migration also drops, on its way back, is the project's own. Of any other, only tables that the
    models have are compared: other applications may have more there.
    """

    def __init__(self, context: MigrationContext, files: Iterable[Path]) -> None:
        self._context = context
        metadata = context.opts["target_metadata"] or ()
        several: Iterable[MetaData] = [metadata] if isinstance(metadata, MetaData) else metadata
        self._tables = {(table.schema, table.name) for each in several for table in each.tables.values()}
        self._created: set[str] = set()
        self._own: set[str] = set()
        if context.bind is not None and context.bind.dialect.name in _WITH_SCHEMAS:
            for file in files:
                for verb, name in _STATEMENT.findall(file.read_text("utf-8", "replace")):
                    (self._created if verb.upper() == "CREATE" else self._own).add(name)

    def include(self) -> None:
        """Have the comparison look into them; an env.py that sets ``include_schemas`` itself is left alone."""
        options, connection = self._context.opts, self._context.bind
        if connection is None or connection.dialect.name not in _WITH_SCHEMAS or options.get("include_schemas"):
            return
        default = connection.dialect.default_schema_name
        included = ({schema for schema, _ in self._tables} | self._own) - {None, default}
        if not included:
            return
        filter_of_env_py = options.get("include_name")

        def include_name(name: str | None, kind: str, parents: Any) -> bool:
            if kind == "schema" and name is not None and name not in included:
                return False
            schema = parents.get("schema_name")
            if kind == "table" and schema and schema not in self._own and (schema, name) not in self._tables:
                return False
            return filter_of_env_py is None or bool(filter_of_env_py(name, kind, parents))

        options.update(include_schemas=True, include_name=include_name)

    def create(self, upgrade: ops.UpgradeOps, connection: Connection) -> None:
        """Begin ``upgrade`` with the schemas that its new tables need and no migration creates. Its way back drops
        those that are not there now."""
        if connection.dialect.name not in _WITH_SCHEMAS:
            return
        needed = {each.schema for each in upgrade.ops if isinstance(each, ops.CreateTableOp)}
        there = {None, connection.dialect.default_schema_name}
        missing = sorted(str(each) for each in needed - there - self._created)
        if not missing:
            return
        existing = set(inspect(connection).get_schema_names())
        quote = connection.dialect.identifier_preparer.quote
        # MySQL's schemas are its databases: dropping one drops all that others have in it.
        droppable = connection.dialect.name == "postgresql"
        upgrade.ops[:0] = [
            SchemaOp(
                f"create schema {name}",
                [f"CREATE SCHEMA IF NOT EXISTS {quote(name)}"],
                [f"DROP SCHEMA {quote(name)} RESTRICT"] if droppable and name not in existing else [],
            )
            for name in missing
        ]
