"""The project's SQLAlchemy models: found by convention or by name, imported, their tables collected."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType

from sqlalchemy import MetaData, Table

from fastman_tasks.errors import ModelsFailed
from fastman_tasks.sources import blame

# Where models live, relative to the root and to src/; each is a module, or a folder of modules.
_CONVENTIONS = ("models", "{package}/models", "{package}/features/*/models", "{package}/api/*/models")
_NOT_THE_APPLICATION = {"tests", "test", "docs", "examples", "database", "migrations", "alembic", "tasks", "scripts"}


@dataclass(frozen=True)
class Models:
    """The imported modules that hold the project's models."""

    modules: tuple[ModuleType, ...]

    @cached_property
    def metadata(self) -> list[MetaData]:
        """Each MetaData that a model or table in the modules belongs to; one a declarative base."""
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
        """Every mapped class of the modules, each once, where it was defined."""
        # SQLAlchemy's ORM is a tenth of a second that most commands do without.
        from fastman_tasks.columns import mapper_of

        found: dict[type, None] = {}
        for module in self.modules:
            for value in vars(module).values():
                if isinstance(value, type) and mapper_of(value) is not None:
                    found[value] = None
        return tuple(found)


def _metadata_of(value: object) -> MetaData | None:
    # Only what can be a model is looked into: Flask's current_app, say, raises an error when it is.
    if isinstance(value, type):
        # A class that was mapped without a base has no metadata of its own.
        table = getattr(value, "__table__", None)
        value = table if isinstance(table, Table) else getattr(value, "metadata", None)
    if isinstance(value, Table):
        return value.metadata
    return value if isinstance(value, MetaData) else None


def load(root: Path, named: tuple[str, ...]) -> Models:
    """Import the models of the project in ``root``: the modules ``named``, or those found by convention.

    Packages are imported with all their modules. Raises ModelsFailed when any import fails: with one table unknown,
    a comparison would take it for dropped.
    """
    modules: dict[str, ModuleType] = {}
    open_names = list(reversed(named or tuple(find(root))))
    while open_names:
        name = open_names.pop()
        if name not in modules:
            modules[name] = _import(name, root)
            open_names.extend(reversed(list(_children(modules[name]))))
    return Models(tuple(modules.values()))


def find(root: Path) -> Iterator[str]:
    """The dotted names of the modules and packages in ``root`` that hold models by convention, in order."""
    # With src/__init__.py the application imports itself as src.…; under two names its tables would clash.
    prefix = ("src",) if (root / "src" / "__init__.py").is_file() else ()
    seen = set()
    for base, outer in ((root / "src", prefix), (root, ())):
        for package in ("app", *_packages(base)):
            for convention in _CONVENTIONS:
                pattern = convention.format(package=package)
                for place in sorted([*base.glob(f"{pattern}.py"), *_with_modules(base.glob(pattern))]):
                    parts = (*outer, *place.relative_to(base).with_suffix("").parts)
                    name = ".".join(parts)
                    if name not in seen and all(part.isidentifier() for part in parts):
                        seen.add(name)
                        yield name


def _with_modules(places: Iterable[Path]) -> Iterator[Path]:
    return (place for place in places if any(place.glob("*.py")))


def _packages(base: Path) -> list[str]:
    return sorted(
        file.parent.name for file in base.glob("*/__init__.py") if file.parent.name not in _NOT_THE_APPLICATION
    )


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
