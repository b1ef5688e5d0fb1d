"""Who runs a command, where, and on which commit."""

from __future__ import annotations

import getpass
import socket
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from fastman_tasks import git


def describe(root: Path, environment: str | None) -> dict[str, Any]:
    """Returns what the history says of whoever runs a command in ``root``: columns and their values."""
    head = git.describe_head(root)
    user, host, tool = None, None, None
    # A container may have a user without a name.
    with suppress(OSError, KeyError, ImportError):
        user = getpass.getuser()
    with suppress(OSError):
        host = socket.gethostname()
    with suppress(PackageNotFoundError):
        tool = f"fastman-tasks {version('fastman-tasks')}"
    return {
        "os_user": _short(user),
        "host": _short(host),
        "environment": _short(environment),
        "git_commit": head.commit if head else None,
        "git_branch": _short(head.branch) if head else None,
        "dirty": head.is_dirty if head else None,
        "tool": _short(tool, 64),
    }


def _short(text: str | None, length: int = 255) -> str | None:
    return text[:length] if text else None
