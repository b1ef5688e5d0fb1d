"""A repository of git."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fastman_tasks.errors import GitFailed, UsageError
from fastman_tasks.git.running import read, run
from fastman_tasks.text import printable


@dataclass(frozen=True)
class Repository:
    """A repository of git; ``top`` is the folder that its paths are relative to. Nothing in it is changed.

    Every method raises GitFailed with what git says.
    """

    top: Path

    @classmethod
    def of(cls, folder: Path) -> Repository:
        """Returns the one that ``folder`` is in. Raises GitFailed if there is none, or no git."""
        return cls(Path(os.fsdecode(read(folder, "rev-parse", "--show-toplevel").rstrip(b"\n"))))

    @property
    def folder(self) -> Path:
        """The folder that git keeps it in, also for its other work trees."""
        return self._path("rev-parse", "--git-common-dir")

    @property
    def hooks(self) -> Path:
        """The folder of its hooks, which ``core.hooksPath`` may name."""
        return self._path("rev-parse", "--git-path", "hooks")

    def _path(self, *arguments: str) -> Path:
        return (self.top / os.fsdecode(read(self.top, *arguments).rstrip(b"\n"))).resolve()

    def commit(self, ref: str) -> str:
        """Returns the id of the commit that ``ref`` means. Raises UsageError if it means none."""
        done = None if ref.startswith("-") else run(self.top, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
        if done is None or done.returncode:
            hint = " The clone is shallow: it may not have been fetched." if self.is_shallow else ""
            raise UsageError(f"{printable(ref)} is not a commit in this repository.{hint}")
        return done.stdout.decode().strip()

    def merge_base(self, commit: str) -> str | None:
        """Returns the commit that HEAD and ``commit`` come from; None if they share none. Raises GitFailed where that
        cannot be told, since the clone is shallow."""
        done = run(self.top, "merge-base", "HEAD", commit)
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
        return read(self.top, "rev-parse", "--is-shallow-repository").strip() == b"true"

    def files(self, commit: str, folders: Iterable[Path]) -> dict[Path, str]:
        """Returns the files that ``commit`` has in ``folders`` and below, each with the id of its content."""
        inside = [str(folder.relative_to(self.top)) for folder in folders if folder.is_relative_to(self.top)]
        if not inside:
            return {}
        paths = [] if "." in inside else ["--", *inside]
        listed = read(self.top, "ls-tree", "-r", "-z", "--full-tree", commit, *paths)
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
        listed = read(self.top, "status", *flags, "--", *inside)
        return {self.top / os.fsdecode(entry[3:]) for entry in listed.split(b"\0") if entry}

    def read(self, contents: Iterable[str]) -> Mapping[str, bytes]:
        """Returns the contents with these ids."""
        wanted = list(dict.fromkeys(contents))
        answer = read(self.top, "cat-file", "--batch", input="".join(f"{each}\n" for each in wanted).encode())
        found, at = {}, 0
        for each in wanted:
            end = answer.index(b"\n", at)
            if answer[at:end].endswith(b" missing"):
                raise GitFailed(f"git does not have the content {each}.")
            size = int(answer[at:end].split()[2])
            found[each] = answer[end + 1 : end + 1 + size]
            at = end + size + 2
        return found
