"""The schema of a database as one value, which is equal for two databases that have the same schema.

It is made of what the server says of itself, in its own words; what an extension owns, owners, grants, the order of
columns, and names that a server makes up are left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection

from fastman_tasks.databases.backends import choose


class Entry(NamedTuple):
    """One thing of a schema: a table, a column, an index …

    ``name`` is qualified, and contains the table for what belongs to one; ``definition`` is what the database says of
    it. ``table`` is the table that it belongs to, or is.
    """

    kind: str
    name: str
    definition: str = ""
    table: str = ""


@dataclass(frozen=True)
class Snapshot:
    """The sorted entries of a schema."""

    entries: tuple[Entry, ...]

    @property
    def digest(self) -> str:
        """The SHA-256 of all entries, as 64 hexadecimal digits."""
        return hashlib.sha256(repr([tuple(each) for each in self.entries]).encode()).hexdigest()

    def differences(self, other: Snapshot) -> tuple[Difference, ...]:
        """Returns what is different in ``other``, sorted. Nothing that a missing or an additional table consists of is
        listed by itself."""
        here, there = ({(each.kind, each.name): each for each in side.entries} for side in (self, other))
        tables = {name for side in (here, there) for kind, name in side if kind == "table"}
        found = []
        for key in sorted(here.keys() | there.keys()):
            before, after = here.get(key), there.get(key)
            if before == after:
                continue
            entry = before or after
            assert entry is not None
            of_table = ("table", entry.table)
            if entry.kind != "table" and entry.table in tables and (of_table in here) != (of_table in there):
                continue
            found.append(Difference(*key, before and before.definition, after and after.definition))
        return tuple(found)

    def without(self, *, tables: Collection[str] = (), kinds: Collection[str] = ()) -> Snapshot:
        """Returns the snapshot without what belongs to ``tables``, by their qualified names, and without ``kinds``."""
        return Snapshot(tuple(each for each in self.entries if each.table not in tables and each.kind not in kinds))


class Difference(NamedTuple):
    """What has one definition ``before`` and another one ``after``; None where it does not exist."""

    kind: str
    name: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        """What is different where ``before`` is what the migrations make of it, and ``after`` what is there."""
        if self.after is None:
            return f"{self.kind} {self.name} is missing"
        if self.before is None:
            return f"{self.kind} {self.name} is in no migration"
        # A table without options has nothing to say.
        return f"{self.kind} {self.name} is {self.after or 'plain'}, and in the migrations {self.before or 'plain'}"


#: What an earlier reading of the same database has found.
Known = dict[tuple[str | None, ...], tuple[Entry, ...]]


def read(connection: Connection, known: Known | None = None) -> Snapshot:
    """Returns the snapshot of the database behind ``connection``: PostgreSQL, SQLite, MySQL or MariaDB. Only reads.

    Where it is read again and again, ``known`` is an empty dict at first; what has not changed need not be read anew.
    Raises UsageError for another database.
    """
    backend = choose(__name__, connection.dialect.name, "be compared")
    return Snapshot(tuple(sorted(backend.read(connection, {} if known is None else known))))
