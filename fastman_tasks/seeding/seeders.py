"""Find, select and run the seeders of one project."""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from fastman_tasks.databases import urls
from fastman_tasks.databases.database import Database
from fastman_tasks.databases.outages import is_lost
from fastman_tasks.databases.transactions import begin_immediately
from fastman_tasks.errors import FastmanError, SeederFailed, SeedingRefused
from fastman_tasks.plans import Observer, State, StepResult
from fastman_tasks.rows import load
from fastman_tasks.seeding import call, discovery, random_seed
from fastman_tasks.seeding.discovery import Seeder
from fastman_tasks.seeding.once import Once
from fastman_tasks.seeding.options import Options
from fastman_tasks.seeding.order import SeedOrder
from fastman_tasks.seeding.run import SeedRun
from fastman_tasks.settings import Settings
from fastman_tasks.sources import describe_error
from fastman_tasks.text.secrets import redact

# Python's own numbers are 700 and, later, 2,000.
_OBJECTS = 20_000


class Seeders:
    """The seeders in the folder that ``settings`` name."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def _order(self) -> SeedOrder:
        return SeedOrder(discovery.find(self._settings.seeders, self._settings.root))

    def select(self, database: Database, options: Options) -> tuple[Seeder, ...]:
        """Returns the seeders that ``options`` name and their dependencies, in order; see ``SeedOrder.select``.

        Raises SeederFailed for a seeder that is not valid, UsageError for an unknown name, and SeedingRefused for an
        async seeder with a URL that is not async. Nothing is run.
        """
        if options.random_seed is not None:
            # Random data that the modules generate when they are imported has to be the same too.
            random_seed.seed(options.random_seed)
        selected = self._order.select(options.only)
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

    def find_skipped(self, database: Database, state: State, only: str | None, *, again: bool) -> dict[str, StepResult]:
        """Returns the results of the seeders that ``run`` would skip because they have run, by name. Only reads."""
        once = Once(self._settings, state, self._names(only), again=again, warn=lambda text: None)
        database.run(lambda connection: once.begin(connection, records=False))
        found = {seeder.name: once.skip(seeder) for seeder in self._order.seeders}
        return {name: result for name, result in found.items() if result is not None}

    def _names(self, only: str | None) -> set[str]:
        return set() if only is None else {seeder.name for seeder in self._order.find_named(only)}

    def run(
        self,
        selected: tuple[Seeder, ...],
        database: Database,
        state: State,
        options: Options,
        observer: Observer,
        confirm: Callable[[str], None],
    ) -> tuple[StepResult, ...]:
        """Run what ``select`` returned in one transaction and return the results; ``observer`` is notified of steps.
        ``state`` says where the history is. ``confirm`` is called before each commit, and raises LockLost if the
        migration lock is not ours any more.

        Raises SeederFailed, with file, line and the database's message, if a seeder fails. All changes are then rolled
        back or, with ``commit_each``, only those since the last seeder that has finished.
        """
        if options.random_seed is not None:
            random_seed.seed(options.random_seed)

        settings = self._settings
        once = Once(settings, state, self._names(options.only), again=options.again, warn=observer.warned)
        run: SeedRun | None = None

        def work(connection: Connection) -> tuple[StepResult, ...]:
            nonlocal run
            begin_immediately(connection)
            once.begin(connection, records=not options.preview)
            connection.info[load.FOLDER] = settings.seeders
            run = SeedRun(
                connection, self._order, settings.root, settings.environment, options, once, observer, confirm
            )
            return run.run(selected)

        # Alembic, SQLAlchemy and the models stay in memory: the garbage collector need not scan them whenever a seeder
        # has created many objects. Rows stay too, until they are written: it is to scan them seldom.
        often = gc.get_threshold()
        gc.freeze()
        if 0 < often[0] < _OBJECTS:
            gc.set_threshold(_OBJECTS, *often[1:])
        try:
            return database.run(work)
        except SeederFailed as error:
            if run is not None:
                _record_failure(once, run.failed, error, database)
            raise
        finally:
            gc.set_threshold(*often)
            gc.unfreeze()


def _record_failure(
    once: Once, failed: tuple[Seeder, BaseException] | None, failure: SeederFailed, database: Database
) -> None:
    """Record which seeder has ``failed``, on a connection of its own: that of the run may be unusable."""
    steps = failure.report.steps if failure.report else ()
    states = {result.step.name: result.state for result in steps}
    # Neither what was interrupted nor what a lost connection has stopped is the seeder's fault.
    if failed is None or not isinstance(failed[1], Exception | SystemExit) or is_lost(failed[1]):
        return
    seeder, error = failed
    if once.keeps_history and states.get(seeder.name) == "failed":
        message = redact(describe_error(error), sorted(urls.passwords(database.url), key=len, reverse=True))
        # What is to be told is why the seeder has failed.
        with suppress(FastmanError, SQLAlchemyError):
            database.run(lambda connection: once.record_failure(connection, seeder, message))
