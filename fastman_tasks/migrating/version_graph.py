"""The graph of the version files, in the order in which Alembic reads them."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from pathlib import Path

from alembic.script import Script, ScriptDirectory

from fastman_tasks.errors import EnvironmentFailed
from fastman_tasks.migrating.scripts import in_file_order, locations, plain_headers
from fastman_tasks.revisions.files import Header
from fastman_tasks.revisions.graph import Revision, RevisionGraph
from fastman_tasks.sources import display_path, first_line


def build(scripts: ScriptDirectory, root: Path) -> RevisionGraph:
    """Returns the graph of the files of ``scripts``.

    Raises EnvironmentFailed for two files of one revision, and for a ``down_revision`` that no file has.
    """
    folders = Locations(scripts)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if (headers := plain_headers(scripts)) is not None:
            return _of_headers(headers, folders)
        try:
            found = in_file_order(scripts)
        except KeyError as error:
            # Alembic warns of a down_revision that no file has, then trips over it.
            said = "; ".join(str(warning.message) for warning in caught) or f"revision {error} is not there"
            raise EnvironmentFailed(f"The version files do not fit together: {said}.") from error
        _refuse_duplicates([str(warning.message) for warning in caught], folders.all, root)
        return RevisionGraph(_revision(script, parents, folders) for script, parents in found)


class Locations:
    """The folders of version files; of one folder in another, the inner one comes first."""

    def __init__(self, scripts: ScriptDirectory) -> None:
        found = (each.resolve() for each in locations(scripts))
        self.all = tuple(sorted(found, key=lambda each: -len(each.parts)))
        self._known: dict[Path, Path] = {}

    def of(self, file: Path) -> Path:
        """Returns the one that ``file`` belongs to."""
        folder = file.parent
        if folder not in self._known:
            self._known[folder] = next((each for each in self.all if file.is_relative_to(each)), folder)
        return self._known[folder]


def _of_headers(headers: list[tuple[Path, Header]], folders: Locations) -> RevisionGraph:
    revised = {parent for _, header in headers for parent in header.parents}
    return RevisionGraph(
        Revision(
            id=header.revision,
            file=file,
            message=first_line(header.docstring),
            parents=header.parents,
            is_head=header.revision not in revised,
            location=folders.of(file),
        )
        for file, header in headers
    )


def _revision(script: Script, parents: tuple[str, ...], folders: Locations) -> Revision:
    file = Path(script.path)
    return Revision(
        id=script.revision,
        file=file,
        message=first_line(script.doc),
        parents=parents,
        labels=tuple(sorted(script.branch_labels)),
        is_head=script.is_head,
        location=folders.of(file),
    )


def _refuse_duplicates(said: Iterable[str], folders: Iterable[Path], root: Path) -> None:
    # Alembic warns of them, and goes on with the one that it happens to read last.
    for found in filter(None, (re.fullmatch(r"Revision (.+) is present more than once", each) for each in said)):
        line = re.compile(rf"^revision\b.*=.*['\"]{re.escape(found[1])}['\"]", re.MULTILINE)
        files = sorted({file for folder in folders for file in folder.rglob("*.py")})
        named = [display_path(file, root) for file in files if line.search(file.read_text("utf-8", "replace"))]
        listed = "".join(f"\n  {name}" for name in named)
        raise EnvironmentFailed(
            f"Two version files have the revision {found[1]}:{listed}\nGive one of them another revision, or remove it."
        )
