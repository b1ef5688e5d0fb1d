"""Names for constraints that the models leave unnamed: the ones that PostgreSQL would choose itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TypeVar

from sqlalchemy import CheckConstraint, Constraint, ForeignKeyConstraint, Table, TextClause, UniqueConstraint
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql.elements import conv

from fastman_tasks.making.sql.text import WrittenCondition, unescape

ConstraintT = TypeVar("ConstraintT", bound=Constraint)
#: NAMEDATALEN - 1: the bytes that PostgreSQL keeps of a name. MySQL takes 64 characters, SQLite any number.
LIMIT = 63
_LABELS = {UniqueConstraint: "key", ForeignKeyConstraint: "fkey", CheckConstraint: "check"}
_QUOTED_TEXT = re.compile(r"'(?:[^']|'')*'")
_WORD = re.compile(r'"((?:[^"]|"")+)"|`([^`]+)`|\[([^\]]+)\]|(\w+)')


def free_name(constraint: Constraint, table: str, columns: Sequence[str], taken: Iterable[str]) -> conv:
    """The name that PostgreSQL gives ``constraint`` of ``columns`` in ``table`` where ``taken`` are in use.

    Alembic writes a ``conv`` so that no naming convention is applied to it a second time.
    """
    label = label_of(constraint)
    used, number = set(taken), 0
    name = object_name(table, columns, label)
    while name in used:
        number += 1
        name = object_name(table, columns, f"{label}{number}")
    return conv(name)


def label_of(constraint: Constraint) -> str:
    """What PostgreSQL puts at the end of the name: key, fkey or check."""
    return next(label for kind, label in _LABELS.items() if isinstance(constraint, kind))


def is_nameable(constraint: object) -> bool:
    """Whether it is a unique constraint, a foreign key or a CHECK; a CHECK of an Enum or a Boolean is its type's."""
    return isinstance(constraint, tuple(_LABELS)) and not is_type_bound(constraint)


def is_type_bound(constraint: object) -> bool:
    """Whether a column's type makes the constraint: Enum and Boolean with ``create_constraint=True`` do."""
    return bool(getattr(constraint, "_type_bound", False))


def sort(constraints: Iterable[ConstraintT]) -> list[ConstraintT]:
    """``constraints`` in the order in which the source has them."""
    # Constraint._creation_order is SQLAlchemy's own sort key; a Table keeps its constraints in a set.
    return sorted(constraints, key=lambda each: each._creation_order)


def object_name(table: str, columns: Sequence[str], label: str) -> str:
    """``table_columns_label``, the longer part cut until all fits into 63 bytes, as PostgreSQL's makeObjectName()."""
    # It collects a key's columns in a buffer of that size first.
    parts = [table.encode(), "_".join(columns).encode()[:LIMIT]] if columns else [table.encode()]
    room = LIMIT - len(label.encode()) - len(parts)
    while sum(map(len, parts)) > room:
        longest = 0 if len(parts) == 1 or len(parts[0]) > len(parts[1]) else 1
        parts[longest] = parts[longest][:-1]
    # A character of several bytes goes as a whole.
    return "_".join([*(part.decode(errors="ignore") for part in parts), label])


def columns_of(constraint: Constraint, table: Table | None = None) -> list[str]:
    """The columns that the name tells: those of a key; of a CHECK the one that it is about, where it is only one.

    ``table`` has the columns that a CHECK may mention.
    """
    if isinstance(constraint, ForeignKeyConstraint):
        return [element.parent.name for element in constraint.elements]
    if isinstance(constraint, CheckConstraint):
        names = [column.name for column in table.columns] if table is not None else []
        found = find_mentioned(sql_of(constraint) or "", names)
        return found if len(found) == 1 else []
    return [column.name for column in constraint.columns]  # type: ignore[attr-defined]


def checks_of(table: Table) -> list[CheckConstraint]:
    """The CHECKs that the model's ``table`` declares, on the table and on its columns, in the order of the source."""
    on_columns = [each for column in table.columns for each in column.constraints]
    checks = (each for each in (*table.constraints, *on_columns) if isinstance(each, CheckConstraint))
    return sort(each for each in checks if is_nameable(each))


def find_mentioned(sql: str, columns: Iterable[str]) -> list[str]:
    """Those of ``columns`` that the condition ``sql`` mentions."""
    words = {next(filter(None, found)).replace('""', '"') for found in _WORD.findall(_QUOTED_TEXT.sub("", sql))}
    lower = {word.lower() for word in words}
    return [name for name in columns if name in words or name.lower() in lower]


def sql_of(constraint: CheckConstraint, dialect: Dialect | None = None) -> str | None:
    """The condition as SQL, of no particular database without a ``dialect``; None where it cannot be written so."""
    if isinstance(constraint.sqltext, TextClause | WrittenCondition):
        return unescape(constraint.sqltext.text)
    # Not with the driver's way to write parameters, for which each % is doubled.
    plain = type(dialect)(paramstyle="named") if isinstance(dialect, DefaultDialect) else None
    try:
        compiled = constraint.sqltext.compile(
            dialect=plain, compile_kwargs={"include_table": False, "literal_binds": True}
        )
    except (SQLAlchemyError, NotImplementedError):
        return None
    return str(compiled)
