"""The version files as they are here, in another branch of git, and after a merge of both."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fastman_tasks.errors import FastmanError
from fastman_tasks.git import Repository
from fastman_tasks.migrating import scripts
from fastman_tasks.migrating.environment import Environment
from fastman_tasks.migrating.migrator import Migrator
from fastman_tasks.migrating.version_graph import Locations
from fastman_tasks.revisions import files
from fastman_tasks.revisions.problems import VersionFile
from fastman_tasks.sources import describe_error


def read(environment: Environment, migrator: Migrator) -> tuple[VersionFile, ...]:
    """Returns the version files of the project, whatever is wrong with them. Needs no database that can be reached, and
    no env.py that works."""
    if not environment.has_run:
        # It may say where they lie, before whatever fails.
        with suppress(FastmanError):
            _ = migrator.state
    folders = Locations(environment.scripts)
    found = []
    with environment.errors():
        for path, header in scripts.version_files(environment.scripts):
            content, location = path.read_bytes(), folders.of(path)
            if isinstance(header, files.Header):
                found.append(VersionFile(path, content, header, location))
            else:
                found.append(VersionFile(path, content, None, location, describe_error(header)))
    return tuple(found)


@dataclass(frozen=True)
class Trees:
    """The version files ``here``, in the commit that ``ref`` means, and after a merge of both."""

    ref: str
    here: tuple[VersionFile, ...]
    there: tuple[VersionFile, ...]
    merged: tuple[VersionFile, ...]


def compare(environment: Environment, here: tuple[VersionFile, ...], ref: str) -> Trees:
    """Returns the version files ``here``, as they are in ``ref``, and what a merge of both would have.

    They are read from git's objects; nothing is checked out. Raises UsageError for a ``ref`` that is not a commit, and
    GitFailed.
    """
    repository = Repository.of(environment.root)
    commit = repository.commit(ref)
    base = repository.merge_base(commit)
    folders = Locations(environment.scripts)

    def ids(commit: str | None) -> dict[Path, str]:
        found = repository.files(commit, folders.all) if commit else {}
        return {path: each for path, each in found.items() if scripts.is_version_file(environment.scripts, path)}

    before, after = ids(base), ids(commit)
    contents = repository.read([*after.values(), *before.values()])
    known = {each.path: each for each in here}
    there = {
        path: _version_file(path, contents[each], folders.of(path), known.get(path)) for path, each in after.items()
    }
    merged = _merge(known, {path: contents[each] for path, each in before.items()}, there)
    return Trees(
        ref, here, tuple(there[path] for path in sorted(there)), tuple(merged[path] for path in sorted(merged))
    )


def _version_file(path: Path, content: bytes, location: Path, known: VersionFile | None) -> VersionFile:
    if known is not None and _lines(known.content) == _lines(content):
        return known
    # What another branch has is not imported.
    return VersionFile(path, content, files.find(content), location, "its revision is not written as a literal")


def _merge(
    here: Mapping[Path, VersionFile], base: Mapping[Path, bytes], there: Mapping[Path, VersionFile]
) -> dict[Path, VersionFile]:
    """What is the same in one of both as in ``base`` is what the other one has made of it; of a conflict, it is what is
    here."""
    merged = {}
    for path in here.keys() | there.keys():
        ours, theirs, before = here.get(path), there.get(path), base.get(path)
        is_unchanged = before is not None and ours is not None and _lines(ours.content) == _lines(before)
        is_only_there = before is None and ours is None
        found = theirs if is_unchanged or is_only_there else ours
        if found is not None:
            merged[path] = found
    return merged


def _lines(content: bytes) -> bytes:
    # git may check out other line ends than it keeps.
    return content.replace(b"\r\n", b"\n")
