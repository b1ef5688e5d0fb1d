"""What git knows about the project's files; nothing without git or a repository."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

_BRANCHES = "refs/heads/"


def current_branch(root: Path) -> str | None:
    """Returns the branch that is checked out in ``root``; None if there is none."""
    found = _git(root, "symbolic-ref", "--quiet", "HEAD")
    return found.strip().removeprefix(_BRANCHES) or None


def branches_with_revision(revision_id: str, root: Path) -> list[tuple[str, str]]:
    """Returns the local branches that have a version file with that id: (branch, path from the repository's root)."""
    if not revision_id.isprintable():
        # A pattern of several lines is several patterns.
        return []
    # Whole names: git would take a branch that is called -O… for an option, which runs a program.
    branches = _git(root, "for-each-ref", "--format=%(refname)", "--", _BRANCHES).splitlines()
    if not branches:
        return []
    literally = re.sub(r"[][\\.^$*+?(){}|]", r"\\\g<0>", revision_id)
    pattern = rf"^revision\b.*=.*['\"]{literally}['\"]"
    # -z: otherwise git quotes names that are not ASCII.
    hits = _git(root, "grep", "-z", "--full-name", "-l", "-E", "-e", pattern, *branches, "--", "*.py").split("\0")
    # A branch's name may hold no colon: the first one ends it.
    found = (hit.partition(":") for hit in hits if hit)
    return [(branch.removeprefix(_BRANCHES), path) for branch, _, path in found]


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=root,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            stdin=subprocess.DEVNULL,
            timeout=20,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return ""
    return "" if done.returncode else done.stdout
