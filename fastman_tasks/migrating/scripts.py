"""Alembic's view of the version files, in which a file is imported when its migration runs, not before."""

from __future__ import annotations

import importlib.util
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from types import ModuleType
from typing import Any

from alembic.script import Script, ScriptDirectory
from alembic.script.revision import Revision, RevisionMap
from alembic.util import CommandError, coerce_resource_to_filename

from fastman_tasks.revisions import files
from fastman_tasks.revisions.files import Header

# What Alembic takes for a version file: not an editor's lock file, nor a package's own.
_VERSION_FILE = re.compile(r"(?!\.#|__init__).*\.py$")


def read_headers(scripts: ScriptDirectory, more: Sequence[Path] = ()) -> None:
    """Have ``scripts`` read what the version files say of themselves instead of importing all of them; ``more`` are
    version files that lie elsewhere, all in one folder.

    A file is imported where its header is not written out plainly, and where there may be no source (``sourceless``).
    The files are looked for when they are first asked for: until then env.py may say where they lie.
    """
    if not scripts.sourceless:
        scripts.revision_map = _Map(scripts, more)
    elif more:
        scripts.version_locations = [*map(str, locations(scripts)), str(more[0].parent)]


class _Map(RevisionMap):
    """Alembic's map, which it makes when it is first asked for anything. The files are read once."""

    def __init__(self, scripts: ScriptDirectory, more: Sequence[Path]) -> None:
        self._scripts = scripts
        self._more = more
        super().__init__(self._made)

    @cached_property
    def files(self) -> list[tuple[Path, Header | None]]:
        """Each version file with its header, in Alembic's order; None where it has to be imported."""
        return [(file, files.read(file)) for file in (*_version_files(self._scripts), *self._more)]

    def _made(self) -> Iterator[Script]:
        for file, header in self.files:
            yield _Script(header, file) if header else _by_import(file)


class _Script(Script):
    """A version file; ``module`` imports it."""

    def __init__(self, header: Header, file: Path) -> None:
        self.path = str(file)
        self._header = header
        Revision.__init__(
            self,
            header.revision,
            header.down_revision,
            branch_labels=header.branch_labels,
            dependencies=header.depends_on,
        )

    @cached_property
    def module(self) -> ModuleType:  # type: ignore[override]
        """What Alembic takes ``upgrade()`` and ``downgrade()`` from."""
        return _imported(Path(self.path))

    @property
    def longdoc(self) -> str:
        """The docstring."""
        return self._header.docstring


def plain_headers(scripts: ScriptDirectory) -> list[tuple[Path, Header]] | None:
    """The version files with their headers, in Alembic's order, where these alone are the graph.

    None where Alembic's map has to be asked, which takes five times as long: a file has to be imported; there are
    labels or dependencies, which it makes more of; or something is wrong, and it says what.
    """
    if not isinstance(scripts.revision_map, _Map):
        return None
    found: list[tuple[Path, Header]] = []
    parents: dict[str, tuple[str, ...]] = {}
    for file, header in scripts.revision_map.files:
        if header is None or header.branch_labels or header.depends_on or not _PLAIN_ID.fullmatch(header.revision):
            return None
        found.append((file, header))
        parents[header.revision] = header.parents
    if len(parents) < len(found) or not all(parent in parents for each in parents.values() for parent in each):
        return None
    return None if _has_circle(parents) else found


# Others Alembic refuses, or gives them a meaning of their own.
_PLAIN_ID = re.compile(r"(?!(?:base|heads?)\Z)[A-Za-z0-9_]+")


def _has_circle(parents: dict[str, tuple[str, ...]]) -> bool:
    seen: set[str] = set()
    for each, above in parents.items():
        # Where files are named by date, parents have come before, and this is all there is to do.
        if not seen.issuperset(above):
            break
        seen.add(each)
    else:
        return False
    try:
        TopologicalSorter(parents).prepare()
    except CycleError:
        return True
    return False


def in_file_order(scripts: ScriptDirectory) -> list[tuple[Script, tuple[str, ...]]]:
    """Each revision with its parents, in the order in which Alembic has read the files and follows the parents.

    Raises KeyError for a parent that no file has. Alembic's public iterators take quadratic time where revisions merge;
    the order of files, and parents without those that another one implies, are only to be had here.
    """
    found = scripts.revision_map._revision_map
    # Labels are keys, too.
    return [
        (each, each._normalized_down_revisions)
        for name, each in found.items()
        if isinstance(each, Script) and each.revision == name
    ]


def version_files(scripts: ScriptDirectory) -> Iterator[tuple[Path, Header | Exception]]:
    """Yields each version file with its header, in the order in which Alembic reads them, whatever else is wrong.

    A file whose header is not written out plainly is imported; the exception that this raises is yielded then.
    """
    for file in _version_files(scripts):
        header = files.read(file)
        yield file, header if header is not None else _imported_header(file)


def _imported_header(file: Path) -> Header | Exception:
    try:
        script = _by_import(file)
    except Exception as error:
        return error
    down, needed = script.down_revision, script.dependencies
    return Header(
        script.revision,
        down if down is None or isinstance(down, str) else tuple(down),
        tuple(sorted(script.branch_labels)),
        (needed,) if isinstance(needed, str) else tuple(needed or ()),
        script.longdoc,
    )


def is_version_file(scripts: ScriptDirectory, file: Path) -> bool:
    """Whether Alembic would read ``file``, which need not exist."""
    if not _VERSION_FILE.match(file.name):
        return False
    folders = [folder.resolve() for folder in locations(scripts)]
    if scripts.recursive_version_locations:
        return any(file.is_relative_to(folder) for folder in folders)
    return file.parent in folders


def locations(scripts: ScriptDirectory) -> list[Path]:
    """The folders of version files, in the order in which Alembic reads them."""
    named = scripts.version_locations or [str(Path(scripts.dir) / "versions")]
    return [coerce_resource_to_filename(str(each)).absolute() for each in named]


def _version_files(scripts: ScriptDirectory) -> Iterator[Path]:
    # Text: where there are thousands, a Path takes as long to find in a set as its file to be read.
    seen: set[str] = set()
    for folder in filter(Path.exists, locations(scripts)):
        for real in _files(folder.resolve(), recursive=scripts.recursive_version_locations):
            if real in seen:
                warnings.warn(f"{real} lies in two of version_locations; it is read once.", stacklevel=2)
                continue
            seen.add(real)
            yield Path(real)


def _files(folder: Path, *, recursive: bool) -> Iterator[str]:
    inner: list[Path] = []
    # An entry knows what it is; asking a Path costs a system call, and resolving it one for each folder above.
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.is_dir():
                inner.append(folder / entry.name)
            elif _VERSION_FILE.match(entry.name):
                file = os.path.join(folder, entry.name)  # noqa: PTH118
                yield str(Path(file).resolve()) if entry.is_symlink() else file
    if recursive:
        for each in inner:
            if each.name != "__pycache__":
                yield from _files(each.resolve(), recursive=True)


def _by_import(file: Path) -> Script:
    module: Any = _imported(file)
    # Files of Alembic's first versions have their revision in their name.
    legacy = re.fullmatch(r"([a-f0-9]+)\.py", file.name)
    revision = getattr(module, "revision", legacy and legacy[1])
    if revision is None:
        raise CommandError(
            f"Could not determine revision id from filename {file.name}. "
            "Be sure the 'revision' variable is declared inside the script."
        )
    return Script(module, revision, file)


def _imported(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(re.sub(r"\W", "_", file.name), file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
