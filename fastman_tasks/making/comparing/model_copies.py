"""Copies of the models' tables, for the database to make and to describe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import CheckConstraint, Connection, Enum, MetaData, PrimaryKeyConstraint, Table, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.sql import quoted_name
from sqlalchemy.sql.elements import conv
from sqlalchemy.types import TypeEngine

from fastman_tasks.making.comparing.table_states import Pair, Place, TableState
from fastman_tasks.making.constraints import names
from fastman_tasks.making.sql.text import escape


@dataclass(frozen=True)
class Copy:
    """A copy of a model's table under a name that nothing else has, and without keys to other tables.

    ``checks`` and ``indexes`` are the model's, by the names that the copy has for them.
    """

    place: Place
    model: Table
    table: Table
    checks: Mapping[str, CheckConstraint]
    indexes: Mapping[str, str]

    def create(self, connection: Connection, options: Mapping[str, Any]) -> None:
        """Make the table, a temporary one, and its indexes, with execution ``options``. What listens to the creation
        of the model's is not called."""
        create = _CreateTemporaryTable(self.table, include_foreign_key_constraints=[])
        connection.execute(create, execution_options=options)
        for index in self.table.indexes:
            connection.execute(CreateIndex(index), execution_options=options)

    def pair(self, there: TableState, made: TableState) -> Pair:
        """``made`` is what the database says of the copy, ``there`` what it has."""
        indexes = {self.indexes[name]: index for name, index in made.indexes.items() if name in self.indexes}
        conditions = {check: made.checks[name] for name, check in self.checks.items() if name in made.checks}
        wanted = TableState(columns=made.columns, indexes=indexes, others=made.others)
        return Pair(self.model, there, wanted, conditions)


def copy(number: int, place: Place, model: Table, dialect: Dialect) -> Copy:
    """The copy of ``model``, which is at ``place`` in the database; ``number`` tells it from others."""
    metadata = MetaData(naming_convention=model.metadata.naming_convention)
    # None is documented, and not in the annotation.
    table = model.to_metadata(metadata, schema=None)  # type: ignore[arg-type]
    # Only now: what a naming convention makes of a table's name is the same as in the model.
    table.name = quoted_name(f"fastman_{number}", quote=False)
    named = {str(index.name): index for index in table.indexes if index.name is not None and index.expressions}
    table.indexes.clear()
    table.indexes.update(named.values())
    indexes = {f"{table.name}_i{at}": name for at, name in enumerate(named)}
    for name, original in indexes.items():
        named[original].name = quoted_name(name, quote=False)
    for constraint in list(table.constraints):
        if isinstance(constraint, PrimaryKeyConstraint | ExcludeConstraint):
            constraint.name = None
        else:
            table.constraints.discard(constraint)
    for column in table.columns:
        column.constraints.clear()
    # Of no use for a table that holds nothing, or not to be had for a temporary one.
    for option in ("inherits", "tablespace", "with", "with_oids", "on_commit", "partition_by", "using"):
        table.dialect_options["postgresql"][option] = None
    for index in table.indexes:
        index.dialect_options["postgresql"].update(concurrently=None, tablespace=None)
    checks: dict[str, CheckConstraint] = {}
    for check in names.checks_of(model):
        sql = names.sql_of(check, dialect)
        if sql is not None:
            # What a naming convention would make of it is not what is looked for.
            name = conv(f"{table.name}_c{len(checks)}")
            table.append_constraint(CheckConstraint(text(escape(sql)), name=name, **check.dialect_kwargs))
            checks[name] = check
    return Copy(place, model, table, checks, indexes)


def enums(copies: Iterable[Copy], dialect: Dialect) -> list[Enum]:
    """The enumerations of the copies' columns that are types of the database; one for each schema and name."""
    found: dict[tuple[str | None, str], Enum] = {}
    for each in copies:
        for column in each.table.columns:
            kind = _innermost(column.type, dialect)
            if isinstance(kind, Enum) and kind.native_enum and kind.name:
                found[kind.schema, kind.name] = kind
    return list(found.values())


def _innermost(kind: TypeEngine[object], dialect: Dialect) -> TypeEngine[object]:
    """What ``kind`` comes down to in this database, of an array the type of its items."""
    kind = kind.dialect_impl(dialect)
    inner = getattr(kind, "impl_instance", None) or getattr(kind, "item_type", None)
    return _innermost(inner, dialect) if isinstance(inner, TypeEngine) and inner is not kind else kind


class _CreateTemporaryTable(CreateTable):
    inherit_cache = False


@compiles(_CreateTemporaryTable)
def _compile(create: _CreateTemporaryTable, compiler: object, **options: object) -> str:
    sql: str = compiler.visit_create_table(create, **options)  # type: ignore[attr-defined]
    return sql.replace("CREATE TABLE", "CREATE TEMPORARY TABLE", 1)
