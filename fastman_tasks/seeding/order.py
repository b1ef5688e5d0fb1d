"""Which seeders run, and in which order. Pure: nothing is imported or run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from fastman_tasks import names
from fastman_tasks.errors import SeederFailed, UsageError
from fastman_tasks.seeding.discovery import Seeder

#: Without --class only this seeder runs, if there is one.
ENTRY_POINT = "DatabaseSeeder"


class SeedOrder:
    """The seeders of a project by name, each after what it depends on.

    Raises SeederFailed, with the path, for a circular dependency, and UsageError for a dependency that does not exist.
    """

    def __init__(self, seeders: Sequence[Seeder]) -> None:
        self._by_name = {seeder.name: seeder for seeder in seeders}
        self.sort(seeders)

    @property
    def seeders(self) -> tuple[Seeder, ...]:
        """All seeders, by file."""
        return tuple(self._by_name.values())

    @property
    def entry_point(self) -> Seeder | None:
        """The seeder that calls the others, and the only one to run without --class; None if there is none."""
        return self._by_name.get(ENTRY_POINT)

    def sort(self, wanted: Iterable[Seeder]) -> tuple[Seeder, ...]:
        """Returns ``wanted`` and all their dependencies, dependencies first, otherwise by file."""
        wanted = set(wanted)
        found: dict[str, Seeder] = {}
        for seeder in self._by_name.values():
            if seeder in wanted:
                self._place(seeder, (), found)
        return tuple(found.values())

    def select(self, wanted: str | None) -> tuple[Seeder, ...]:
        """Returns the seeders that ``wanted`` names ("UserSeeder", "user_seeder", "user", "User"; several with commas),
        with all their dependencies. For None DatabaseSeeder if there is one, otherwise every seeder.

        Raises UsageError for a comma without a name, and, with the known ones, for an unknown name.
        """
        if wanted is None:
            return self.sort([self.entry_point] if self.entry_point else self._by_name.values())
        return self.sort(self.find_named(wanted))

    def find_named(self, wanted: str) -> tuple[Seeder, ...]:
        """Returns the seeders that ``wanted`` names, without their dependencies. Raises as ``select``."""
        typed = [name.strip() for name in wanted.split(",")]
        if not all(typed):
            raise UsageError(f"--class={wanted} has a comma without a name.")
        return tuple(seeder for name in typed for seeder in self.find_by_name(name))

    def find_by_name(self, typed: str) -> tuple[Seeder, ...]:
        """Returns the seeders that ``typed`` names, by class, subject or module. Raises UsageError if there is none."""
        # Reports name the file of a seeder, so that is accepted too.
        typed = Path(typed).stem if typed.endswith(".py") else typed
        spelled = names.camel(typed)
        for fits in (
            lambda seeder: seeder.name == typed,
            lambda seeder: seeder.path.stem == typed,
            lambda seeder: seeder.name.lower() in (spelled.lower(), f"{spelled}Seeder".lower()),
        ):
            if found := tuple(filter(fits, self._by_name.values())):
                return found
        raise UsageError(f"There is no seeder {typed}. {self._suggestion(spelled)}")

    def _suggestion(self, typed: str) -> str:
        return names.suggestion(typed, self._by_name, "Seeder")

    def _place(self, seeder: Seeder, path: tuple[str, ...], found: dict[str, Seeder]) -> None:
        path = (*path, seeder.name)
        if seeder.name in path[:-1]:
            circle = path[path.index(seeder.name) :]
            raise SeederFailed(f"Circular dependency between seeders: {' -> '.join(circle)} ({seeder.where}).")
        if seeder.name in found:
            return
        for name in seeder.depends_on:
            if name not in self._by_name:
                raise UsageError(
                    f"{seeder.name} depends on {name}, which does not exist: {' -> '.join((*path, name))} "
                    f"({seeder.where}). {self._suggestion(name)}"
                )
        for other in self._by_name.values():
            if other.name in seeder.depends_on:
                self._place(other, path, found)
        found[seeder.name] = seeder
