"""What git knows about the project's files; nothing without git or a repository."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fastman_tasks.errors import GitFailed, UsageError
from fastman_tasks.text import printable

_BRANCHES = "refs/heads/"
_REMOTES = "refs/remotes/"
_DEFAULTS = ("main", "master")
_OF_HOOKS = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"}


def current_branch(root: Path) -> str | None:
    """Returns the branch that is checked out in ``root``; None if there is none."""
    found = _git(root, "symbolic-ref", "--quiet", "HEAD")
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
    lines = _git(root, "--no-optional-locks", "status", *flags).splitlines()
    named = dict(line[2:].split(" ", 1) for line in lines if line.startswith("# branch."))
    if not named:
        return None
    commit, branch = named.get("branch.oid", ""), named.get("branch.head", "")
    return Head(
        None if commit == "(initial)" else commit,
        None if branch == "(detached)" else branch,
        any(not line.startswith("#") for line in lines),
    )


def branches_with_revision(revision_id: str, root: Path) -> list[tuple[str, str]]:
    """Returns the local branches that have a version file with that id: (branch, path from the repository's root)."""
    return [(short_name(name), path) for name, path, _ in find_versions([revision_id], root)]


def find_versions(ids: Collection[str], root: Path, *, remote: bool = False) -> list[tuple[str, str, str]]:
    """Returns each version file with one of ``ids`` in a local branch, or also a ``remote`` tracking one: the branch by
    its full name, the path from the repository's root, and the id."""
    kinds = (_BRANCHES, _REMOTES) if remote else (_BRANCHES,)
    return _find(ids, _git(root, "for-each-ref", "--format=%(refname)", "--", *kinds).splitlines(), root)


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
        file = root / _git(root, "rev-parse", "--git-path", f"{folder}/head-name").rstrip("\n")
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
    hits = _git(root, "grep", *plain, "-E", "-e", pattern, *branches, "--", "*.py").split("\n")
    found = []
    for where, _, line in (hit.partition("\0") for hit in hits if hit):
        # A branch's name may hold no colon: the first one ends it.
        branch, _, path = where.partition(":")
        match = re.search(rf"['\"]({'|'.join(map(re.escape, wanted))})['\"]", line)
        if match and path:
            found.append((branch, path, match[1]))
    return list(dict.fromkeys(found))


@dataclass(frozen=True)
class Repository:
    """A repository of git; ``top`` is the folder that its paths are relative to. Nothing in it is changed.

    Every method raises GitFailed with what git says.
    """

    top: Path

    @classmethod
    def of(cls, folder: Path) -> Repository:
        """Returns the one that ``folder`` is in. Raises GitFailed if there is none, or no git."""
        return cls(Path(os.fsdecode(_read(folder, "rev-parse", "--show-toplevel").rstrip(b"\n"))))

    @property
    def folder(self) -> Path:
        """The folder that git keeps it in, also for its other work trees."""
        return self._path("rev-parse", "--git-common-dir")

    @property
    def hooks(self) -> Path:
        """The folder of its hooks, which ``core.hooksPath`` may name."""
        return self._path("rev-parse", "--git-path", "hooks")

    def _path(self, *arguments: str) -> Path:
        return (self.top / os.fsdecode(_read(self.top, *arguments).rstrip(b"\n"))).resolve()

    def commit(self, ref: str) -> str:
        """Returns the id of the commit that ``ref`` means. Raises UsageError if it means none."""
        done = None if ref.startswith("-") else _run(self.top, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
        if done is None or done.returncode:
            hint = " The clone is shallow: it may not have been fetched." if self.is_shallow else ""
            raise UsageError(f"{printable(ref)} is not a commit in this repository.{hint}")
        return done.stdout.decode().strip()

    def merge_base(self, commit: str) -> str | None:
        """Returns the commit that HEAD and ``commit`` come from; None if they share none. Raises GitFailed where that
        cannot be told, since the clone is shallow."""
        done = _run(self.top, "merge-base", "HEAD", commit)
        if not done.returncode:
            return done.stdout.decode().strip()
        if self.is_shallow:
            raise GitFailed(
                "The clone is shallow, and does not have the commit that both branches come from. Fetch all of it: "
                "git fetch --unshallow, or fetch-depth: 0 of actions/checkout."
            )
        return None

    @property
    def is_shallow(self) -> bool:
        """Whether it lacks older commits."""
        return _read(self.top, "rev-parse", "--is-shallow-repository").strip() == b"true"

    def files(self, commit: str, folders: Iterable[Path]) -> dict[Path, str]:
        """Returns the files that ``commit`` has in ``folders`` and below, each with the id of its content."""
        inside = [str(folder.relative_to(self.top)) for folder in folders if folder.is_relative_to(self.top)]
        if not inside:
            return {}
        paths = [] if "." in inside else ["--", *inside]
        listed = _read(self.top, "ls-tree", "-r", "-z", "--full-tree", commit, *paths)
        found = {}
        for entry in filter(None, listed.split(b"\0")):
            mode, kind, content = (described := entry.partition(b"\t"))[0].split()
            # Not a link, nor a submodule.
            if kind == b"blob" and mode != b"120000":
                found[self.top / os.fsdecode(described[2])] = content.decode()
        return found

    def changed(self, folders: Iterable[Path]) -> set[Path]:
        """Returns the files in ``folders`` and below that are not as HEAD has them, new and ignored ones included."""
        inside = [str(folder) for folder in folders if folder.is_relative_to(self.top)]
        if not inside:
            return set()
        flags = ("--porcelain", "-z", "--no-renames", "--untracked-files=all", "--ignored=matching")
        listed = _read(self.top, "status", *flags, "--", *inside)
        return {self.top / os.fsdecode(entry[3:]) for entry in listed.split(b"\0") if entry}

    def read(self, contents: Iterable[str]) -> Mapping[str, bytes]:
        """Returns the contents with these ids."""
        wanted = list(dict.fromkeys(contents))
        answer = _read(self.top, "cat-file", "--batch", input="".join(f"{each}\n" for each in wanted).encode())
        found, at = {}, 0
        for each in wanted:
            end = answer.index(b"\n", at)
            if answer[at:end].endswith(b" missing"):
                raise GitFailed(f"git does not have the content {each}.")
            size = int(answer[at:end].split()[2])
            found[each] = answer[end + 1 : end + 1 + size]
            at = end + size + 2
        return found


def _read(folder: Path, *arguments: str, input: bytes = b"") -> bytes:
    done = _run(folder, *arguments, input=input)
    if done.returncode:
        raise GitFailed(f"git: {done.stderr.decode('utf-8', 'replace').strip()}")
    return done.stdout


def _run(folder: Path, *arguments: str, input: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    # A hook of git has variables that are of its own repository and folder.
    environ = {name: value for name, value in os.environ.items() if name not in _OF_HOOKS}
    try:
        return subprocess.run(
            ["git", *arguments], cwd=folder, env=environ, input=input, capture_output=True, timeout=60
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise GitFailed(f"git cannot be run: {error}") from error


def _git(root: Path, *arguments: str) -> str:
    try:
        done = _run(root, *arguments)
    except GitFailed:
        return ""
    return "" if done.returncode else done.stdout.decode("utf-8", "surrogateescape")
