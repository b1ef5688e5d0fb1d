"""What is wrong with the version files of a project as a whole. Pure: no files, no database, no Alembic."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from fastman_tasks.plans import Finding
from fastman_tasks.revisions.files import Header
from fastman_tasks.revisions.graph import Revision, RevisionGraph
from fastman_tasks.text import pluralize, printable


@dataclass(frozen=True)
class VersionFile:
    """A version file, whether it is there or only in another tree of git: its ``content`` and its ``header``.

    ``header`` is None if it cannot be read; ``error`` says why. ``location`` is the folder of version files that it
    belongs to.
    """

    path: Path
    content: bytes
    header: Header | None
    location: Path = Path()
    error: str = ""

    @property
    def name(self) -> str:
        """Its file's name without ``.py``, printable."""
        return printable(self.path.stem)

    def line(self, name: str) -> int:
        """Returns the line in which ``name`` is given a value or defined, from 1."""
        found = re.search(rb"^(?:def +)?%s\b" % name.encode(), self.content, re.MULTILINE)
        return 1 + self.content.count(b"\n", 0, found.start() if found else 0)


def find(files: Sequence[VersionFile]) -> tuple[Finding, ...]:
    """Returns what is wrong with ``files`` together: a header that cannot be read, one revision in two files, a parent
    that no file has, a circle, or several heads that are not meant to stay separate."""
    found = [
        *(Finding(f"{each.name} cannot be read: {each.error}", each.path) for each in files if each.header is None),
        *_duplicates(files),
        *_gaps(files),
    ]
    # Without those, heads would be found that are none.
    return tuple(found or _circle(files) or _heads(files))


def _duplicates(files: Sequence[VersionFile]) -> Iterator[Finding]:
    seen: dict[str, VersionFile] = {}
    for each, header in _readable(files):
        first = seen.setdefault(header.revision, each)
        if first is not each:
            text = f"{each.name} has the revision of {first.name}: {printable(header.revision)}"
            yield Finding(text, each.path, each.line("revision"))


def _gaps(files: Sequence[VersionFile]) -> Iterator[Finding]:
    known = {header.revision for _, header in _readable(files)}
    labels = {label for _, header in _readable(files) for label in header.branch_labels}
    for each, header in _readable(files):
        for parent in header.parents:
            if parent not in known:
                text = f"{each.name} follows {printable(parent)}, which no file has"
                yield Finding(text, each.path, each.line("down_revision"))
        for needed in header.depends_on:
            if needed not in known and needed not in labels:
                text = f"{each.name} depends on {printable(needed)}, which no file has"
                yield Finding(text, each.path, each.line("depends_on"))


def _circle(files: Sequence[VersionFile]) -> list[Finding]:
    by_id = {header.revision: each for each, header in _readable(files)}
    try:
        TopologicalSorter(_parents(files)).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        first = by_id[circle[0]]
        text = f"these revisions follow each other in a circle: {printable(', '.join(circle[:-1]))}"
        return [Finding(text, first.path, first.line("down_revision"))]
    return []


def _heads(files: Sequence[VersionFile]) -> list[Finding]:
    parents = _parents(files)
    revised = {parent for _, header in _readable(files) for parent in header.parents}
    graph = RevisionGraph(
        Revision(
            id=header.revision,
            file=each.path,
            message="",
            parents=tuple(parents[header.revision]),
            labels=_labels(header, files) if header.revision not in revised else (),
            is_head=header.revision not in revised,
            location=each.location,
        )
        for each, header in _readable(files)
    )
    ends = graph.heads_of(set(parents))
    if len(ends) < 2 or graph.are_independent(graph.heads):
        return []
    listed = ", ".join(f"{graph[each].name} ({printable(each)})" for each in ends)
    newest = next(each for each, header in reversed(_readable(files)) if header.revision in ends)
    ways = "Merge them: inv migrate.merge. Or put one after the other: inv migrate.rebase"
    text = f"there are {pluralize(len(ends), 'head')}: {listed}. {ways}"
    return [Finding(text, newest.path, newest.line("down_revision"))]


def _parents(files: Sequence[VersionFile]) -> Mapping[str, Sequence[str]]:
    """What each revision follows and depends on; a label stands for the revision that has it."""
    labels = {label: header.revision for _, header in _readable(files) for label in header.branch_labels}
    return {
        header.revision: (*header.parents, *(labels.get(each, each) for each in header.depends_on))
        for _, header in _readable(files)
    }


def _labels(header: Header, files: Sequence[VersionFile]) -> tuple[str, ...]:
    """The branch labels of a revision: its own, and those of what it follows."""
    labelled = [each for _, each in _readable(files) if each.branch_labels]
    if not labelled:
        return ()
    by_id = {each.revision: each for _, each in _readable(files)}
    found: dict[str, Header] = {}
    open_headers = [header]
    while open_headers:
        each = open_headers.pop()
        if each.revision not in found:
            found[each.revision] = each
            open_headers.extend(by_id[parent] for parent in each.parents)
    return tuple(sorted({label for each in found.values() for label in each.branch_labels}))


def _readable(files: Sequence[VersionFile]) -> list[tuple[VersionFile, Header]]:
    return [(each, each.header) for each in files if each.header is not None]
