"""Texts of SQL about enums."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fastman_tasks.making.sql.text import literal


def join_literals(members: Sequence[str]) -> str:
    """``members`` in SQL, with commas."""
    return ", ".join(map(literal, members))


def rename_members(members: Sequence[str], renames: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """``members`` under their new names."""
    new = dict(renames)
    return tuple(new.get(each, each) for each in members)


def rename_in(sql: str, renames: Sequence[tuple[str, str]]) -> str:
    """``sql``, as PostgreSQL writes it down, with the members under their new names."""
    new = {literal(old): literal(name) for old, name in renames}
    return re.sub(r"'(?:[^']|'')*'", lambda found: new.get(found[0], found[0]), sql)


def without_cast(sql: str | None) -> str | None:
    """The default ``sql`` without the cast to the column's type that PostgreSQL adds."""
    return None if sql is None else re.sub(r"""::(?:[\w .]|"[^"]*")+(?:\(\d+\))?(?:\[\])*$""", "", sql)


def additions(existing: Sequence[str], wanted: Sequence[str], perhaps_there: bool) -> list[str]:
    """What follows ``ALTER TYPE name`` for each member that is new, so that they come into the order that is wanted."""
    there = list(existing)
    found = []
    for at, member in enumerate(wanted):
        if member in there:
            continue
        if at == 0:
            place = f" BEFORE {literal(there[0])}" if there else ""
            there.insert(0, member)
        else:
            before = there.index(wanted[at - 1])
            place = f" AFTER {literal(wanted[at - 1])}" if before < len(there) - 1 else ""
            there.insert(before + 1, member)
        found.append(f"ADD VALUE {'IF NOT EXISTS ' if perhaps_there else ''}{literal(member)}{place}")
    return found
