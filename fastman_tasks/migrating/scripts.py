"""Alembic's view of the version files, in which a file is imported when its migration runs, not before."""

from __future__ import annotations

import importlib.util
import re
import warnings
from collections.abc import Iterator
from functools import cached_property
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


def read_headers(scripts: ScriptDirectory) -> None:
    """Have ``scripts`` read what the version files say of themselves instead of importing all of them.

    A file is imported where its header is not written out plainly, and where there may be no source (``sourceless``).
    The files are looked for when they are first asked for: until then env.py may say where they lie.
    """
    if not scripts.sourceless:
        scripts.revision_map = RevisionMap(lambda: _scripts(scripts))


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


def locations(scripts: ScriptDirectory) -> list[Path]:
    """The folders of version files, in the order in which Alembic reads them."""
    named = scripts.version_locations or [str(Path(scripts.dir) / "versions")]
    return [coerce_resource_to_filename(str(each)).absolute() for each in named]


def _scripts(scripts: ScriptDirectory) -> Iterator[Script]:
    seen: set[Path] = set()
    for folder in filter(Path.exists, locations(scripts)):
        for file in _files(folder, recursive=scripts.recursive_version_locations):
            real = file.resolve()
            if real in seen:
                warnings.warn(f"{real} lies in two of version_locations; it is read once.", stacklevel=2)
                continue
            seen.add(real)
            header = files.read(real)
            yield _Script(header, real) if header else _by_import(real)


def _files(folder: Path, *, recursive: bool) -> Iterator[Path]:
    inner: list[Path] = []
    for entry in sorted(folder.iterdir()):
        if entry.is_dir():
            inner.append(entry)
        elif _VERSION_FILE.match(entry.name):
            yield entry
    if recursive:
        for each in inner:
            if each.name != "__pycache__":
                yield from _files(each, recursive=True)


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
