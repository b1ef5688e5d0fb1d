"""What git knows about the project's files; nothing without git or a repository."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path


def current_branch(root: Path) -> str | None:
    """Returns the branch that is checked out in ``root``; None if there is none."""
    found = _git(root, "branch", "--show-current")
    return found[0] if found else None


def branches_with_revision(revision_id: str, root: Path) -> list[tuple[str, str]]:
    """Returns the local branches that have a version file with that id: (branch, path from the repository's root)."""
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
