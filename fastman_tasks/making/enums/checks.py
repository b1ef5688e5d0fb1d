"""CHECKs that come with the types of columns: of Enum and Boolean with ``create_constraint=True``."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import Boolean, CheckConstraint, Enum, Table
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.elements import conv
from sqlalchemy.types import TypeEngine

from fastman_tasks.making.constraints.names import is_type_bound, sort, sql_of
from fastman_tasks.making.enums.types import resolve
from fastman_tasks.making.sql.text import WrittenCondition

_QUOTED_TEXT = re.compile(r"'((?:[^']|'')*)'")
_MYSQL_TEXT = re.compile(r"'((?:[^'\\]|''|\\.)*)'")


def checks_of_types(table: Table, dialect: Dialect) -> list[CheckConstraint]:
    """The CHECKs that ``table`` gets from the types of its columns on a database of this ``dialect``."""
    checks = (each for each in table.constraints if isinstance(each, CheckConstraint) and is_type_bound(each))
    return sort(
        each for each in checks if any(_has_check(resolve(column.type, dialect), dialect) for column in each.columns)
    )


def members_of(condition: str, *, backslashes: bool = False) -> list[str]:
    """The texts in a condition; with ``backslashes``, as MySQL writes them."""
    texts = _QUOTED_TEXT.findall(condition) if not backslashes else _MYSQL_TEXT.findall(condition)
    return [(re.sub(r"\\(.)", r"\1", each) if backslashes else each).replace("''", "'") for each in texts]


def without_check(type_: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any]:
    """``type_`` without the CHECK that comes with it."""
    found = resolve(type_, dialect)
    if not _has_check(found, dialect):
        return type_
    if isinstance(found, Enum):
        return Enum(*found.enums, name=found.name, native_enum=found.native_enum, length=found.length)
    return Boolean()


def _has_check(type_: TypeEngine[Any], dialect: Dialect) -> bool:
    if isinstance(type_, Enum):
        return type_.create_constraint and not (type_.native_enum and dialect.supports_native_enum)
    return isinstance(type_, Boolean) and type_.create_constraint and not dialect.supports_native_boolean


def table_check(check: CheckConstraint, dialect: Dialect) -> CheckConstraint:
    """``check`` as one that the table has by itself."""
    return CheckConstraint(WrittenCondition(sql_of(check, dialect) or ""), name=name_of(check))


def name_of(check: CheckConstraint) -> conv | None:
    """The name of ``check``; None without one, for which SQLAlchemy has a symbol."""
    return conv(check.name) if isinstance(check.name, str) else None
