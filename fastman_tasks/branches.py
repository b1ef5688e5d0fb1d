"""Revisions that the database has and no file: where they may be, and what to do."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path


def explained(missing: list[str], root: Path) -> str:
    """What to tell the user of the ``missing`` revision ids: the git branches that have them, and the ways out."""
    what = "a revision" if len(missing) == 1 else "revisions"
    lines = [f"The database has {what} that no file here has. Nothing was done."]
    current = _git(root, "branch", "--show-current")
    for revision_id in missing:
        found = holding(revision_id, root)
        lines.append(f"  {revision_id}  {_places(found)}")
        here = [path for branch, path in found if [branch] == current]
        if here:
            lines.append(f"  The file was deleted here: git restore --source=HEAD -- ':/{here[0]}'")
        elif found:
            lines.append(f"  Roll it back from there: git switch {found[0][0]}, then inv migrate.rollback")
    lines.append("Or bring the file back, and run the command again.")
    lines.append("Or, where its changes are not in the database, say where that stands: alembic stamp --purge REVISION")
    return "\n".join(lines)


def whereabouts(revision_id: str, root: Path) -> str:
    """The git branches that have a version file of that id, in words."""
    return _places(holding(revision_id, root))


def _places(found: list[tuple[str, str]]) -> str:
    return ", ".join(f"branch {branch}: {path}" for branch, path in found) or "in no local git branch"


def holding(revision_id: str, root: Path) -> list[tuple[str, str]]:
    """The local git branches with a version file of that id: (branch, path from the repository's root).

    Empty without git or a repository.
    """
    branches = _git(root, "for-each-ref", "--format=%(refname:short)", "refs/heads")
    if not branches:
        return []
    literally = re.sub(r"[][\\.^$*+?(){}|]", r"\\\g<0>", revision_id)
    pattern = rf"^revision\b.*=.*['\"]{literally}['\"]"
    # -z: otherwise git quotes names that are not ASCII.
    hits = _git(root, "grep", "-z", "--full-name", "-l", "-E", "-e", pattern, *branches, "--", "*.py")
    # A branch's name may hold no colon: the first one ends it.
    return [(branch, path) for branch, _, path in (hit.partition(":") for hit in hits)]


def _git(root: Path, *arguments: str) -> list[str]:
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=root,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=20,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return re.split(r"[\n\0]", done.stdout.rstrip("\n\0")) if done.stdout and not done.returncode else []
