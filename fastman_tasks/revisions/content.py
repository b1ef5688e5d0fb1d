"""What a set of version files says, as one hash."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

from fastman_tasks.revisions.graph import RevisionGraph


def find_hash(graph: RevisionGraph, heads: Collection[str]) -> str:
    """Returns the SHA-256, as 64 hexadecimal digits, of the version files up to ``heads``, which ``graph`` has.

    It is of the text as it stands, comments included: to parse a thousand files takes longer than to run them. Line
    ends do not count.
    """
    digest = hashlib.sha256()
    for revision_id in sorted(graph.with_ancestors(heads)):
        revision = graph[revision_id]
        content = revision.file.read_bytes().replace(b"\r\n", b"\n")
        for part in (revision_id.encode(), *(each.encode() for each in sorted(revision.parents)), b"", content):
            digest.update(b"%d:" % len(part) + part)
    return digest.hexdigest()
