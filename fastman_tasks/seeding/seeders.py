"""Seed the database: the service behind ``database.seed``, and what seeders use: ``upsert`` and ``load``."""

from __future__ import annotations

import gc
from collections.abc import Collection
from functools import cached_property
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from fastman_tasks.errors import SeedingRefused
from fastman_tasks.rows.load import load
from fastman_tasks.rows.upsert import Upserted, upsert
from fastman_tasks.seeding import call, discovery, random_seed
from fastman_tasks.seeding.discovery import Seeder
from fastman_tasks.seeding.order import SeedOrder
from fastman_tasks.seeding.run import Options, Seeded, SeedRun
from fastman_tasks.seeding.watch import Watch

if TYPE_CHECKING:
    from fastman_tasks.project import Project
    from fastman_tasks.revisions.graph import Revision

__all__ = ["Options", "Seeded", "Seeder", "Seeding", "Upserted", "Watch", "load", "upsert"]


class Seeding:
    """The seeders of one project."""

    def __init__(self, project: Project) -> None:
        self._project = project

    @cached_property
    def _order(self) -> SeedOrder:
        return SeedOrder(discovery.find(self._project.settings.seeders, self._project.root))

    def select(self, wanted: str | None = None, options: Options | None = None) -> tuple[Seeder, ...]:
        """The seeders that ``wanted`` names and all they depend on, in order; see ``SeedOrder.selected``.

        Raises SeederFailed for anything that is wrong with a seeder, UsageError for a name that none has, and
        SeedingRefused for an async one under a URL that is not. Nothing is run.
        """
        if options is not None and options.random_seed is not None:
            # What the modules draw while they are imported is to be the same, too.
            random_seed.seed(options.random_seed)
        selected = self._order.selected(wanted)
        if not self._project.database.url.get_dialect().is_async:
            for seeder in selected:
                if seeder.is_async and seeder.runs_in(self._project.settings.environment):
                    raise SeedingRefused(call.sync_url(seeder))
        return selected

    def list(self, wanted: str | None = None) -> tuple[tuple[Seeder, ...], tuple[Seeder, ...]]:
        """What ``select`` gives, in order, and the seeders that it leaves to a call or to their names. No database is
        needed. Raises SeederFailed and UsageError as ``select`` does."""
        selected = self._order.selected(wanted)
        everyone = self._order.ordered(self._order.seeders)
        return selected, tuple(seeder for seeder in everyone if seeder not in selected)

    def require_migrated(self, planned: Collection[Revision] = ()) -> None:
        """Raises SeedingRefused where migrations are pending that are not among those ``planned``."""
        if self._project.has_environment:
            pending = [revision for revision in self._project.migrator.pending() if revision not in planned]
            if pending:
                names = "".join(f"\n  {revision.name}" for revision in pending)
                raise SeedingRefused(
                    f"These migrations are pending, so nothing was seeded:{names}\n"
                    "First: inv database.migrate. Or both at once: inv database.migrate --seed"
                )
        if not planned and not self._project.database.exists:
            raise SeedingRefused(f"{self._project.shown_url} does not exist yet. First: inv database.migrate")

    def run(
        self, selected: tuple[Seeder, ...], options: Options | None = None, watch: Watch | None = None
    ) -> tuple[Seeded, ...]:
        """Run what ``select`` gave in one transaction; ``watch`` is told.

        Raises SeedingRefused as ``require_migrated`` does; SeederFailed, with file, line and the database's message,
        when a seeder fails: nothing of the run is then kept, or, with ``commit_each``, the seeders before it are.
        """
        self.require_migrated()
        options, watch = options or Options(), watch or Watch()
        if options.random_seed is not None:
            random_seed.seed(options.random_seed)
        project = self._project

        def work(connection: Connection) -> tuple[Seeded, ...]:
            run = SeedRun(connection, self._order, project.root, project.settings.environment, options, watch)
            return run.run(selected)

        # Alembic, SQLAlchemy and the models stay: the collector need not look through them whenever a seeder has made
        # many objects.
        gc.freeze()
        try:
            return project.database.run(work)
        finally:
            gc.unfreeze()
