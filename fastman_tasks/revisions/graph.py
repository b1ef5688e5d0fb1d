"""The project's revisions as one graph, oldest first. Pure: no files, no database, no Alembic."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fastman_tasks.plans import Action, Step
from fastman_tasks.revisions import order
from fastman_tasks.text import printable


@dataclass(frozen=True)
class Revision:
    """One version file; ``parents`` are the ids that it revises and depends on, in the order in which Alembic follows
    them; ``message`` is its docstring's first line.

    ``location`` is the folder of version files that it belongs to: one of Alembic's ``version_locations``.
    """

    id: str
    file: Path
    message: str
    parents: tuple[str, ...]
    labels: tuple[str, ...] = ()
    is_head: bool = False
    location: Path = Path()

    @property
    def name(self) -> str:
        """Its file's name without ``.py``, printable."""
        return printable(self.file.stem)

    def step(self, action: Action, *, is_empty: bool = False) -> Step:
        """Returns the step that does ``action`` with it."""
        return Step(action, self.name, self.file, self.id, self.message, self.is_head, is_empty)


class RevisionGraph:
    """All revisions of a project, passed in the order in which Alembic reads their files."""

    def __init__(self, revisions: Iterable[Revision]) -> None:
        self._by_id = {revision.id: revision for revision in revisions}

    def __contains__(self, revision_id: object) -> bool:
        return revision_id in self._by_id

    def __getitem__(self, revision_id: str) -> Revision:
        return self._by_id[revision_id]

    @cached_property
    def revisions(self) -> tuple[Revision, ...]:
        """Every revision, parents before children; branches in the order of ``alembic upgrade heads``."""
        return tuple(self._by_id[each] for each in self._in_order(self._by_id))

    def upgrade(self, targets: Iterable[str], applied: Iterable[str]) -> list[str]:
        """Returns the ids that ``alembic upgrade`` to ``targets`` runs, in its order, if ``applied`` are applied."""
        return self._in_order(self.with_ancestors(targets) - self.with_ancestors(applied))

    def _in_order(self, wanted: Collection[str]) -> list[str]:
        return order.newest_first({each.id: each.parents for each in self._by_id.values()}, wanted)[::-1]

    def find_by_name(self, name: str) -> list[Revision]:
        """Returns the revisions whose file is called ``name``, with or without .py, or else has it in its name."""
        typed = name.removesuffix(".py")
        whole = [revision for revision in self.revisions if revision.name == typed]
        return whole or [revision for revision in self.revisions if typed in revision.name]

    def suggest(self, name: str) -> list[Revision]:
        """Returns the few revisions whose id, message or file's name is most like ``name``, the nearest first."""
        known = {
            spelled: each
            for each in self.revisions
            for spelled in (each.message.lower().replace(" ", "_"), each.id, each.name)
        }
        found = difflib.get_close_matches(name.removesuffix(".py").lower().replace(" ", "_"), known, cutoff=0.5)
        return list(dict.fromkeys(known[spelled] for spelled in found))

    @property
    def heads(self) -> tuple[Revision, ...]:
        """The revisions that no other revision revises."""
        return tuple(revision for revision in self.revisions if revision.is_head)

    @property
    def ends(self) -> tuple[str, ...]:
        """The ids of the heads that no other revision depends on either."""
        return self.heads_of(set(self._by_id))

    def heads_of(self, ids: set[str]) -> tuple[str, ...]:
        """Returns those of ``ids``, which include their ancestors, that no other one revises or depends on."""
        implied = {parent for revision_id in ids for parent in self._by_id[revision_id].parents}
        return tuple(sorted(ids - implied))

    def are_independent(self, heads: tuple[Revision, ...]) -> bool:
        """Whether ``heads`` are meant to stay separate: each has its own branch label, or has its files in its own
        folder, or shares no ancestor with the others."""
        lines = [self.with_ancestors([head.id]) for head in heads]
        shared = {each for number, line in enumerate(lines) for other in lines[:number] for each in line & other}
        folders = [{self._by_id[each].location for each in line - shared} for line in lines]
        return not shared or _are_distinct([set(head.labels) for head in heads]) or _are_apart(folders)

    def with_ancestors(self, ids: Iterable[str]) -> set[str]:
        """Returns ``ids`` and everything they revise or depend on, without ids that no file has."""
        found: set[str] = set()
        open_ids = [revision_id for revision_id in ids if revision_id in self._by_id]
        while open_ids:
            revision_id = open_ids.pop()
            if revision_id not in found:
                found.add(revision_id)
                open_ids.extend(self._by_id[revision_id].parents)
        return found


def _are_distinct(groups: list[set[str]]) -> bool:
    """Whether each group has a member that no other group has."""
    return all(
        own - set().union(*(other for number, other in enumerate(groups) if number != position))
        for position, own in enumerate(groups)
    )


def _are_apart(groups: list[set[Path]]) -> bool:
    """Whether each group has members, and shares none with another group."""
    return all(groups) and sum(map(len, groups)) == len(set().union(*groups))
