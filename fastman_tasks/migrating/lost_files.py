"""Version files that are not here any more and that a git branch has: those of revisions that the database has."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from fastman_tasks import git
from fastman_tasks.errors import GitFailed, UsageError
from fastman_tasks.migrating.environment import Environment
from fastman_tasks.migrating.version_graph import Locations
from fastman_tasks.revisions import files
from fastman_tasks.revisions.graph import RevisionGraph
from fastman_tasks.sources import first_line


@dataclass(frozen=True)
class LostFile:
    """The file of the revision ``id``: ``source`` is where the ``branch``, which may be that of a remote repository,
    has it, from the repository's root, ``path`` where it belongs."""

    id: str
    branch: str
    source: str
    path: Path
    content: bytes
    parents: tuple[str, ...]
    message: str = ""
    is_remote: bool = False


def find(environment: Environment, graph: RevisionGraph, missing: Collection[str]) -> tuple[LostFile, ...]:
    """Returns the files that ``missing`` revisions, and the ones that they follow, need to have a place in ``graph``;
    nothing if the branches that git knows here do not have all of them."""
    found: dict[str, LostFile] = {}
    wanted = list(missing)
    try:
        while wanted:
            revision = wanted.pop()
            if revision in graph or revision in found:
                continue
            lost = _find(environment, revision)
            if lost is None:
                return ()
            found[revision] = lost
            wanted += lost.parents
    except (GitFailed, UsageError):
        return ()
    return tuple(found.values())


def _find(environment: Environment, revision: str) -> LostFile | None:
    root = environment.root
    current = git.current_branch(root)
    # What was deleted here a moment ago is nearest.
    for found in sorted(git.branches_with_revision(revision, root), key=lambda each: each.branch != current):
        repository = git.Repository.of(root)
        path = repository.top / found.path
        contents = repository.files(repository.commit(found.ref), [path])
        header = files.find(content := repository.read([contents[path]])[contents[path]])
        if header is not None and header.revision == revision:
            folders = Locations(environment.scripts).all
            if not any(path.is_relative_to(each) for each in folders):
                path = folders[-1] / path.name
            parents = (*header.parents, *header.depends_on)
            message = first_line(header.docstring)
            return LostFile(revision, found.branch, found.path, path, content, parents, message, found.is_remote)
    return None
