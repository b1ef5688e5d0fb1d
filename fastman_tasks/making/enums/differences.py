"""Enums that are no types of their own: MySQL's ``ENUM(…)`` columns, and CHECKs with the members in them."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import CheckConstraint, Column, Connection, Enum, MetaData, Table
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import Dialect

from fastman_tasks.databases.statements import RENAMED_MEMBER
from fastman_tasks.making.changes import flat
from fastman_tasks.making.constraints import names
from fastman_tasks.making.constraints.existing import Check, Existing
from fastman_tasks.making.constraints.naming import compared_tables
from fastman_tasks.making.decisions import Questions
from fastman_tasks.making.enums import columns as enum_columns
from fastman_tasks.making.enums import members as enum_members
from fastman_tasks.making.enums import rows
from fastman_tasks.making.enums.checks import checks_of_types, members_of, name_of, table_check, without_check
from fastman_tasks.making.enums.members import Difference
from fastman_tasks.making.enums.types import resolve
from fastman_tasks.making.sql.statements import StatementsOp
from fastman_tasks.making.sql.text import WrittenCondition, literal, qualify


def prepare(context: MigrationContext, script: ops.MigrationScript, questions: Questions) -> None:
    """Complete the upgrade of ``script`` in place, before its downgrade is made from it.

    A CHECK that comes with a type (``create_constraint=True``) becomes one of the table, which can be changed by its
    name. ``questions`` get what may have been renamed. Raises MigrationRefused for rows with a member that is removed.
    """
    if script.upgrade_ops is None or context.bind is None:
        return
    _Preparation(context, context.bind, script.upgrade_ops, questions).prepare()


class _Preparation:
    def __init__(
        self, context: MigrationContext, connection: Connection, upgrade: ops.UpgradeOps, questions: Questions
    ) -> None:
        self._context, self._connection, self._dialect = context, connection, connection.dialect
        self._upgrade, self._questions = upgrade, questions
        self._existing = Existing(connection)

    def prepare(self) -> None:
        for create in self._upgrade.ops:
            if isinstance(create, ops.CreateTableOp):
                self._declare(create)
        comparison = AutogenContext(self._context, autogenerate=False)
        for (schema, _), table in compared_tables(comparison, self._existing, self._upgrade).items():
            if self._existing.is_mysql:
                self._change_columns(table, schema)
            for check in checks_of_types(table, self._dialect):
                self._change_check(check, table, schema)
        for each in flat(self._upgrade):
            if isinstance(each, ops.AddColumnOp):
                each.column = self._without_check(each.column)
            elif isinstance(each, ops.AlterColumnOp) and each.modify_type is not None:
                each.modify_type = without_check(each.modify_type, self._dialect)

    def _declare(self, create: ops.CreateTableOp) -> None:
        # The types make their CHECKs anew; older Alembic would have both.
        create.columns = [each for each in create.columns if not names.is_type_bound(each)]
        if checks := checks_of_types(create.to_table(), self._dialect):
            columns = [self._without_check(each) if isinstance(each, Column) else each for each in create.columns]
            create.columns = [*columns, *(table_check(each, self._dialect) for each in checks)]

    def _without_check(self, column: Column[Any]) -> Column[Any]:
        type_ = without_check(column.type, self._dialect)
        return column if type_ is column.type else enum_columns.with_type(column, type_)

    def _change_check(self, check: CheckConstraint, table: Table, schema: str | None) -> None:
        column = next(iter(check.columns))
        written = table_check(check, self._dialect)
        create = ops.CreateCheckConstraintOp(written.name, table.name, written.sqltext, schema=schema)
        place = (schema, table.name, column.name)
        if column.name not in self._existing.columns(table.name, schema):
            self._changes(table.name, schema).append(create)
            return
        kind = resolve(column.type, self._dialect)
        members = tuple(kind.enums) if isinstance(kind, Enum) else None
        existing = self._find_check(check, column.name, table.name, schema)
        if existing is None:
            if members is not None:
                rows.refuse_strange(self._connection, place, members)
            self._changes(table.name, schema).append(create)
            return
        before = self._members_of(existing)
        if members is None or existing.is_fixed or set(before) == set(members):
            return
        difference = enum_members.compare(".".join(filter(None, place)), before, members, self._questions)
        self._refuse_rows(place, difference)
        self._replace_check(existing, create, place, difference)

    def _replace_check(
        self,
        existing: Check,
        create: ops.CreateCheckConstraintOp,
        place: tuple[str | None, str, str],
        difference: Difference,
    ) -> None:
        schema, table, column = place
        # On the way back in plain words, not as the server has rewritten them.
        members = ", ".join(literal(each, self._dialect) for each in self._members_of(existing))
        condition = f"{self._dialect.identifier_preparer.quote(column)} IN ({members})"
        check = CheckConstraint(WrittenCondition(condition), name=existing.name)
        Table(table, MetaData(), check, schema=schema)
        drop = ops.DropConstraintOp.from_constraint(check)
        changes = self._changes(table, schema)
        if not difference.renames:
            changes[:] = [drop, *changes, create]
            return
        # The new members may be longer than the column was, or the old ones longer than it will be.
        grows = any(
            enum_columns.place_of(each) == place
            and (getattr(each.modify_type, "length", 0) or 0) >= (getattr(each.existing_type, "length", 0) or 0)
            for each in changes
            if isinstance(each, ops.AlterColumnOp) and each.modify_type is not None
        )
        first = [drop, *changes] if grows else [drop]
        changes[:] = [create] if grows else [*changes, create]
        self._before(
            table, schema, [ops.ModifyTableOps(table, first, schema=schema), *self._renames(place, difference)]
        )

    def _change_columns(self, table: Table, schema: str | None) -> None:
        """MySQL's ENUM(…) columns of ``table``; Alembic's comparison leaves their order out."""
        columns = [each for each in table.columns if isinstance(resolve(each.type, self._dialect), mysql.ENUM)]
        if not columns:
            return
        reflected = Table(table.name, MetaData(), autoload_with=self._connection, schema=schema, resolve_fks=False)
        for column in columns:
            old, new = reflected.columns.get(column.name), resolve(column.type, self._dialect)
            assert isinstance(new, mysql.ENUM)
            if old is None or not isinstance(old.type, mysql.ENUM) or old.type.enums == new.enums:
                continue
            place = (schema, table.name, column.name)
            label = ".".join(filter(None, place))
            difference = enum_members.compare(label, old.type.enums, new.enums, self._questions)
            self._refuse_rows(place, difference)
            alter = self._alteration(place, old)
            alter.modify_type = column.type
            default = enum_columns.default_sql(old.server_default, self._dialect)
            if alter.modify_server_default is False and default and any(
                literal(each) == default for each in old.type.enums if each not in new.enums
            ):  # fmt: skip
                alter.modify_server_default = column.server_default
            if difference.renames:
                both = mysql.ENUM(*old.type.enums, *(name for _, name in difference.renames))
                widen = copy.copy(alter)
                widen.modify_type, widen.modify_nullable, widen.modify_server_default = both, None, False
                alter.existing_type = both
                self._before(table.name, schema, [ops.ModifyTableOps(table.name, [widen], schema=schema),
                                                  *self._renames(place, difference)])  # fmt: skip

    def _alteration(self, place: tuple[str | None, str, str], old: Column[Any]) -> ops.AlterColumnOp:
        """What changes the column at ``place``, which is ``old`` now; a new operation if nothing does yet."""
        for _, alter in enum_columns.alterations(self._upgrade):
            if enum_columns.place_of(alter) == place:
                alter.existing_type = old.type
                return alter
        schema, table, column = place
        alter = ops.AlterColumnOp(
            table,
            column,
            schema=schema,
            existing_type=old.type,
            existing_nullable=old.nullable,
            existing_server_default=old.server_default if old.server_default is not None else False,
            existing_comment=old.comment,
        )
        self._changes(table, schema).append(alter)
        return alter

    def _refuse_rows(self, place: tuple[str | None, str, str], difference: Difference) -> None:
        if difference.removed:
            there = [*difference.wanted, *(old for old, _ in difference.renames)]
            hint = difference.hint(".".join(filter(None, place)))
            rows.refuse_strange(self._connection, place, there, hint=hint)

    def _renames(self, place: tuple[str | None, str, str], difference: Difference) -> Iterator[StatementsOp]:
        return (_rename_value(self._dialect, place, old, new) for old, new in difference.renames)

    def _members_of(self, check: Check) -> list[str]:
        return members_of(check.sql, backslashes=self._existing.is_mysql)

    def _find_check(self, check: CheckConstraint, column: str, table: str, schema: str | None) -> Check | None:
        """The CHECK of the database that ``check`` of ``column`` has made, by its name or by what it says."""
        existing = self._existing.checks(table, schema)
        named = [each for each in existing if each.name is not None and each.name == name_of(check)]
        columns = self._existing.columns(table, schema)
        about = [each for each in existing if names.find_mentioned(each.sql, columns) == [column]
                 and self._members_of(each)]  # fmt: skip
        return next(iter([*named, *about]), None)

    def _changes(self, table: str, schema: str | None) -> list[ops.MigrateOperation]:
        """The operations on ``table``, to be changed in place."""
        for each in reversed(self._upgrade.ops):
            if isinstance(each, ops.ModifyTableOps) and (each.schema, each.table_name) == (schema, table):
                return each.ops
        added = ops.ModifyTableOps(table, [], schema=schema)
        self._upgrade.ops.append(added)
        return added.ops

    def _before(self, table: str, schema: str | None, operations: Sequence[ops.MigrateOperation]) -> None:
        """Put ``operations`` before those on ``table``."""
        own = self._changes(table, schema)
        at = next(at for at, each in enumerate(self._upgrade.ops) if getattr(each, "ops", None) is own)
        self._upgrade.ops[at:at] = operations


def _rename_value(dialect: Dialect, place: tuple[str | None, str, str], old: str, new: str) -> StatementsOp:
    """Gives the rows that have the member ``old`` the member ``new``."""
    schema, table, column = place
    quoted = dialect.identifier_preparer.quote(column)

    def update(before: str, after: str) -> str:
        values = f"SET {quoted} = {literal(after, dialect)} WHERE {quoted} = {literal(before, dialect)}"
        return f"UPDATE {qualify(dialect, schema, table)} {values} {RENAMED_MEMBER}"

    says = f"rename {old!r} to {new!r} in {'.'.join(filter(None, place))}"
    return StatementsOp(says, [update(old, new)], [update(new, old)])
