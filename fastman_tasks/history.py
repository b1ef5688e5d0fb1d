"""The project's revisions as one graph, oldest first. Pure: no files, no database, no Alembic."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path


@dataclass(frozen=True)
class Revision:
    """One version file; ``parents`` are the ids it revises and depends on, ``message`` its docstring's first line."""

    id: str
    file: Path
    message: str
    parents: tuple[str, ...]
    labels: tuple[str, ...] = ()
    is_head: bool = False

    @property
    def name(self) -> str:
        """What people call it: its file's name without ``.py``."""
        return self.file.stem


class History:
    """All revisions of a project, in an order in which they can be applied."""

    def __init__(self, revisions: Iterable[Revision]) -> None:
        self._by_id = {revision.id: revision for revision in revisions}

    def __contains__(self, revision_id: object) -> bool:
        return revision_id in self._by_id

    def __getitem__(self, revision_id: str) -> Revision:
        return self._by_id[revision_id]

    @cached_property
    def revisions(self) -> tuple[Revision, ...]:
        """Every revision, parents before children; between branches, by file name (which begins with the time)."""
        waiting = {revision.id: len(revision.parents) for revision in self._by_id.values()}
        children: dict[str, list[Revision]] = {}
        for revision in self._by_id.values():
            for parent in revision.parents:
                children.setdefault(parent, []).append(revision)
        ready = [(revision.file.name, revision.id) for revision in self._by_id.values() if not revision.parents]
        heapq.heapify(ready)
        ordered = []
        while ready:
            _, revision_id = heapq.heappop(ready)
            ordered.append(self._by_id[revision_id])
            for child in children.get(revision_id, ()):
                waiting[child.id] -= 1
                if not waiting[child.id]:
                    heapq.heappush(ready, (child.file.name, child.id))
        return tuple(ordered)

    @property
    def heads(self) -> tuple[Revision, ...]:
        """The revisions that no other one revises."""
        return tuple(revision for revision in self.revisions if revision.is_head)

    def heads_of(self, ids: set[str]) -> tuple[str, ...]:
        """Of ``ids``, closed under ancestry, those that no other one revises or depends on: what a database records."""
        implied = {parent for revision_id in ids for parent in self._by_id[revision_id].parents}
        return tuple(sorted(ids - implied))

    def independent(self, heads: tuple[Revision, ...]) -> bool:
        """Whether each of ``heads`` has a branch label that no other one has."""
        labels = [set(head.labels) for head in heads]
        return all(
            own - set().union(*(other for number, other in enumerate(labels) if number != position))
            for position, own in enumerate(labels)
        )

    def with_ancestors(self, ids: Iterable[str]) -> set[str]:
        """``ids`` and everything they revise or depend on; ids that no file has are left out."""
        found: set[str] = set()
        open_ids = [revision_id for revision_id in ids if revision_id in self._by_id]
        while open_ids:
            revision_id = open_ids.pop()
            if revision_id not in found:
                found.add(revision_id)
                open_ids.extend(self._by_id[revision_id].parents)
        return found
