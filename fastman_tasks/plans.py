"""The values that planning and applying migrations work with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlalchemy.engine import URL

from fastman_tasks.revisions.graph import Revision

Place = Literal["applied", "pending", "missing"]


@dataclass(frozen=True)
class State:
    """What the database says: its URL, the revisions in its version table, and which table that is.

    ``has_metadata`` is whether env.py names the metadata of models.
    """

    url: URL
    heads: tuple[str, ...]
    version_table: str = "alembic_version"
    schema: str | None = None
    has_metadata: bool = False


@dataclass(frozen=True)
class Entry:
    """One line of a status: ``revision`` is None where ``state`` is *missing*; ``place`` then says which git branches
    have it."""

    id: str
    state: Place
    revision: Revision | None
    place: str = ""


@dataclass(frozen=True)
class Status:
    """Every revision, oldest first; those that no file has come last."""

    entries: tuple[Entry, ...]

    def of(self, state: Place) -> tuple[Entry, ...]:
        """The entries in ``state``."""
        return tuple(entry for entry in self.entries if entry.state == state)

    @property
    def up_to_date(self) -> bool:
        """Whether nothing is pending and nothing missing."""
        return all(entry.state == "applied" for entry in self.entries)


@dataclass(frozen=True)
class Plan:
    """Revisions to apply or to roll back, in that order, from ``state`` on.

    ``passed`` are the ids of those whose empty ``downgrade()`` undoes nothing.
    """

    direction: Literal["upgrade", "downgrade"]
    revisions: tuple[Revision, ...]
    state: State
    passed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Preview:
    """The ``statements`` of a revision. Where they cannot be told, in whole or in part, ``reason`` says why."""

    revision: Revision
    statements: tuple[str, ...]
    reason: str | None = None


@dataclass(frozen=True)
class Done:
    """A revision that was applied or rolled back, and the seconds it took."""

    revision: Revision
    seconds: float
