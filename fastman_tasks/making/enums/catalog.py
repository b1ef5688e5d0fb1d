"""The enum types of a PostgreSQL database, their columns, and what depends on both, out of its catalog."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from sqlalchemy import Connection, text

from fastman_tasks.making.enums.types import EnumType


@dataclass(frozen=True)
class EnumColumn:
    """A column whose type, or whose items' type, is an enum type; ``default`` is SQL."""

    schema: str | None
    table: str
    name: str
    is_array: bool = False
    default: str | None = None

    @property
    def place(self) -> tuple[str | None, str, str]:
        """What tells it from other columns."""
        return self.schema, self.table, self.name


@dataclass(frozen=True)
class Dependent:
    """A CHECK, or an index with an expression or a condition, of an enum column: it has to go while the type changes.

    ``definition`` is what follows ``ADD CONSTRAINT name`` of a CHECK, and all of the CREATE INDEX of an index.
    """

    schema: str | None
    table: str
    name: str
    definition: str
    is_index: bool

    @property
    def place(self) -> tuple[str | None, str, str, bool]:
        """What tells it from others."""
        return self.schema, self.table, self.name, self.is_index


@dataclass(frozen=True)
class ExistingEnum:
    """An enum type of the database."""

    type: EnumType
    id: int
    columns: tuple[EnumColumn, ...] = ()


_TYPES = """
SELECT t.oid, n.nspname, t.typname, array_agg(e.enumlabel::text ORDER BY e.enumsortorder)
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace JOIN pg_enum e ON e.enumtypid = t.oid
GROUP BY t.oid, n.nspname, t.typname
"""
# An inherited column is altered with its parent's.
_COLUMNS = """
SELECT t.oid, n.nspname, c.relname, a.attname, a.atttypid = t.typarray, pg_get_expr(d.adbin, d.adrelid)
FROM pg_type t JOIN pg_attribute a ON a.atttypid IN (t.oid, t.typarray) AND NOT a.attisdropped AND a.attinhcount = 0
JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p') JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum) AND a.attgenerated = ''
WHERE t.typtype = 'e' ORDER BY n.nspname, c.relname, a.attnum
"""
_COLUMN = """
SELECT a.attrelid, a.attnum FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = :schema AND c.relname = :table AND a.attname = :name
"""
_CHECKS = """
SELECT conname, pg_get_constraintdef(oid, true) FROM pg_constraint
WHERE contype = 'c' AND conrelid = :table AND :column = ANY (conkey) AND coninhcount = 0 ORDER BY conname
"""
_INDEXES = """
SELECT c.relname, pg_get_indexdef(c.oid, 0, true) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = :table AND (i.indpred IS NOT NULL OR i.indexprs IS NOT NULL)
AND EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
    AND d.refobjid = i.indrelid AND d.refobjsubid = :column)
AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = c.oid AND k.conrelid = i.indrelid)
ORDER BY c.relname
"""
_USERS_OF_COLUMN = """
SELECT pg_describe_object(d.classid, d.objid, d.objsubid) FROM pg_depend d
LEFT JOIN pg_trigger t ON d.classid = 'pg_trigger'::regclass AND t.oid = d.objid
LEFT JOIN pg_constraint k ON d.classid = 'pg_constraint'::regclass AND k.oid = d.objid
LEFT JOIN pg_attrdef g ON d.classid = 'pg_attrdef'::regclass AND g.oid = d.objid
WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = :table AND d.refobjsubid = :column
AND (d.classid IN ('pg_rewrite'::regclass, 'pg_policy'::regclass) OR NOT t.tgisinternal OR k.contype IN ('f', 'x')
    OR (g.oid IS NOT NULL AND g.adnum <> :column))
"""
_USERS_OF_TYPE = """
SELECT pg_describe_object(d.classid, d.objid, d.objsubid) FROM pg_depend d JOIN pg_type t ON t.oid = :type
LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
WHERE d.refclassid = 'pg_type'::regclass AND d.refobjid IN (t.oid, t.typarray)
AND (d.classid IN ('pg_proc'::regclass, 'pg_cast'::regclass, 'pg_operator'::regclass, 'pg_rewrite'::regclass,
    'pg_policy'::regclass, 'pg_trigger'::regclass) OR c.relkind = 'c'
    OR (d.classid = 'pg_type'::regclass AND d.objid <> t.typarray))
"""


class Catalog:
    """Reads the catalog behind ``connection``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.default_schema = connection.dialect.default_schema_name

    def enums(self) -> dict[tuple[str | None, str], ExistingEnum]:
        """The enum types by their keys."""
        found = {
            id: ExistingEnum(EnumType(self._schema(schema), name, tuple(members)), id)
            for id, schema, name, members in self._connection.execute(text(_TYPES))
        }
        for id, schema, *rest in self._connection.execute(text(_COLUMNS)):
            if id in found:
                column = EnumColumn(self._schema(schema), *rest)
                found[id] = replace(found[id], columns=(*found[id].columns, column))
        return {each.type.key: each for each in found.values()}

    def dependents(self, columns: Iterable[EnumColumn]) -> tuple[Dependent, ...]:
        """The CHECKs of ``columns``, and the indexes with an expression or a condition."""
        found: dict[Dependent, None] = {}
        for column in columns:
            where = self._numbers(column)
            for is_index, query in ((False, _CHECKS), (True, _INDEXES)):
                for name, definition in self._connection.execute(text(query), where):
                    found[Dependent(column.schema, column.table, name, definition, is_index)] = None
        return tuple(found)

    def hindrances(self, type_: int | None, columns: Iterable[EnumColumn]) -> list[str]:
        """What keeps ``columns`` from another type, and what else than columns uses the type: views, functions, …"""
        found = {row[0] for column in columns
                 for row in self._connection.execute(text(_USERS_OF_COLUMN), self._numbers(column))}  # fmt: skip
        if type_ is not None:
            found |= {row[0] for row in self._connection.execute(text(_USERS_OF_TYPE), {"type": type_})}
        return sorted(found)

    def _numbers(self, column: EnumColumn) -> dict[str, int]:
        where = {"schema": column.schema or self.default_schema, "table": column.table, "name": column.name}
        table, number = self._connection.execute(text(_COLUMN), where).one()
        return {"table": table, "column": number}

    def _schema(self, name: str) -> str | None:
        return None if name == self.default_schema else name
