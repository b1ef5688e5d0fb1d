"""Tables that are not the project's: another application's, an extension's, a partitioned table's. Comparison leaves
them out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

from alembic.operations import ops
from sqlalchemy import Connection, TextClause, text

_OF_EXTENSIONS = text(
    "SELECT n.nspname, c.relname FROM pg_depend d "
    "JOIN pg_class c ON c.oid = d.objid JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'"
)
_PARTITIONS = text(
    "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relispartition"
)


def narrow(options: MutableMapping[str, Any], connection: Connection | None, patterns: Iterable[str]) -> None:
    """Have ``options`` for Alembic's context leave out the tables that ``patterns`` (``celery_*``, ``audit.*``) name,
    and on PostgreSQL those that an extension made and partitions without a model, besides what they leave out already.

    A pattern without a schema is for tables of that name in any schema. The database is asked when something is
    compared; without ``connection`` nothing can be.
    """
    if connection is None:
        return
    ignored = _Ignored(tuple(patterns), connection)
    include_name, include_object = options.get("include_name"), options.get("include_object")

    def name_filter(name: str | None, type_: str, parents: Mapping[str, Any]) -> bool:
        if type_ == "table" and name is not None and ignored.has(name, parents.get("schema_name")):
            return False
        return include_name is None or bool(include_name(name, type_, parents))

    def object_filter(item: Any, name: str | None, type_: str, reflected: bool, compared: Any) -> bool:
        if type_ == "table" and name is not None and ignored.has(name, item.schema):
            return False
        if type_ == "table" and reflected and compared is None and ignored.is_partition(str(name), item.schema):
            return False
        return include_object is None or bool(include_object(item, name, type_, reflected, compared))

    options.update(include_name=name_filter, include_object=object_filter)


@dataclass
class _Ignored:
    patterns: tuple[str, ...]
    connection: Connection

    def has(self, table: str, schema: str | None) -> bool:
        schema = self._schema(schema)
        return (schema, table) in self._of_extensions or any(
            fnmatchcase(f"{schema}.{table}" if "." in pattern else table, pattern) for pattern in self.patterns
        )

    def is_partition(self, table: str, schema: str | None) -> bool:
        return (self._schema(schema), table) in self._partitions

    def _schema(self, schema: str | None) -> str:
        return schema or self.connection.dialect.default_schema_name or ""

    @cached_property
    def _of_extensions(self) -> frozenset[tuple[str, str]]:
        return self._places(_OF_EXTENSIONS)

    @cached_property
    def _partitions(self) -> frozenset[tuple[str, str]]:
        return self._places(_PARTITIONS)

    def _places(self, query: TextClause) -> frozenset[tuple[str, str]]:
        if self.connection.dialect.name != "postgresql":
            return frozenset()
        return frozenset((schema, table) for schema, table in self.connection.execute(query))


def way_out(operations: ops.UpgradeOps | None, patterns: Iterable[str]) -> list[str]:
    """A line on how to have the tables ignored that ``operations`` drop; none where they drop none."""
    dropped = [
        f"{each.schema}.{each.table_name}" if each.schema else each.table_name
        for each in (operations.ops if operations else ())
        if isinstance(each, ops.DropTableOp)
    ]
    value = ",".join(dict.fromkeys([*patterns, *dropped]))
    return [f"If another application owns the tables: FASTMAN_IGNORE_TABLES={value}"] if dropped else []
