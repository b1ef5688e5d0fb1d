"""Drop everything in a database that its users have made: not what extensions own, nor schemas, nor grants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection

from fastman_tasks.databases.backends import choose
from fastman_tasks.databases.verbatim import execute
from fastman_tasks.errors import UsageError
from fastman_tasks.text import pluralize

# In letters: what a step's name has beside its state.
_LINE = 50


class Thing(NamedTuple):
    """Something to drop: its ``kind`` ("table", "view", "enum" …), its ``name`` for people, and its name in ``sql``."""

    kind: str
    name: str
    sql: str


@dataclass(frozen=True)
class Wipe:
    """What is to be dropped, in the order in which it can be, and the ``statements`` that do it.

    ``obstacle`` is why it cannot be done in one transaction, together with migrations that make as much anew; empty if
    it can be.
    """

    things: tuple[Thing, ...]
    statements: tuple[str, ...]
    obstacle: str = ""

    @property
    def tables(self) -> tuple[str, ...]:
        """The names of the tables."""
        return tuple(thing.name for thing in self.things if thing.kind == "table")

    @property
    def brief(self) -> str:
        """As the whole text, and ``8 tables, 12 others`` where that does not fit into a line."""
        others = len(self.things) - len(self.tables)
        whole = str(self)
        return whole if len(whole) <= _LINE else f"{pluralize(len(self.tables), 'table')}, {pluralize(others, 'other')}"

    def __str__(self) -> str:
        """``3 tables, 1 view``."""
        counts = Counter(thing.kind for thing in self.things)
        return ", ".join(pluralize(number, kind) for kind, number in counts.items()) or "nothing"


def find(connection: Connection, schemas: Collection[str] = (), keep: Collection[str] = ()) -> Wipe:
    """Returns what there is to drop, except for the tables to ``keep``. ``schemas`` are PostgreSQL's, by default those
    of search_path. Only reads.

    Raises UsageError for a schema or a table that does not exist, and MigrationRefused if something else would be
    dropped too, such as a view of another schema.
    """
    backend = choose(__name__, connection.dialect.name, "be emptied")
    return backend.find(connection, schemas, keep)  # type: ignore[no-any-return]


def list_schemas(connection: Connection) -> list[str]:
    """Returns PostgreSQL's schemas but for its own; none for another database."""
    if connection.dialect.name != "postgresql":
        return []
    query = "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY 1"
    return list(connection.exec_driver_sql(query).scalars())


def drop(connection: Connection, wipe: Wipe) -> None:
    """Drop everything in ``wipe``. The caller has begun a transaction around it if there is no obstacle; otherwise each
    part is committed."""
    for statement in wipe.statements:
        execute(connection, statement)
        if wipe.obstacle:
            connection.commit()


def without_kept(things: tuple[Thing, ...], keep: Collection[str]) -> tuple[Thing, ...]:
    """Returns ``things`` without the tables to ``keep``, whose names may be qualified. Raises UsageError."""
    tables = {thing: {thing.name, thing.name.rpartition(".")[2]} for thing in things if thing.kind == "table"}
    for name in keep:
        if not any(name in names for names in tables.values()):
            raise UsageError(f"--keep={name}: there is no such table.")
    return tuple(thing for thing in things if tables.get(thing, set()).isdisjoint(keep))
