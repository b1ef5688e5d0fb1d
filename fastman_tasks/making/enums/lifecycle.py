"""Completes a migration with what it does to PostgreSQL's enum types, which Alembic's comparison leaves out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

from alembic.autogenerate import render_python_code
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column

from fastman_tasks.errors import MigrationRefused
from fastman_tasks.making.decisions import Questions
from fastman_tasks.making.enums import columns as enum_columns
from fastman_tasks.making.enums import conversions, rows
from fastman_tasks.making.enums import members as enum_members
from fastman_tasks.making.enums.catalog import Catalog, Dependent, EnumColumn, ExistingEnum
from fastman_tasks.making.enums.members import Difference
from fastman_tasks.making.enums.operations import ChangeEnumOp, Side, create_enum, drop_enum
from fastman_tasks.making.enums.sql import rename_in
from fastman_tasks.making.enums.types import EnumType, enum_of
from fastman_tasks.making.schemas import SchemaOp
from fastman_tasks.making.sql.text import literal

_Key: TypeAlias = "tuple[str | None, str]"
Renames: TypeAlias = "tuple[tuple[str, str], ...]"


def complete(context: MigrationContext, script: ops.MigrationScript, questions: Questions) -> None:
    """Complete both directions of ``script`` in place, after they have been made from the comparison.

    Types are created before all tables and dropped after them; members are changed before all tables, and back after
    them. ``questions`` get what may have been renamed. Raises MigrationRefused for rows with a member that is removed.
    """
    upgrade, downgrade = script.upgrade_ops, script.downgrade_ops
    if upgrade is None or downgrade is None or context.bind is None or context.bind.dialect.name != "postgresql":
        return
    _Completion(context, upgrade, downgrade, questions).complete()


def create_all(context: MigrationContext, script: ops.MigrationScript) -> None:
    """Have ``script``, which makes all of a database, create the types of its columns before all tables and drop them
    after them."""
    upgrade, downgrade = script.upgrade_ops, script.downgrade_ops
    assert upgrade is not None and downgrade is not None
    dialect = context.dialect
    if dialect.name != "postgresql":
        return
    created = enum_columns.find_types(upgrade, dialect, dialect.default_schema_name)
    for operations in (upgrade, downgrade):
        enum_columns.write_types(operations, dialect)
    _surround(upgrade, [create_enum(dialect, each) for each in created], [])
    _surround(downgrade, [], [drop_enum(dialect, each) for each in created])


class _Completion:
    def __init__(
        self, context: MigrationContext, upgrade: ops.UpgradeOps, downgrade: ops.DowngradeOps, questions: Questions
    ) -> None:
        assert context.bind is not None
        self._context, self._connection, self._dialect = context, context.bind, context.bind.dialect
        self._upgrade, self._downgrade, self._questions = upgrade, downgrade, questions
        self._catalog = Catalog(self._connection)
        self._existing = self._catalog.enums()
        self._models = {
            self._place(column): column
            for table in enum_columns.compared_tables(context, self._catalog.default_schema)
            for column in table.columns
        }

    def complete(self) -> None:
        wanted = self._model_types()
        default_schema = self._catalog.default_schema
        used = enum_columns.find_types(self._upgrade, self._dialect, default_schema)
        created = [each for each in used if each.key not in self._existing]
        dropped = [each.type for each in self._existing.values() if self._loses_last_use(each)]
        conversions.convert(self._upgrade, self._downgrade, self._connection, self._catalog)
        for operations in (self._upgrade, self._downgrade):
            enum_columns.write_types(operations, self._dialect)
        changes = [
            self._change(self._existing[key], each)
            for key, each in wanted.items()
            if key in self._existing and self._existing[key].type.members != each.members
        ]
        create = [create_enum(self._dialect, each) for each in created]
        drop = [drop_enum(self._dialect, each) for each in dropped]
        _surround(self._upgrade, [*create, *changes], drop)
        _surround(
            self._downgrade,
            [create_enum(self._dialect, each) for each in dropped],
            [*(each.reverse() for each in reversed(changes)), *(drop_enum(self._dialect, each) for each in created)],
        )
        if len(self._downgrade.ops) == 1 and isinstance(only := self._downgrade.ops[0], ChangeEnumOp):
            only.is_alone = True

    def _model_types(self) -> dict[_Key, EnumType]:
        """The enum types of the models' columns."""
        found: dict[_Key, tuple[EnumType, str]] = {}
        for column in self._models.values():
            kind = enum_of(column.type, self._dialect, self._catalog.default_schema)
            if kind is None:
                continue
            place = f"{column.table.fullname}.{column.name}"
            if not kind.name:
                raise MigrationRefused(
                    f"The enum of {place} has no name, and PostgreSQL's have one. Nothing was written. Give it one in "
                    "the models: Enum(…, name=…)."
                )
            other, other_place = found.setdefault(kind.key, (kind, place))
            if other.members != kind.members:
                raise MigrationRefused(
                    f"Two enums of the models are named {kind.label}, with other members: those of {other_place} and "
                    f"{place}. Nothing was written. Give one of them another name: Enum(…, name=…)."
                )
        return {key: kind for key, (kind, _) in found.items()}

    def _place(self, column: Column[object]) -> tuple[str | None, str, str]:
        schema = None if column.table.schema == self._catalog.default_schema else column.table.schema
        return schema, column.table.name, column.name

    def _loses_last_use(self, existing: ExistingEnum) -> bool:
        """Whether columns use the type now, and nothing does after the upgrade."""
        if not existing.columns:
            return False
        after = enum_columns.find_remaining(self._upgrade, existing, self._dialect, self._catalog.default_schema)
        return not after and not self._catalog.hindrances(existing.id, ())

    def _change(self, existing: ExistingEnum, wanted: EnumType) -> ChangeEnumOp:
        difference = enum_members.compare(wanted.label, existing.type.members, wanted.members, self._questions)
        in_place = difference.only_adds and not self._mentions(existing, difference.added)
        columns, dependents = existing.columns, self._catalog.dependents(existing.columns)
        if difference.removed:
            old = {new: old for old, new in difference.renames}
            there = [*difference.wanted, *(old[each] for each in difference.renamed if each in old)]
            hint = difference.hint(wanted.label)
            for column in columns:
                rows.refuse_strange(self._connection, column.place, there, is_array=column.is_array, hint=hint)
        keeps = ""
        if not difference.is_rename and (hindrances := self._catalog.hindrances(existing.id, columns)):
            keeps = self._keep_or_refuse(wanted, difference, hindrances, in_place)
        before = Side(existing.type.members, columns, dependents)
        after = Side(
            wanted.members,
            self._take_defaults(columns, difference),
            self._take_dependents(dependents, difference.renames),
        )
        return ChangeEnumOp(
            self._dialect,
            wanted,
            before,
            after,
            renames=difference.renames,
            aside=self._free_name(wanted),
            says=f"change type {wanted.label}: {difference.text}",
            in_place=in_place,
            keeps=keeps,
        )

    def _keep_or_refuse(self, wanted: EnumType, difference: Difference, hindrances: list[str], in_place: bool) -> str:
        """Why the way back keeps the members that are added; refuses where another type has to replace this one."""
        listed = ", ".join(hindrances)
        if in_place:
            members = ", ".join(map(repr, difference.added))
            return f"the type {wanted.label} keeps {members}, since PostgreSQL would replace it under: {listed}"
        raise MigrationRefused(
            f"The type {wanted.label} has to be replaced ({difference.text}), and PostgreSQL does not replace it "
            f"under: {listed}. Nothing was written.\n"
            "Drop that in a migration before this one, made with --empty, and create it again in one after it."
        )

    def _mentions(self, existing: ExistingEnum, members: tuple[str, ...]) -> bool:
        """Whether the upgrade uses ``members``, which PostgreSQL allows in a new type only, not in an old one that got
        them in the same transaction."""
        after = enum_columns.find_remaining(self._upgrade, existing, self._dialect, self._catalog.default_schema)
        tables = {place[:2] for place in (*after, *(column.place for column in existing.columns))}
        about = [
            each
            for each in self._upgrade.ops
            if not hasattr(each, "table_name") or (getattr(each, "schema", None), each.table_name) in tables
        ]
        code = render_python_code(ops.UpgradeOps(about))
        for kind in enum_columns.written_types(self._upgrade):
            code = code.replace(repr(kind), "")
        return any(literal(each) in code or repr(each) in code or repr(literal(each))[1:-1] in code for each in members)

    def _take_defaults(self, columns: tuple[EnumColumn, ...], difference: Difference) -> tuple[EnumColumn, ...]:
        """``columns`` as they are to be afterwards, with the defaults that the operations give them, which then do not:
        the default is part of the change of the type, both ways."""
        found = []
        for column in columns:
            default = None if column.default is None else rename_in(column.default, difference.renames)
            model = self._models.get(column.place)
            if default and model is not None and any(each in default for each in difference.removed):
                # Whoever compares defaults or not: this one cannot stay.
                default = enum_columns.default_sql(model.server_default, self._dialect)
            for change, alter in enum_columns.alterations(self._upgrade):
                if enum_columns.place_of(alter) == column.place and alter.modify_server_default is not False:
                    default = enum_columns.default_sql(alter.modify_server_default, self._dialect)
                    alter.modify_server_default = False
                    enum_columns.drop_empty(change)
            for change, alter in enum_columns.alterations(self._downgrade):
                if enum_columns.place_of(alter) == column.place:
                    alter.modify_server_default = False
                    enum_columns.drop_empty(change)
            found.append(replace(column, default=default))
        return tuple(found)

    def _take_dependents(self, dependents: tuple[Dependent, ...], renames: Renames) -> tuple[Dependent, ...]:
        """What of ``dependents`` is there afterwards. The operations that drop the others, and bring them back, go."""
        left = []
        for each in dependents:
            if enum_columns.take_drop(self._upgrade, each):
                enum_columns.take_creation(self._downgrade, each)
            else:
                left.append(replace(each, definition=rename_in(each.definition, renames)))
        return tuple(left)

    def _free_name(self, kind: EnumType) -> str:
        name = f"{kind.name[:58]}_old"
        while (kind.schema, name) in self._existing:
            name = f"{name[:61]}_"
        return name


def _surround(
    operations: ops.OpContainer, first: Sequence[ops.MigrateOperation], last: Sequence[ops.MigrateOperation]
) -> None:
    """Put ``first`` before everything that concerns tables, and ``last`` after it: a schema that the operations create
    or drop is there for both."""
    at = [place for place, each in enumerate(operations.ops) if not isinstance(each, SchemaOp)]
    begin, end = (at[0], at[-1] + 1) if at else (len(operations.ops), len(operations.ops))
    operations.ops = [*operations.ops[:begin], *first, *operations.ops[begin:end], *last, *operations.ops[end:]]
