"""Find, select and run the seeders of one project."""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import cached_property

from sqlalchemy import Connection

from fastman_tasks.databases.database import Database
from fastman_tasks.databases.transactions import begin_immediately
from fastman_tasks.errors import SeedingRefused
from fastman_tasks.plans import Observer, StepResult
from fastman_tasks.rows import load
from fastman_tasks.seeding import call, discovery, random_seed
from fastman_tasks.seeding.discovery import Seeder
from fastman_tasks.seeding.order import SeedOrder
from fastman_tasks.seeding.run import Options, SeedRun
from fastman_tasks.settings import Settings

# Python's own numbers are 700 and, later, 2,000.
_OBJECTS = 20_000


class Seeders:
    """The seeders in the folder that ``settings`` name."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def _order(self) -> SeedOrder:
        return SeedOrder(discovery.find(self._settings.seeders, self._settings.root))

    def select(self, wanted: str | None, database: Database, options: Options) -> tuple[Seeder, ...]:
        """Returns the seeders that ``wanted`` names and their dependencies, in order; see ``SeedOrder.select``.

        Raises SeederFailed for a seeder that is not valid, UsageError for an unknown name, and SeedingRefused for an
        async seeder with a URL that is not async. Nothing is run.
        """
        if options.random_seed is not None:
            # Random data that the modules generate when they are imported has to be the same too.
            random_seed.seed(options.random_seed)
        selected = self._order.select(wanted)
        if not database.url.get_dialect().is_async:
            for seeder in selected:
                if seeder.is_async and seeder.runs_in(self._settings.environment):
                    raise SeedingRefused(call.describe_sync_url(seeder))
        return selected

    def list(self, wanted: str | None = None) -> tuple[tuple[Seeder, ...], tuple[Seeder, ...]]:
        """Returns what ``select`` returns, and the seeders that only run when called or named. No database is needed.
        Raises SeederFailed and UsageError as ``select`` does."""
        selected = self._order.select(wanted)
        everyone = self._order.sort(self._order.seeders)
        return selected, tuple(seeder for seeder in everyone if seeder not in selected)

    def run(
        self,
        selected: tuple[Seeder, ...],
        database: Database,
        options: Options,
        observer: Observer,
        confirm: Callable[[str], None],
    ) -> tuple[StepResult, ...]:
        """Run what ``select`` returned in one transaction and return the results; ``observer`` is notified of steps.
        ``confirm`` is called before each commit, and raises LockLost if the migration lock is not ours any more.

        Raises SeederFailed, with file, line and the database's message, if a seeder fails. All changes are then rolled
        back or, with ``commit_each``, only those since the last seeder that has finished.
        """
        if options.random_seed is not None:
            random_seed.seed(options.random_seed)

        def work(connection: Connection) -> tuple[StepResult, ...]:
            begin_immediately(connection)
            connection.info[load.FOLDER] = self._settings.seeders
            settings = self._settings
            run = SeedRun(connection, self._order, settings.root, settings.environment, options, observer, confirm)
            return run.run(selected)

        # Alembic, SQLAlchemy and the models stay in memory: the garbage collector need not scan them whenever a seeder
        # has created many objects. Rows stay too, until they are written: it is to scan them seldom.
        often = gc.get_threshold()
        gc.freeze()
        if 0 < often[0] < _OBJECTS:
            gc.set_threshold(_OBJECTS, *often[1:])
        try:
            return database.run(work)
        finally:
            gc.set_threshold(*often)
            gc.unfreeze()
