"""The texts of applied version files, kept in git's own folder: neither a switch nor the end of a branch takes them."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from fastman_tasks import git
from fastman_tasks.errors import GitFailed
from fastman_tasks.history import source

# Others would lead out of the folder, or be no file's name.
_SAFE = re.compile(r"\w[\w.-]{0,127}", re.ASCII)


class KeptFiles:
    """Those of the repository that the project in ``root`` is in, if there is one; each is called by its revision."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @cached_property
    def folder(self) -> Path | None:
        """The folder that they are in, which need not exist; None without a repository."""
        with suppress(GitFailed):
            return git.Repository.of(self._root).folder / "fastman"
        return None

    def keep(self, revision: str, file: Path) -> None:
        """Keep the version ``file`` of ``revision``. The history's table has it too: what fails is not said."""
        if self.folder is None or not _SAFE.fullmatch(revision):
            return
        with suppress(OSError):
            content = source.read(file)
            if content != self.read(revision):
                self.folder.mkdir(exist_ok=True)
                (self.folder / f"{revision}.py").write_bytes(content)

    def read(self, revision: str) -> bytes | None:
        """Returns what was kept of ``revision``; None if nothing was."""
        if self.folder is None or not _SAFE.fullmatch(revision):
            return None
        with suppress(OSError):
            return source.read(self.folder / f"{revision}.py")
        return None
