"""Which revisions a version file has taken the place of: its docstring says so."""

from __future__ import annotations

from fastman_tasks.revisions.graph import Revision, RevisionGraph

#: A line of the docstring that begins so has their ids.
MARK = "Squashed:"


def find_replacement(revision_id: str, graph: RevisionGraph) -> Revision | None:
    """Returns the revision that has taken the place of ``revision_id``, which has no file; None if none has."""
    for revision in graph.revisions:
        text = revision.file.read_bytes()
        if MARK.encode() not in text:
            continue
        lines = text.decode("utf-8", "replace").splitlines()
        if any(line.startswith(MARK) and revision_id in line.split()[1:] for line in lines):
            return revision
    return None
