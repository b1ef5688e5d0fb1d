"""Find the seeders of a project: import every module in their folder and check each class before any seeder runs."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from fastman_tasks.errors import NoSeeders, SeederFailed
from fastman_tasks.plans import Step
from fastman_tasks.sources import blame, display_path

Kind = Literal["static", "class", "plain"]
_STAND_IN = "fastman_seeders"


@dataclass(frozen=True)
class Seeder:
    """A class ``*Seeder`` with ``run(db)``.

    ``depends_on`` are the names of the seeders that run before it, ``environments`` those in which it runs (None: all).
    ``is_async`` is whether ``run`` needs an AsyncSession. ``file`` is relative to the project. ``once`` is the version
    that runs once; 0 runs every time.
    """

    class_: type
    path: Path
    file: str
    line: int
    kind: Kind
    is_async: bool
    depends_on: tuple[str, ...] = ()
    environments: frozenset[str] | None = None
    once: int = 0

    @property
    def name(self) -> str:
        """The class's name."""
        return self.class_.__name__

    @property
    def where(self) -> str:
        """``database/seeders/user_seeder.py:7``."""
        return f"{self.file}:{self.line}"

    @property
    def step(self) -> Step:
        """The step of a plan that runs it."""
        return Step("seed", self.name, self.path, id=self.name)

    def runs_in(self, environment: str | None) -> bool:
        """Whether it runs in ``environment``; None counts as development."""
        return self.environments is None or (environment or "development").lower() in self.environments


def find(folder: Path, root: Path) -> tuple[Seeder, ...]:
    """Returns every seeder in ``folder`` and its subfolders, by file, then in the order of the file.

    A base class of another seeder, and an abstract class, are not seeders. Raises NoSeeders if there are none, and
    SeederFailed for a module that cannot be imported, for a class that cannot be run, and for two with the same name.
    """
    folder, root = folder.resolve(), root.resolve()
    files = _files(folder)
    classes = [(class_, file) for file in files for class_ in _classes(_module(file, folder, root))]
    bases = {base for class_, _ in classes for base in class_.__mro__[1:]}
    found: dict[str, Seeder] = {}
    for class_, file in classes:
        if class_ in bases or inspect.isabstract(class_) or getattr(class_, "_is_protocol", False):
            continue
        seeder = _checked(class_, file, root)
        if (other := found.get(seeder.name)) is not None:
            raise SeederFailed(f"Two seeders are named {seeder.name}: {other.where} and {seeder.where}. Rename one.")
        found[seeder.name] = seeder
    if not found:
        looked = f": no class …Seeder in {', '.join(display_path(file, folder) for file in files[:5])}" if files else ""
        raise NoSeeders(f"There are no seeders in {display_path(folder, root)}{looked}. Make one: inv make.seeder user")
    return tuple(found.values())


def _files(folder: Path) -> list[Path]:
    by_name = {file.relative_to(folder).as_posix(): file for file in folder.rglob("*.py")}
    # Folders such as .ipynb_checkpoints contain copies.
    return [file for name, file in sorted(by_name.items()) if "/." not in f"/{name}"]


def _classes(module: ModuleType) -> Iterator[type]:
    seen: set[type] = set()
    for value in vars(module).values():
        # A class that is imported from another module, or that has two names, counts once.
        if isinstance(value, type) and value.__module__ == module.__name__ and value not in seen:
            seen.add(value)
            if value.__name__.endswith("Seeder") and not value.__name__.startswith("_"):
                yield value


def _module(file: Path, folder: Path, root: Path) -> ModuleType:
    name = _module_name(file, folder, root)
    known = sys.modules.get(name)
    if known is not None and getattr(known, "__file__", None) == str(file):
        return known
    # By path: a project may have a module database.py beside the folder database/, which would hide the folder.
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise SeederFailed(f"{display_path(file, root)} cannot be imported: {blame(error, root)}") from error
    return module


def _module_name(file: Path, folder: Path, root: Path) -> str:
    relative = file.relative_to(root if file.is_relative_to(root) else folder.parent)
    first = relative.parts[0]
    if not file.is_relative_to(root) or (root / f"{first}.py").is_file():
        # There is no importable package of that name; a stand-in lets modules import each other (from .role_seeder …).
        package = sys.modules[_STAND_IN] = ModuleType(_STAND_IN)
        package.__path__ = [str(folder)]
        relative = Path(_STAND_IN) / file.relative_to(folder)
    parts = relative.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _checked(class_: type, file: Path, root: Path) -> Seeder:
    name = class_.__name__
    line = _line(class_)
    where = f"{name} in {display_path(file, root)}:{line}"
    run = getattr(class_, "run", None)
    if not callable(run):
        raise SeederFailed(f"{where} has no run(db). Add: def run(self, db): …")
    static = inspect.getattr_static(class_, "run")
    kind: Kind = "plain"
    if isinstance(static, staticmethod | classmethod):
        kind = "static" if isinstance(static, staticmethod) else "class"
    try:
        inspect.signature(run).bind(*([None, None] if kind == "plain" else [None]))
    except TypeError as error:
        shape = {"static": "run(db)", "class": "run(cls, db)", "plain": "run(self, db)"}[kind]
        raise SeederFailed(f"{where}: run{inspect.signature(run)} has the wrong parameters; write {shape}.") from error
    if inspect.isgeneratorfunction(run) or inspect.isasyncgenfunction(run):
        raise SeederFailed(f"{where}: run contains a yield, so calling it does nothing; use db.add() or db.execute().")
    if kind == "plain":
        try:
            inspect.signature(class_).bind()
        except (TypeError, ValueError) as error:
            raise SeederFailed(f"{where}: {name}() needs arguments, but is created without any.") from error
    return Seeder(
        class_,
        file,
        display_path(file, root),
        line,
        kind,
        inspect.iscoroutinefunction(run),
        tuple(_names(where, "depends_on", getattr(class_, "depends_on", ()))),
        _environments(where, class_),
        _once(where, getattr(class_, "once", False)),
    )


def _line(class_: type) -> int:
    try:
        return inspect.getsourcelines(class_)[1]
    except (OSError, TypeError):
        return 1


def _environments(where: str, class_: type) -> frozenset[str] | None:
    given = getattr(class_, "environments", None)
    return None if given is None else frozenset(name.lower() for name in _names(where, "environments", given))


def _once(where: str, given: Any) -> int:
    if not isinstance(given, int) or (given < 1 and given is not False):
        raise SeederFailed(
            f"{where}: once is {given!r}, which is neither True nor a version. For example: once = True, and to run it "
            "again where it has run: once = 2"
        )
    return int(given)


def _names(where: str, what: str, given: Any) -> Iterator[str]:
    example = '["RoleSeeder"]' if what == "depends_on" else '{"development", "testing"}'
    if not isinstance(given, list | tuple | set | frozenset):
        raise SeederFailed(f"{where}: {what} is {given!r}, which is not a list. For example: {what} = {example}")
    for each in given:
        if isinstance(each, type) and what == "depends_on":
            yield each.__name__
        elif isinstance(each, str):
            yield each
        else:
            raise SeederFailed(f"{where}: {what} holds {each!r}. For example: {what} = {example}")
