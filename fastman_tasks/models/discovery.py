"""Find the project's SQLAlchemy models by convention or by name, import them and collect their tables."""

from __future__ import annotations

import importlib
import itertools
import logging
import os
import pkgutil
import re
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType

from sqlalchemy import MetaData, Table
from sqlalchemy.exc import NoReferencedTableError

from fastman_tasks.errors import ModelsFailed
from fastman_tasks.sources import blame

# Invoke's --debug shows it.
_log = logging.getLogger(__name__)
# Folders beside the application, and those within it, whose models are not the project's.
_NOT_THE_APPLICATION = {"tests", "test", "docs", "examples", "database", "migrations", "alembic", "tasks", "scripts"}
_NOT_ITS_MODELS = {"tests", "test", "migrations", "alembic", "node_modules", "__pycache__"}


@dataclass(frozen=True)
class Models:
    """The imported modules that contain the project's models."""

    modules: tuple[ModuleType, ...]

    @cached_property
    def metadata(self) -> list[MetaData]:
        """Each MetaData that a model or table in the modules belongs to, one for each declarative base."""
        found: dict[int, MetaData] = {}
        for module in self.modules:
            for value in vars(module).values():
                metadata = _metadata_of(value)
                if metadata is not None and metadata.tables:
                    found[id(metadata)] = metadata
        return list(found.values())

    @property
    def tables(self) -> tuple[Table, ...]:
        """Every table that the models define."""
        return tuple(table for metadata in self.metadata for table in metadata.tables.values())

    @cached_property
    def mapped(self) -> tuple[type, ...]:
        """Every mapped class of the modules, each once."""
        # Importing SQLAlchemy's ORM takes a tenth of a second, and most commands do not need it.
        from fastman_tasks.models.columns import mapper_of

        found: dict[type, None] = {}
        for module in self.modules:
            for value in vars(module).values():
                if isinstance(value, type) and mapper_of(value) is not None:
                    found[value] = None
        return tuple(found)


def _metadata_of(value: object) -> MetaData | None:
    # Only what can be a model is inspected: Flask's current_app, say, raises an error if it is.
    if isinstance(value, type):
        # A class that was mapped without a base has no metadata attribute.
        table = getattr(value, "__table__", None)
        value = table if isinstance(table, Table) else getattr(value, "metadata", None)
    if isinstance(value, Table):
        return value.metadata
    return value if isinstance(value, MetaData) else None


def load(root: Path, named: tuple[str, ...]) -> Models:
    """Import the models of the project in ``root``: the modules ``named``, or those found by convention. Returns them.

    A name may have wildcards: ``app.*.models``, ``app.modules.*``. Packages are imported with all their modules. Raises
    ModelsFailed if any import fails, and for wildcards without a match: a comparison would treat the missing tables as
    dropped.
    """
    modules: dict[str, ModuleType] = {}
    wanted = [each for name in named for each in _expand(name, root)] if named else list(find(root))
    open_names = wanted[::-1]
    while open_names:
        name = open_names.pop()
        if name not in modules:
            modules[name] = _import(name, root)
            open_names.extend(reversed(list(_children(modules[name]))))
    _log.debug("Imported for their models: %s", ", ".join(modules) or "nothing")
    return Models(tuple(modules.values()))


def from_metadata(metadata: Collection[MetaData]) -> Models:
    """Returns the imported modules that contain mapped classes and tables of ``metadata``."""
    wanted = {id(each) for each in metadata}

    def is_of_it(value: object) -> bool:
        # By its type and its own dictionary: a lazy proxy in an imported module must not be loaded.
        if issubclass(type(value), type):
            return "__mapper__" in vars(value) and id(_metadata_of(value)) in wanted
        return issubclass(type(value), Table) and id(_metadata_of(value)) in wanted

    modules = [module for module in list(sys.modules.values()) if issubclass(type(module), ModuleType)]
    return Models(tuple(module for module in modules if any(map(is_of_it, list(vars(module).values())))))


def find(root: Path) -> Iterator[str]:
    """Yields the dotted names of the modules and packages in ``root`` that contain models by convention, in order.

    They are called models, and are in ``root``, in ``src/``, or anywhere in a package there.
    """
    seen = set()
    for base, prefix in _bases(root):
        places = [
            *_models_in(base),
            *(place for package in ("app", *_packages(base)) for place in _below(base / package)),
        ]
        for place in places:
            name = _dotted(place, base, prefix)
            if name is not None and name not in seen:
                seen.add(name)
                yield name


def _bases(root: Path) -> list[tuple[Path, tuple[str, ...]]]:
    """Where the application's packages are, and how their names begin."""
    # With src/__init__.py the application imports itself as src.…; under two names its tables would clash.
    prefix = ("src",) if (root / "src" / "__init__.py").is_file() else ()
    return [(root / "src", prefix), (root, ())]


def _below(package: Path) -> Iterator[Path]:
    for path, folders, _ in os.walk(package):
        found = list(_models_in(Path(path)))
        yield from found
        # A package of models is imported with all that is in it. No identifier: .venv, lib/python3.11, …
        inside = {place.name for place in found}
        folders[:] = sorted(
            name for name in folders if name.isidentifier() and name not in _NOT_ITS_MODELS and name not in inside
        )


def _models_in(folder: Path) -> Iterator[Path]:
    package = folder / "models"
    if any(package.glob("*.py")):
        yield package
    elif (module := folder / "models.py").is_file():
        yield module


def _dotted(place: Path, base: Path, prefix: Sequence[str]) -> str | None:
    parts = (*prefix, *place.relative_to(base).with_suffix("").parts)
    return ".".join(parts) if all(part.isidentifier() for part in parts) else None


def _packages(base: Path) -> list[str]:
    return sorted(
        file.parent.name for file in base.glob("*/__init__.py") if file.parent.name not in _NOT_THE_APPLICATION
    )


@contextmanager
def complete_tables(named: Sequence[str]) -> Iterator[None]:
    """Raises ModelsFailed where a foreign key refers to a table that none of the models in the block has; ``named`` are
    the modules of FASTMAN_MODELS."""
    try:
        yield
    except NoReferencedTableError as error:
        column = re.search(r"column '(.*?)' could not", str(error))
        if named:
            way = f"FASTMAN_MODELS={','.join(named)} names only a part of the models: add the module that has it."
        else:
            way = "No such model was imported; FASTMAN_MODELS names the modules that are."
        key = column[1] if column else "A foreign key"
        raise ModelsFailed(f"{key} refers to the table {error.table_name}, which is missing. {way}") from error


def _expand(name: str, root: Path) -> list[str]:
    """Returns ``name`` itself, or the modules and packages that its wildcards match."""
    parts = name.split(".")
    fixed = list(itertools.takewhile(lambda part: not re.search(r"[*?\[]", part), parts))
    if fixed == parts:
        return [name]
    bases = _bases(root)
    if fixed:
        package = _import(".".join(fixed), root)
        bases = [(Path(folder), tuple(fixed)) for folder in getattr(package, "__path__", ())]
    pattern = "/".join(parts[len(fixed) :])
    found: dict[str, None] = {}
    for base, prefix in bases:
        places = [*base.glob(f"{pattern}.py"), *(place for place in base.glob(pattern) if any(place.glob("*.py")))]
        for place in sorted(places):
            dotted = _dotted(place, base, prefix)
            if dotted is not None and place.stem not in {"__init__", "__main__"}:
                found[dotted] = None
    if not found:
        raise ModelsFailed(f"FASTMAN_MODELS: {name} does not match any module or package.")
    return list(found)


def _children(package: ModuleType) -> Iterator[str]:
    # walk_packages swallows import errors unless told otherwise, and imports packages itself: _import reports them.
    for info in pkgutil.iter_modules(getattr(package, "__path__", []), f"{package.__name__}."):
        if not info.name.endswith(".__main__"):
            yield info.name


def _import(name: str, root: Path) -> ModuleType:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise ModelsFailed(f"The models in {name} cannot be imported: {blame(error, root)}") from error
