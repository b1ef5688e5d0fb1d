"""Operations that create, change and drop PostgreSQL's enum types, and how a migration writes them down.

They are written as plain statements, which run under ``alembic upgrade --sql``, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

from fastman_tasks.making.enums.catalog import Dependent, EnumColumn
from fastman_tasks.making.enums.sql import additions, join_literals, rename_in, rename_members, without_cast
from fastman_tasks.making.enums.types import ARRAY, ENUM, EnumType
from fastman_tasks.making.sql import statements
from fastman_tasks.making.sql.statements import StatementsOp
from fastman_tasks.making.sql.text import escape, literal, python_literal, qualify


def create_enum(dialect: Dialect, kind: EnumType) -> StatementsOp:
    """Creates the type."""
    return StatementsOp(f"create type {kind.label}", [_create(dialect, kind.key, kind.members)])


def drop_enum(dialect: Dialect, kind: EnumType) -> StatementsOp:
    """Drops the type, which no column uses any more."""
    return StatementsOp(f"drop type {kind.label}", [f"DROP TYPE {qualify(dialect, *kind.key)}"])


@dataclass(frozen=True)
class Side:
    """What there is before, or after, an enum type changes: its columns with their defaults, and what depends on them.

    Of ``columns``, both sides have the same, in the same order.
    """

    members: tuple[str, ...]
    columns: tuple[EnumColumn, ...]
    dependents: tuple[Dependent, ...]


class ChangeEnumOp(ops.MigrateOperation):
    """Changes the members of an enum type from ``before`` to ``after``.

    ``renames`` (old, new) come first, or last on the way back. Members are added in place with ``in_place``; otherwise
    a new type replaces the old one, which gets the name ``aside`` meanwhile. ``keeps`` says why it does not on the way
    back: then the members stay, and are added again only if they are not there.
    """

    def __init__(
        self,
        dialect: Dialect,
        kind: EnumType,
        before: Side,
        after: Side,
        *,
        renames: tuple[tuple[str, str], ...],
        aside: str,
        says: str,
        in_place: bool,
        keeps: str = "",
        is_back: bool = False,
    ) -> None:
        self.dialect, self.kind, self.before, self.after = dialect, kind, before, after
        self.renames, self.aside, self.says = renames, aside, says
        self.in_place, self.keeps, self.is_back = in_place, keeps, is_back
        #: Whether nothing else is in its function, which would be empty then.
        self.is_alone = False

    def reverse(self) -> ChangeEnumOp:
        """The way back; a type cannot lose a member in place."""
        return ChangeEnumOp(
            self.dialect,
            self.kind,
            self.after,
            self.before,
            renames=tuple((new, old) for old, new in reversed(self.renames)),
            aside=self.aside,
            says=self.says,
            in_place=False,
            keeps=self.keeps,
            is_back=True,
        )

    def write(self, writer: Writer) -> list[str]:
        """The lines of the file."""
        name = qualify(self.dialect, *self.kind.key)
        renames = [
            writer.execute(f"ALTER TYPE {name} RENAME VALUE {literal(old)} TO {literal(new)}")
            for old, new in self.renames
        ]
        mapped = rename_members(self.before.members, [] if self.is_back else self.renames)
        # What the type has to have while the last renames on the way back are still to come.
        wanted = rename_members(self.after.members, [(new, old) for old, new in self.renames] if self.is_back else [])
        if self.keeps and self.is_back:
            mapped = wanted
        replaces = mapped != wanted and not self.in_place
        stay = {each.place for each in self.after.dependents}
        # What stays follows new names by itself.
        left = set() if replaces else {each.place for each in self.before.dependents if each.place in stay}
        lines = self._explain() if self.keeps and self.is_back else []
        lines += [] if self.is_back else renames
        lines += [writer.drop(each) for each in self.before.dependents if each.place not in left]
        if replaces:
            lines += self._replace(writer, wanted)
        elif mapped != wanted:
            lines += [
                writer.execute(f"ALTER TYPE {name} {each}") for each in additions(mapped, wanted, bool(self.keeps))
            ]
        lines += renames if self.is_back else []
        lines += self._defaults(writer, replaces)
        lines += [writer.execute(_restore(self.dialect, each)) for each in self.after.dependents
                  if each.place not in left]  # fmt: skip
        return lines

    def _explain(self) -> list[str]:
        text = f"Nothing to undo: {self.keeps}."
        # A function that is empty on purpose says so in its docstring.
        return [repr(text)] if self.is_alone and not self.renames else [f"# {text}"]

    def _replace(self, writer: Writer, members: tuple[str, ...]) -> list[str]:
        quote = self.dialect.identifier_preparer.quote
        name, aside = (qualify(self.dialect, self.kind.schema, each) for each in (self.kind.name, self.aside))
        lines = [writer.alter(each, "server_default=None") for each in self.before.columns if each.default is not None]
        lines.append(writer.execute(f"ALTER TYPE {name} RENAME TO {quote(self.aside)}"))
        lines.append(writer.execute(_create(self.dialect, self.kind.key, members)))
        for column in self.after.columns:
            type_: TypeEngine[Any] = ENUM(*members, name=self.kind.name, schema=self.kind.schema, create_type=False)
            type_ = ARRAY(type_) if column.is_array else type_
            items = "[]" if column.is_array else ""
            lines.append(writer.convert(column, type_, f"{quote(column.name)}::text{items}::{name}{items}"))
        return [*lines, writer.execute(f"DROP TYPE {aside}")]

    def _defaults(self, writer: Writer, dropped: bool) -> list[str]:
        lines = []
        for before, after in zip(self.before.columns, self.after.columns, strict=True):
            there = None if dropped or before.default is None else rename_in(before.default, self.renames)
            if without_cast(there) != without_cast(after.default):
                lines.append(writer.set_default(after))
        return lines


class ConvertColumnOp(ops.MigrateOperation):
    """Gives a column another type, where one of both is an enum: its default and what depends on it go meanwhile."""

    def __init__(
        self, dialect: Dialect, before: Side, after: Side, type_: TypeEngine[Any], using: str, says: str
    ) -> None:
        self.dialect, self.before, self.after, self.type, self.using = dialect, before, after, type_, using
        self.says = says

    def write(self, writer: Writer) -> list[str]:
        """The lines of the file."""
        column, after = self.before.columns[0], self.after.columns[0]
        lines = [writer.drop(each) for each in self.before.dependents]
        lines += [writer.alter(column, "server_default=None")] if column.default is not None else []
        lines.append(writer.convert(column, self.type, self.using))
        lines += [writer.set_default(after)] if after.default is not None else []
        return lines + [writer.execute(_restore(self.dialect, each)) for each in self.after.dependents]


class Writer:
    """Writes single lines of a migration."""

    def __init__(self, context: AutogenContext) -> None:
        self._context = context
        self._op, self._sa = (context.opts[f"{name}_module_prefix"] or "" for name in ("alembic", "sqlalchemy"))

    def execute(self, sql: str) -> str:
        """Runs ``sql``."""
        return statements.execute(self._context, sql)

    def alter(self, column: EnumColumn, *changes: str) -> str:
        """Changes ``column``."""
        schema = [f"schema={column.schema!r}"] if column.schema else []
        # Broken as Alembic breaks its own.
        arguments = ",\n               ".join([f"{column.table!r}, {column.name!r}", *changes, *schema])
        return f"{self._op}alter_column({arguments})"

    def convert(self, column: EnumColumn, type_: TypeEngine[Any], using: str) -> str:
        """Gives ``column`` another type."""
        if type(type_).__module__.startswith("sqlalchemy.dialects."):
            self._context.imports.add("from sqlalchemy.dialects import postgresql")
            name = f"postgresql.{type_!r}"
        else:
            name = f"{self._sa}{type_!r}"
        return self.alter(column, f"type_={name}", f"postgresql_using={python_literal(using)}")

    def set_default(self, column: EnumColumn) -> str:
        """Gives ``column`` its default."""
        default = f"{self._sa}text({python_literal(escape(column.default))})" if column.default is not None else "None"
        return self.alter(column, f"server_default={default}")

    def drop(self, dependent: Dependent) -> str:
        """Drops a CHECK or an index."""
        arguments = [f"{self._op}f({dependent.name!r})"]
        arguments += [f"table_name={dependent.table!r}" if dependent.is_index else repr(dependent.table)]
        arguments += [] if dependent.is_index else ["type_='check'"]
        arguments += [f"schema={dependent.schema!r}"] if dependent.schema else []
        return f"{self._op}{'drop_index' if dependent.is_index else 'drop_constraint'}({', '.join(arguments)})"


@renderers.dispatch_for(ChangeEnumOp)
@renderers.dispatch_for(ConvertColumnOp)
def _render(context: AutogenContext, operation: ChangeEnumOp | ConvertColumnOp) -> list[str]:
    return operation.write(Writer(context))


def _restore(dialect: Dialect, dependent: Dependent) -> str:
    if dependent.is_index:
        return dependent.definition
    table = qualify(dialect, dependent.schema, dependent.table)
    return f"ALTER TABLE {table} ADD CONSTRAINT {dialect.identifier_preparer.quote(dependent.name)} " + (
        dependent.definition
    )


def _create(dialect: Dialect, key: tuple[str | None, str], members: Sequence[str]) -> str:
    return f"CREATE TYPE {qualify(dialect, *key)} AS ENUM ({join_literals(members)})"
