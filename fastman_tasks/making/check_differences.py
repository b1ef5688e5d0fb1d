"""Which CHECKs the models and the database do not have in common. Alembic's comparison leaves them out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sqlalchemy import CheckConstraint, Table

from fastman_tasks.making import constraint_names
from fastman_tasks.making.existing import Check

# What a database adds as it writes a condition down: quotes, parentheses, casts, spaces.
_ADDED = re.compile(r"::[\w ]+(?:\(\d+(?:,\d+)?\))?(?:\[\])?|[\s()\"`\[\]]+")
_QUOTED_TEXT = re.compile(r"('(?:[^']|'')*')")


@dataclass(frozen=True)
class Differences:
    """The models' CHECKs that the database has not, and the database's that no model has."""

    missing: tuple[CheckConstraint, ...]
    surplus: tuple[Check, ...]


def compare(table: Table, existing: Iterable[Check], *, verbatim: bool) -> Differences:
    """The differences between the CHECKs of the model's ``table`` and the ``existing`` ones.

    They are the same by name, or by what they say. Servers rewrite a condition: where its name and its text tell
    nothing, an unnamed one is taken for the one in the database that is about the same columns. ``verbatim`` is for
    a database that keeps the text as it was; there, another text is another CHECK.
    """
    wanted, found = declared(table), list(existing)
    columns = [column.name for column in table.columns]

    def about(sql: str | None) -> frozenset[str]:
        return frozenset(constraint_names.mentioned(sql or "", columns))

    def pair(same: Callable[[CheckConstraint, Check], bool]) -> None:
        for constraint in list(wanted):
            match = next((check for check in found if same(constraint, check)), None)
            if match is not None:
                wanted.remove(constraint)
                found.remove(match)

    pair(lambda constraint, check: constraint.name is not None and constraint.name == check.name)
    pair(lambda constraint, check: _plain(constraint_names.sql_of(constraint)) == _plain(check.sql))
    for constraint in table.constraints:
        # What a type makes is in the database under the name that the type says, or says something of its column.
        if isinstance(constraint, CheckConstraint) and constraint_names.is_type_bound(constraint):
            of_type = about(constraint_names.sql_of(constraint))
            match = next(
                (check for check in found if check.name == constraint.name),
                next((check for check in found if about(check.sql) == of_type), None),
            )
            if match is not None:
                found.remove(match)
    if not verbatim:
        pair(
            lambda constraint, check: (
                constraint.name is None and about(constraint_names.sql_of(constraint)) == about(check.sql)
            )
        )
    return Differences(tuple(wanted), tuple(check for check in found if not check.is_fixed))


def declared(table: Table) -> list[CheckConstraint]:
    """The CHECKs that the model's ``table`` declares, on the table and on its columns, in the order of the source."""
    on_columns = [each for column in table.columns for each in column.constraints]
    return sorted(
        (
            each
            for each in (*table.constraints, *on_columns)
            if isinstance(each, CheckConstraint) and constraint_names.is_nameable(each)
        ),
        key=lambda each: each._creation_order,
    )


def _plain(sql: str | None) -> str | None:
    if sql is None:
        return None
    # Every other part is a quoted text, which says what it says.
    parts = _QUOTED_TEXT.split(sql)
    return "".join(part if at % 2 else _ADDED.sub("", part).lower() for at, part in enumerate(parts))
