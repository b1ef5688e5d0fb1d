"""Find seeders and run them. Returns values."""

from __future__ import annotations

import difflib
import importlib.util
import inspect
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from fastman_tasks import names
from fastman_tasks.errors import FastmanError, SeederFailed
from fastman_tasks.sources import blame, described, place

if TYPE_CHECKING:
    from fastman_tasks.project import Project

_KEPT = "Nothing of this run was kept."


@dataclass(frozen=True)
class Seeder:
    """A class ``*Seeder`` with ``run(db)``; static, class and plain methods are all called with a Session."""

    class_: type
    file: Path

    @property
    def name(self) -> str:
        """The class's name."""
        return self.class_.__name__

    def run(self, db: Session) -> None:
        """Call the class's ``run``."""
        self.class_().run(db)


@dataclass(frozen=True)
class Seeded:
    """A seeder that ran, and the seconds it took."""

    seeder: Seeder
    seconds: float


class Seeding:
    """The seeders of one project."""

    def __init__(self, project: Project, clock: Callable[[], float] = time.perf_counter) -> None:
        self._project = project
        self._clock = clock

    def find(self) -> tuple[Seeder, ...]:
        """Every seeder, by file name.

        Raises SeederFailed where there is none, where a module cannot be imported, for a class without ``run`` and
        for two classes of one name.
        """
        found: dict[str, Seeder] = {}
        for file in sorted(self._project.settings.seeders.glob("*.py")):
            for seeder in self._in(file):
                if (other := found.get(seeder.name)) is not None:
                    raise SeederFailed(
                        f"Two seeders are named {seeder.name}: {self._shown(other.file)} and {self._shown(file)}. "
                        "Rename one."
                    )
                found[seeder.name] = seeder
        if not found:
            raise SeederFailed(
                f"There are no seeders in {self._shown(self._project.settings.seeders)}. Make one: inv make.seeder user"
            )
        return tuple(found.values())

    def select(self, wanted: str | None) -> tuple[Seeder, ...]:
        """The seeder that ``wanted`` names, by class or by module; every one where it is None.

        Raises SeederFailed, with the known ones, nearest first, where there is none of that name.
        """
        seeders = self.find()
        if wanted is None:
            return seeders
        chosen = tuple(seeder for seeder in seeders if wanted in (seeder.name, seeder.file.stem))
        if not chosen:
            known = [seeder.name for seeder in seeders]
            near = difflib.get_close_matches(names.camel(wanted), known, n=len(known), cutoff=0)
            raise SeederFailed(f"There is no seeder {wanted}. Known: {', '.join(near)}.")
        return chosen

    def run(
        self,
        seeders: tuple[Seeder, ...],
        *,
        pretend: bool = False,
        on_done: Callable[[Seeded], None] = lambda seeded: None,
    ) -> tuple[Seeded, ...]:
        """Run ``seeders`` in one transaction; ``on_done`` is called after each. With ``pretend`` it is rolled back.

        A seeder may commit: that ends a savepoint, so a later failure still takes it back.
        Raises SeederFailed, with file, line and the database's message; nothing of the run is then kept.
        """
        database = self._project.database
        if not database.exists:
            raise SeederFailed(f"{self._project.shown_url} does not exist yet. First: inv database.migrate")

        def work(connection: Connection) -> tuple[Seeded, ...]:
            seeded = []
            try:
                with connection.begin() as transaction:
                    for seeder in seeders:
                        started = self._clock()
                        self._run(seeder, connection)
                        seeded.append(Seeded(seeder, self._clock() - started))
                        on_done(seeded[-1])
                    if pretend:
                        transaction.rollback()
            except DBAPIError as error:
                # A deferred constraint is checked by the commit, when every seeder is through.
                raise SeederFailed(f"The commit failed: {described(error)}\n{_KEPT}") from error
            return tuple(seeded)

        return database.run(work)

    def _run(self, seeder: Seeder, connection: Connection) -> None:
        try:
            with Session(bind=connection, join_transaction_mode="create_savepoint") as db:
                seeder.run(db)
                db.commit()
        except FastmanError:
            raise
        except (Exception, SystemExit) as error:
            # What the last flush finds arises in no line of the seeder.
            where = place(error, self._project.root) or self._shown(seeder.file)
            raise SeederFailed(f"{seeder.name} failed: {where}: {described(error)}\n{_KEPT}") from error

    def _in(self, file: Path) -> Iterator[Seeder]:
        module = self._module(file)
        for name, value in vars(module).items():
            # A class that another module imports is that module's seeder no second time.
            if not (isinstance(value, type) and name.endswith("Seeder") and value.__module__ == module.__name__):
                continue
            run = getattr(value, "run", None)
            where = f"{name} in {self._shown(file)}"
            if not callable(run):
                raise SeederFailed(f"{where} has no run(db). Add: def run(self, db): …")
            if inspect.iscoroutinefunction(run):
                raise SeederFailed(f"{where} has an async run(db); write it as a plain function, db is a Session.")
            yield Seeder(value, file)

    def _module(self, file: Path) -> ModuleType:
        name = self._module_name(file)
        known = sys.modules.get(name)
        if known is not None and getattr(known, "__file__", None) == str(file):
            return known
        # By path: a project may have a module database.py beside its folder database/, which would hide it.
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None and spec.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:
            del sys.modules[name]
            raise SeederFailed(f"{self._shown(file)} cannot be imported: {blame(error, self._project.root)}") from error
        return module

    def _module_name(self, file: Path) -> str:
        root = self._project.root
        relative = file.relative_to(root) if file.is_relative_to(root) else Path("seeders", file.name)
        return ".".join(relative.with_suffix("").parts)

    def _shown(self, path: Path) -> str:
        root = self._project.root
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
