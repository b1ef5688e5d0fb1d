"""What git knows about the project's files; nothing without git or a repository."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

_BRANCHES = "refs/heads/"
_REMOTES = "refs/remotes/"
_DEFAULTS = ("main", "master")


def current_branch(root: Path) -> str | None:
    """Returns the branch that is checked out in ``root``; None if there is none."""
    found = _git(root, "symbolic-ref", "--quiet", "HEAD")
    return found.strip().removeprefix(_BRANCHES) or None


def branches_with_revision(revision_id: str, root: Path) -> list[tuple[str, str]]:
    """Returns the local branches that have a version file with that id: (branch, path from the repository's root)."""
    branches = _git(root, "for-each-ref", "--format=%(refname)", "--", _BRANCHES).splitlines()
    return [(name.removeprefix(_BRANCHES), path) for name, path, _ in _find([revision_id], branches, root)]


@dataclass(frozen=True)
class SharedBranches:
    """Branches that others have, by their full names: those that this one goes into (its upstream, the default branch),
    and where this one itself was ``pushed`` to."""

    bases: tuple[str, ...]
    pushed: tuple[str, ...]


def shared_branches(root: Path) -> SharedBranches:
    """Returns the branches that others have and that matter to the one that is checked out in ``root``."""
    listed = _git(root, "for-each-ref", "--format=%(refname) %(symref) %(upstream)", "--", _BRANCHES, _REMOTES)
    refs = {name: (symref, upstream) for name, symref, upstream in (line.split(" ") for line in listed.splitlines())}
    current = current_branch(root)
    own = f"{_BRANCHES}{current}"
    remote = {name: name.removeprefix(_REMOTES).partition("/")[2] for name in refs if name.startswith(_REMOTES)}
    defaults = {*_DEFAULTS, *(remote[symref] for symref, _ in refs.values() if symref in remote)}
    bases = {name for name, branch in remote.items() if branch in defaults}
    pushed: set[str] = set()
    if current is not None:
        bases |= {f"{_BRANCHES}{name}" for name in defaults} | {refs[own][1] if own in refs else ""}
        if current not in defaults:
            pushed = {name for name, branch in remote.items() if branch == current}
    return SharedBranches(tuple(sorted((bases - pushed - {own}) & set(refs))), tuple(sorted(pushed)))


def revisions_in(branches: Collection[str], ids: Collection[str], root: Path) -> dict[str, str]:
    """Returns those of ``ids`` that have a version file in one of ``branches``, each with the first such branch."""
    found: dict[str, str] = {}
    for branch, _, revision_id in _find(ids, branches, root):
        found.setdefault(revision_id, short_name(branch))
    return found


def changed_files(folders: Iterable[Path], root: Path) -> list[str]:
    """Returns the Python files in ``folders`` that are not as the last commit has them, new ones included, by their
    paths from the repository's root."""
    inside = [str(folder) for folder in folders if _git(folder, "rev-parse", "--is-inside-work-tree").strip() == "true"]
    if not inside:
        return []
    listed = _git(root, "status", "--porcelain", "--no-renames", "--untracked-files=all", "-z", "--", *inside)
    return [entry[3:] for entry in listed.split("\0") if entry.endswith(".py")]


def read_file(branch: str, path: str, root: Path) -> bytes | None:
    """Returns the content of ``path``, from the repository's root, in a local ``branch``; None if it has none."""
    return _run(root, "cat-file", "blob", f"{_BRANCHES}{branch}:{path}")


def top_folder(root: Path) -> Path | None:
    """Returns the folder of the repository that ``root`` is in; None if there is none."""
    found = _git(root, "rev-parse", "--show-toplevel").rstrip("\n")
    return Path(found) if found else None


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
    hits = _git(root, "grep", *plain, "-E", "-e", pattern, *branches, "--", "*.py").split("\n")
    found = []
    for where, _, line in (hit.partition("\0") for hit in hits if hit):
        # A branch's name may hold no colon: the first one ends it.
        branch, _, path = where.partition(":")
        match = re.search(rf"['\"]({'|'.join(map(re.escape, wanted))})['\"]", line)
        if match and path:
            found.append((branch, path, match[1]))
    return list(dict.fromkeys(found))


def _git(root: Path, *arguments: str) -> str:
    return (_run(root, *arguments) or b"").decode("utf-8", "surrogateescape")


def _run(root: Path, *arguments: str) -> bytes | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, stdin=subprocess.DEVNULL, timeout=20)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else done.stdout
