"""Which revisions a version file has taken the place of: its docstring says so."""

from __future__ import annotations

from fastman_tasks.revisions.graph import Revision, RevisionGraph

#: A line of the docstring that begins so has their ids.
MARK = "Squashed:"


def find(content: bytes) -> set[str]:
    """Returns the ids of the revisions that the version file with this ``content`` has taken the place of."""
    if MARK.encode() not in content:
        return set()
    lines = content.decode("utf-8", "replace").splitlines()
    return {each for line in lines if line.startswith(MARK) for each in line.split()[1:]}


def find_replacements(graph: RevisionGraph) -> dict[str, Revision]:
    """Returns the ids of all revisions that were squashed, each with the revision that has taken its place."""
    return {each: revision for revision in graph.revisions for each in find(revision.file.read_bytes())}
