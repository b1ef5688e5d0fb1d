"""Run git."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from fastman_tasks.errors import GitFailed

_OF_HOOKS = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"}


def read(folder: Path, *arguments: str, input: bytes = b"") -> bytes:
    """Returns what git answers to ``arguments`` in ``folder``. Raises GitFailed with what it says."""
    done = run(folder, *arguments, input=input)
    if done.returncode:
        raise GitFailed(f"git: {done.stderr.decode('utf-8', 'replace').strip()}")
    return done.stdout


def run(folder: Path, *arguments: str, input: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run git with ``arguments`` in ``folder``, however it ends. Raises GitFailed if it cannot be run."""
    # A hook of git has variables that are of its own repository and folder.
    environ = {name: value for name, value in os.environ.items() if name not in _OF_HOOKS}
    try:
        return subprocess.run(
            ["git", *arguments], cwd=folder, env=environ, input=input, capture_output=True, timeout=60
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise GitFailed(f"git cannot be run: {error}") from error


def ask(root: Path, *arguments: str) -> str:
    """Returns what git answers to ``arguments`` in ``root``; empty if it fails, or there is none."""
    try:
        done = run(root, *arguments)
    except GitFailed:
        return ""
    return "" if done.returncode else done.stdout.decode("utf-8", "surrogateescape")
