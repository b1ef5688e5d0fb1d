"""The text of a version file, as the history keeps it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from fastman_tasks.revisions import files

#: Longer texts are not kept: servers refuse packets of some length.
_LONGEST = 1 << 20


def describe(file: Path, root: Path) -> dict[str, Any]:
    """Returns what the history says of a version ``file``: columns and their values."""
    name, folder = str(file), f"{root}/"
    name = name[len(folder) :] if name.startswith(folder) else name
    if not name.isascii():
        # Where the locale is ASCII, Python reads names as what no database takes.
        name = name.encode("utf-8", "backslashreplace").decode()
    try:
        content = read(file)
    except OSError:
        return {"file": name[:1024]}
    try:
        text = files.decode(content) if len(content) <= _LONGEST else None
    except (SyntaxError, ValueError):
        text = None
    # No database's text holds a NUL.
    return {"file": name[:1024], "checksum": checksum(content), "source": None if text and "\0" in text else text}


def read(file: Path) -> bytes:
    """Returns what is in ``file``. Raises OSError."""
    # Less than half the time of Path.read_bytes().
    with open(file, "rb", buffering=0) as opened:  # noqa: PTH123
        return opened.read()


def checksum(content: bytes) -> str:
    """Returns the SHA-256 of a file's ``content``."""
    return hashlib.sha256(content).hexdigest()
