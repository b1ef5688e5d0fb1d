"""Phantoms: revisions that count as applied in the database and have no file here, and where their sources are."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from fastman_tasks import git
from fastman_tasks.errors import GitFailed
from fastman_tasks.history import source
from fastman_tasks.history.kept import KeptFiles
from fastman_tasks.migrating import statuses
from fastman_tasks.migrating.environment import Environment
from fastman_tasks.migrating.migrator import Migrator
from fastman_tasks.plans import Entry
from fastman_tasks.revisions import files, fingerprint
from fastman_tasks.revisions.graph import RevisionGraph
from fastman_tasks.text import printable

Place = Literal["git", "kept", "table"]
_NAME = re.compile(r"(?!__init__)\w[\w -]*\.py")


@dataclass(frozen=True)
class Phantom:
    """A phantom with the ``content`` of its file, and the ``place`` where that was found: a branch of git, git's own
    folder, or the history's table. ``branch`` is where it belongs, as far as that is known. ``is_as_applied`` is
    whether the content does what was applied."""

    id: str
    name: str
    content: bytes
    place: Place
    branch: str | None
    is_as_applied: bool
    parents: tuple[str, ...]

    @property
    def where(self) -> str:
        """The place in words."""
        if self.place == "git":
            return f"branch {printable(self.branch or '')}"
        return ".git/fastman" if self.place == "kept" else "the table fastman_history"


class _Text(NamedTuple):
    place: Place
    name: str
    content: bytes
    branch: str | None = None


def find(environment: Environment, migrator: Migrator) -> tuple[tuple[Phantom, ...], tuple[str, ...]]:
    """Returns the phantoms, and the revisions whose source is not known. Nothing is changed, and no file is run.

    Text that does what was applied comes first, then that of a branch, then what was kept in git's folder, and then
    that of the history's table.
    """
    standing = migrator.history.standing
    graph = migrator.graph
    lost = {each: standing[each] for each in standing if each not in graph}
    texts = _Texts(environment, lost)
    found: dict[str, Phantom] = {}
    unknown: list[str] = []
    wanted = migrator.missing
    texts.look_for({*wanted, *lost} if wanted else ())
    while wanted:
        each = wanted.pop(0)
        if each in found or each in unknown or _is_known(each, graph):
            continue
        phantom = texts.choose(each)
        if phantom is None:
            unknown.append(each)
        else:
            found[each] = phantom
            wanted += phantom.parents
    return tuple(found.values()), tuple(unknown)


def describe_branches(phantoms: Sequence[Phantom]) -> str:
    """Returns `` of the branch feature``, or nothing where it is not known."""
    names = list(dict.fromkeys(each.branch for each in phantoms if each.branch))
    if not names or not all(each.branch for each in phantoms):
        return ""
    listed = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    return printable(f" of the branch{'es' if len(names) > 1 else ''} {listed}")


class _Texts:
    """The texts that there are of the phantoms in ``entries``, by which they were applied, and of others."""

    def __init__(self, environment: Environment, entries: Mapping[str, Entry]) -> None:
        self._environment = environment
        self._entries = entries
        self._kept = KeptFiles(environment.root)
        self._in_git: dict[str, list[_Text]] = {}
        self._in_table: Mapping[int, bytes] = {}
        self._asked: set[str] = set()

    def look_for(self, ids: Collection[str]) -> None:
        """Ask git and the table for all of ``ids`` at once."""
        new = [each for each in ids if each not in self._asked]
        if not new:
            return
        self._asked.update(new)
        for each, branch, path, content in _read_branches(new, self._environment.root):
            self._in_git.setdefault(each, []).append(_Text("git", Path(path).name, content, branch))
        rows = [self._entries[each].id for each in new if each in self._entries]
        if rows:
            found = statuses.read_texts(self._environment, rows)
            self._in_table = {**self._in_table, **found}

    def choose(self, revision: str) -> Phantom | None:
        """Returns the phantom ``revision`` with the text that is best; None if there is none."""
        self.look_for([revision])
        entry = self._entries.get(revision)
        applied = self._in_table.get(entry.id) if entry is not None else None
        usable = []
        for text in self._all(revision, entry, applied):
            header = files.find(text.content)
            if header is not None and header.revision == revision:
                usable.append((text, header, _is_as_applied(text.content, entry, applied)))
        if not usable:
            return None
        text, header, fits = next((each for each in usable if each[2]), usable[0])
        name = text.name if _NAME.fullmatch(text.name) else "phantom.py"
        branch = text.branch or (entry.git_branch if entry is not None else None)
        parents = (*header.parents, *header.depends_on)
        return Phantom(revision, name, text.content, text.place, branch, fits, parents)

    def _all(self, revision: str, entry: Entry | None, applied: bytes | None) -> Iterator[_Text]:
        name = Path(entry.file).name if entry is not None and entry.file else f"{revision}.py"
        # Of several branches with the same text, the one that it was applied on is the one to tell of.
        own = entry.git_branch if entry is not None else None
        yield from sorted(self._in_git.get(revision, ()), key=lambda each: each.branch != own)
        if (content := self._kept.read(revision)) is not None:
            yield _Text("kept", name, content)
        if applied is not None:
            yield _Text("table", name, applied)


def _is_as_applied(content: bytes, entry: Entry | None, applied: bytes | None) -> bool:
    """Whether ``content`` does what was ``applied``, as far as its ``entry`` tells."""
    if entry is None or entry.checksum is None or source.checksum(content) == entry.checksum:
        return True
    before, now = fingerprint.find(applied) if applied is not None else None, fingerprint.find(content)
    return before is not None and now is not None and before == now


def _read_branches(ids: Collection[str], root: Path) -> Iterator[tuple[str, str, str, bytes]]:
    """Yields each version file with one of ``ids`` in a branch of git: its id, the branch, the path, the content."""
    try:
        found = git.find_revisions(ids, root)
        names = [f"{file.ref}:{file.path}" for _, file in found]
        contents = git.Repository.of(root).read(names) if found else {}
    except GitFailed:
        return
    for (each, file), name in zip(found, names, strict=True):
        yield each, file.branch, file.path, contents[name]


def _is_known(name: str, graph: RevisionGraph) -> bool:
    """Whether ``name``, which a revision follows, is one of ``graph``: its id, the beginning of that, or a label."""
    return name in graph or any(name in each.labels or each.id.startswith(name) for each in graph.revisions)
