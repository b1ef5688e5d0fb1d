"""What is checked out, and what branches have; nothing without git or a repository."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from fastman_tasks.git.repository import Repository
from fastman_tasks.git.running import ask

_BRANCHES = "refs/heads/"
_REMOTES = "refs/remotes/"
_DEFAULTS = ("main", "master")


def current_branch(root: Path) -> str | None:
    """Returns the branch that is checked out in ``root``; None if there is none."""
    found = ask(root, "symbolic-ref", "--quiet", "HEAD")
    return found.strip().removeprefix(_BRANCHES) or None


@dataclass(frozen=True)
class Head:
    """What is checked out: a commit (None before the first one), and a branch (None if it is none). ``is_dirty`` is
    whether files that git knows have changed since."""

    commit: str | None
    branch: str | None
    is_dirty: bool


def describe_head(root: Path) -> Head | None:
    """Returns what is checked out in ``root``; None without git or a repository."""
    flags = ("--porcelain=v2", "--branch", "--untracked-files=no", "--ignore-submodules")
    lines = ask(root, "--no-optional-locks", "status", *flags).splitlines()
    named = dict(line[2:].split(" ", 1) for line in lines if line.startswith("# branch."))
    if not named:
        return None
    commit, branch = named.get("branch.oid", ""), named.get("branch.head", "")
    return Head(
        None if commit == "(initial)" else commit,
        None if branch == "(detached)" else branch,
        any(not line.startswith("#") for line in lines),
    )


class BranchFile(NamedTuple):
    """A file of a ``branch``, by its ``path`` from the repository's root; ``ref`` is the branch's full name."""

    branch: str
    path: str
    ref: str

    @property
    def is_remote(self) -> bool:
        """Whether it is a branch of a remote repository, as it was fetched."""
        return self.ref.startswith(_REMOTES)


def branches_with_revision(revision_id: str, root: Path) -> list[BranchFile]:
    """Returns the version files with that id, and the local branches that have them; if there are none, those of remote
    repositories as they were fetched."""
    for refs in (_BRANCHES, _REMOTES):
        if found := _find([revision_id], _list(root, refs), root):
            return [BranchFile(short_name(ref), path, ref) for ref, path, _ in found]
    return []


def find_revisions(ids: Collection[str], root: Path) -> list[tuple[str, BranchFile]]:
    """Returns the version files with one of ``ids``, each with its id, and the local branches that have them; of what
    is in none, those of remote repositories as they were fetched, of which there may be thousands."""
    found: list[tuple[str, BranchFile]] = []
    for refs in (_BRANCHES, _REMOTES):
        left = set(ids) - {each for each, _ in found}
        new = _find(left, _list(root, refs), root) if left else []
        found += [(each, BranchFile(short_name(ref), path, ref)) for ref, path, each in new]
    return found


def _list(root: Path, refs: str) -> list[str]:
    # A remote's HEAD is another name of one of its branches.
    listed = ask(root, "for-each-ref", "--format=%(refname) %(symref)", "--", refs).splitlines()
    return [name for name, _, symref in (line.partition(" ") for line in listed) if not symref]


@dataclass(frozen=True)
class SharedBranches:
    """Branches that others have, by their full names: those that this one goes into (its upstream, the default branch),
    and where this one itself was ``pushed`` to."""

    bases: tuple[str, ...]
    pushed: tuple[str, ...]


def shared_branches(root: Path) -> SharedBranches:
    """Returns the branches that others have and that matter to the one that is checked out in ``root``."""
    listed = ask(root, "for-each-ref", "--format=%(refname) %(symref) %(upstream)", "--", _BRANCHES, _REMOTES)
    refs = {name: (symref, upstream) for name, symref, upstream in (line.split(" ") for line in listed.splitlines())}
    current = current_branch(root) or _rebased_branch(root)
    own = f"{_BRANCHES}{current}"
    remote = {name: name.removeprefix(_REMOTES).partition("/")[2] for name in refs if name.startswith(_REMOTES)}
    defaults = {*_DEFAULTS, *(remote[symref] for symref, _ in refs.values() if symref in remote)}
    bases = {name for name, branch in remote.items() if branch in defaults}
    pushed: set[str] = set()
    bases |= {f"{_BRANCHES}{name}" for name in defaults} | {refs[own][1] if own in refs else ""}
    if current not in defaults:
        pushed = {name for name, branch in remote.items() if branch == current}
    return SharedBranches(tuple(sorted((bases - pushed - {own}) & set(refs))), tuple(sorted(pushed)))


def _rebased_branch(root: Path) -> str | None:
    """Returns the branch that ``git rebase`` is in the middle of, which git then does not call checked out."""
    for folder in ("rebase-merge", "rebase-apply"):
        file = root / ask(root, "rev-parse", "--git-path", f"{folder}/head-name").rstrip("\n")
        with suppress(OSError, UnicodeDecodeError):
            return file.read_text(encoding="utf-8").strip().removeprefix(_BRANCHES)
    return None


def revisions_in(branches: Collection[str], ids: Collection[str], root: Path) -> dict[str, str]:
    """Returns those of ``ids`` that have a version file in one of ``branches``, each with the first such branch."""
    found: dict[str, str] = {}
    for branch, _, revision_id in _find(ids, branches, root):
        found.setdefault(revision_id, short_name(branch))
    return found


def uncommitted(files: Iterable[Path], root: Path) -> list[Path]:
    """Returns those of ``files`` that are not as the last commit has them. Raises GitFailed without git or a
    repository."""
    found = {each.resolve() for each in files}
    changed = Repository.of(root).changed({each.parent for each in found})
    # Of an ignored folder git says nothing more.
    return sorted(each for each in found if each in changed or not changed.isdisjoint(each.parents))


def short_name(branch: str) -> str:
    """Returns the full name of a ``branch`` as people write it: ``main``, ``origin/main``."""
    return branch.removeprefix(_BRANCHES).removeprefix(_REMOTES)


def _find(ids: Collection[str], branches: Collection[str], root: Path) -> list[tuple[str, str, str]]:
    """Returns each version file with one of ``ids``: its branch, its path and its id."""
    # A pattern of several lines is several patterns.
    wanted = [each for each in ids if each.isprintable()]
    # Without a branch, git would look at the files that are there. Whole names: it would take a branch that is called
    # -O… for an option, which runs a program.
    if not wanted or not branches:
        return []
    literally = "|".join(re.sub(r"[][\\.^$*+?(){}|]", r"\\\g<0>", each) for each in wanted)
    pattern = rf"^revision\b.*=.*['\"]({literally})['\"]"
    # -z: otherwise git quotes names that are not ASCII.
    plain = ("-z", "--full-name", "--no-color", "--no-line-number", "--no-column")
    hits = ask(root, "grep", *plain, "-E", "-e", pattern, *branches, "--", "*.py").split("\n")
    found = []
    for where, _, line in (hit.partition("\0") for hit in hits if hit):
        # A branch's name may hold no colon: the first one ends it.
        branch, _, path = where.partition(":")
        match = re.search(rf"['\"]({'|'.join(map(re.escape, wanted))})['\"]", line)
        if match and path:
            found.append((branch, path, match[1]))
    return list(dict.fromkeys(found))
