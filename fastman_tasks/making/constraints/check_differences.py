"""Which CHECKs the models and the database do not have in common. Alembic's comparison leaves them out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sqlalchemy import CheckConstraint, Table

from fastman_tasks.databases.sql.tokens import form
from fastman_tasks.making.constraints import names
from fastman_tasks.making.constraints.existing import Check


@dataclass(frozen=True)
class Differences:
    """The models' CHECKs that the database has not, and the database's that no model has."""

    missing: tuple[CheckConstraint, ...]
    surplus: tuple[Check, ...]


def compare(
    table: Table,
    existing: Iterable[Check],
    *,
    verbatim: bool,
    conditions: Mapping[CheckConstraint, str] = MappingProxyType({}),
) -> Differences:
    """The differences between the CHECKs of the model's ``table`` and the ``existing`` ones.

    ``conditions`` are those of the model's CHECKs as the database writes them; ``verbatim`` is for a database that
    keeps the text as it was. With either, another text is another CHECK. Without, servers having their own ways to
    write a condition, they are the same by name, or by what they say; where these tell nothing, an unnamed one is
    taken for the one in the database that is about the same columns.
    """
    wanted, found = names.checks_of(table), list(existing)
    columns = [column.name for column in table.columns]

    def about(sql: str | None) -> frozenset[str]:
        return frozenset(names.find_mentioned(sql or "", columns))

    def sql_of(constraint: CheckConstraint) -> str | None:
        return conditions.get(constraint) or names.sql_of(constraint)

    def is_known(constraint: CheckConstraint) -> bool:
        return verbatim or constraint in conditions

    def says_the_same(constraint: CheckConstraint, check: Check) -> bool:
        return form(sql_of(constraint)) == form(check.sql)

    def has_its_name(constraint: CheckConstraint, check: Check) -> bool:
        return constraint.name is not None and constraint.name == check.name

    def pair(same: Callable[[CheckConstraint, Check], bool]) -> None:
        for constraint in list(wanted):
            match = next((check for check in found if same(constraint, check)), None)
            if match is not None:
                wanted.remove(constraint)
                found.remove(match)

    pair(lambda each, check: has_its_name(each, check) and (not is_known(each) or says_the_same(each, check)))
    pair(says_the_same)
    for constraint in table.constraints:
        # What a type makes is in the database under the name that the type says, or says something of its column.
        if isinstance(constraint, CheckConstraint) and names.is_type_bound(constraint):
            of_type = about(names.sql_of(constraint))
            match = next(
                (check for check in found if check.name == constraint.name),
                next((check for check in found if about(check.sql) == of_type), None),
            )
            if match is not None:
                found.remove(match)
    # What MariaDB has in a column's definition cannot be replaced; json_valid() comes with the type.
    pair(
        lambda each, check: (
            (not is_known(each) or (check.is_fixed and not check.sql.startswith("json_valid(")))
            and each.name is None
            and about(sql_of(each)) == about(check.sql)
        )
    )
    return Differences(tuple(wanted), tuple(check for check in found if not check.is_fixed))
