"""The rows of the history, read."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache
from typing import Any

from sqlalchemy import Connection, Select, bindparam, select
from sqlalchemy.exc import DataError, DBAPIError

from fastman_tasks.databases.transactions import commits_each_statement
from fastman_tasks.history import table
from fastman_tasks.plans import Entry, State
from fastman_tasks.revisions import files
from fastman_tasks.sources import first_line

#: What makes a revision count as applied, and what ends that.
APPLIED, NOT_APPLIED = ("apply", "mark"), ("revert", "unmark")
_COLUMNS = [each.name for each in fields(Entry)]
_KINDS = {"migration", "stamp", "squash", "outside"}
_ONCE = re.compile(r"once = (\d{1,9})")


@dataclass(frozen=True)
class History:
    """The entries of one version table, oldest first. ``problem`` is why they cannot be read."""

    entries: tuple[Entry, ...] = ()
    problem: str = ""

    @cached_property
    def standing(self) -> dict[str, Entry]:
        """The revisions that are applied as far as the history knows, each with the entry that says so."""
        found: dict[str, Entry] = {}
        for each in self.entries:
            if each.kind in _KINDS:
                if each.action in APPLIED:
                    found[each.name] = each
                elif each.action in NOT_APPLIED:
                    found.pop(each.name, None)
                elif each.action == "accept" and each.name in found:
                    # What was applied when is still true.
                    found[each.name] = replace(found[each.name], id=each.id, checksum=each.checksum)
        return found

    @cached_property
    def seeders(self) -> dict[str, Entry]:
        """The seeders that have run since all migrations were rolled back last, each with the newest entry of its
        highest version; see ``once_of``."""
        found: dict[str, Entry] = {}
        applied: set[str] = set()
        for each in self.entries:
            if each.kind == "seeder":
                if each.action == "apply" and once_of(each) >= once_of(found.get(each.name, each)):
                    found[each.name] = each
            elif each.action in APPLIED:
                applied.add(each.name)
            elif each.action in NOT_APPLIED:
                applied.discard(each.name)
                # A stamp drops no table.
                if not applied and (each.action == "revert" or each.kind == "outside"):
                    found.clear()
        return found

    @property
    def has_migrations(self) -> bool:
        """Whether any revision is in it."""
        return any(each.kind in _KINDS for each in self.entries)


def read(connection: Connection, state: State) -> History:
    """Returns the history of the version table of ``state``; an empty one where there is none. Only reads."""
    try:
        with protected(connection):
            return History(rows(connection, state) if table.exists(connection, state.schema) else ())
    except DBAPIError as error:
        return History(problem=first_line(error.orig or error))


def protected(connection: Connection) -> AbstractContextManager[Any]:
    """Returns a block in which a statement may fail: otherwise that would end a transaction of PostgreSQL."""
    is_needed = connection.dialect.name == "postgresql" and not commits_each_statement(connection)
    return connection.begin_nested() if is_needed else nullcontext()


def once_of(entry: Entry) -> int:
    """Returns the version that a seeder had when it ran: its ``once``. One without has the first."""
    version = _ONCE.fullmatch(entry.message or "")
    return int(version[1]) if version else 1


def describe_once(version: int) -> str | None:
    """Returns the message of an entry for a seeder with this ``once``, which is 0 where it has none."""
    return f"once = {version}" if version else None


def rows(connection: Connection, state: State) -> tuple[Entry, ...]:
    """Returns the entries of ``read``, where there is a table. Raises DBAPIError."""
    found = connection.execute(_all(state.schema), {"version_table": state.version_table})
    try:
        return tuple(Entry(*row) for row in found)
    except ValueError as error:
        # SQLite keeps any text as a time; which it is not, SQLAlchemy finds out.
        raise DataError(None, None, error) from error


def sources(connection: Connection, state: State, ids: Collection[int]) -> dict[int, bytes]:
    """Returns the contents of the version files of the entries with these ``ids``, as far as they were kept and can be
    read."""
    columns = table.of(state.schema).c
    found: dict[int, bytes] = {}
    wanted = list(ids)
    # A table of another version may have none.
    with suppress(DBAPIError), protected(connection):
        # Databases limit the parameters of a statement.
        for start in range(0, len(wanted), 500):
            some = wanted[start : start + 500]
            rows = connection.execute(select(columns.id, columns.source).where(columns.id.in_(some)))
            found.update((number, files.encode(source)) for number, source in rows if source is not None)
    return found


def runs(entries: Iterable[Entry]) -> dict[int, list[Entry]]:
    """Returns ``entries`` by the run that they belong to, in their order."""
    found: dict[int, list[Entry]] = {}
    for each in entries:
        found.setdefault(each.batch, []).append(each)
    return found


@lru_cache(maxsize=8)
def _all(schema: str | None) -> Select[Any]:
    columns = table.of(schema).c
    wanted = [columns[name] for name in _COLUMNS]
    return select(*wanted).where(columns.version_table == bindparam("version_table")).order_by(columns.id)
