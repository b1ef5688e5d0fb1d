"""One project folder: its settings, its database and the services that work on it, put together once.

A service, and the library that it is the door to, is imported when it is first asked for.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import URL

from fastman_tasks import settings as settings_module
from fastman_tasks import urls
from fastman_tasks.connection import Database
from fastman_tasks.errors import SettingsError
from fastman_tasks.settings import Settings

if TYPE_CHECKING:
    from fastman_tasks.drafting import Drafting
    from fastman_tasks.environment import Environment
    from fastman_tasks.history import Revision
    from fastman_tasks.migrator import Migrator
    from fastman_tasks.plans import Done, Plan
    from fastman_tasks.seeding import Seeding


class Project:
    """A project whose root is on ``sys.path``; while it is entered, its root is the current folder.

    >>> with Project.open() as project:
    ...     project.migrator.pending()
    """

    def __init__(self, root: Path, settings: Settings) -> None:
        self.root = root
        self.settings = settings

    @classmethod
    def open(
        cls,
        root: Path | None = None,
        *,
        environ: Mapping[str, str] = os.environ,
        configured: Mapping[str, Any] | None = None,
    ) -> Project:
        """The project in ``root``; by default the nearest folder, from here upwards, with a tasks.py or tasks/.

        ``configured`` is ``fastman.*`` of Invoke's configuration. Raises SettingsError.
        """
        root = (root or _nearest_root(Path.cwd())).resolve()
        for folder in (root / "src", root):
            if folder.is_dir() and str(folder) not in sys.path:
                sys.path.insert(0, str(folder))
        return cls(root, settings_module.load(root, environ, configured))

    def __enter__(self) -> Project:
        self._came_from = Path.cwd()
        os.chdir(self.root)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.chdir(self._came_from)

    @property
    def url(self) -> URL | None:
        """The database that the settings name; None in production when none of them names one."""
        return self._url_and_source[0]

    @cached_property
    def _url_and_source(self) -> tuple[URL | None, str]:
        if self.settings.url is not None:
            return self.settings.url, f"from {self.settings.url_source}"
        if self.has_environment and (url := self.environment.configured_url):
            return url, f"from {self.environment.config_file.name}"
        if self.settings.production:
            return None, ""
        return urls.anchored(urls.parse("sqlite:///app.db"), self.root), "by default: no DATABASE_URL is set"

    @cached_property
    def configured_database(self) -> Database:
        """The database that the settings name. Raises SettingsError where there is none."""
        if self.url is None:
            raise SettingsError(
                f"ENVIRONMENT={self.settings.environment} and no DATABASE_URL. "
                "In production the database has to be named; nothing is assumed."
            )
        return Database(self.url)

    @cached_property
    def database(self) -> Database:
        """The database that the project's migrations act on: what its env.py connects to, if it has one."""
        return Database(self.migrator.state.url) if self.has_environment else self.configured_database

    def described(self) -> str:
        """``sqlite:///app.db (development, from .env)``, the password masked."""
        source = self._url_and_source[1] if self.database.url == self.url else f"from {self._env_py}"
        return f"{self.shown_url} ({self.settings.environment or 'development'}, {source})"

    @property
    def shown_url(self) -> str:
        """The database's URL for people: password masked, a SQLite file relative to the root."""
        return urls.shown(self.database.url, self.root)

    def redacted(self, text: str) -> str:
        """``text`` without the passwords of the project's database."""
        known = [self.__dict__.get("database"), self.__dict__.get("configured_database")]
        candidates = [self.settings.url, *(database.url for database in known if database)]
        for url in candidates:
            text = text if url is None else urls.redacted(text, url)
        return text

    @property
    def _env_py(self) -> str:
        file = Path(self.environment.scripts.env_py_location).resolve()
        return file.relative_to(self.root).as_posix() if file.is_relative_to(self.root) else str(file)

    @contextmanager
    def locked(
        self, on_wait: Callable[[str | None], None], on_taken: Callable[[float], None] = lambda waited: None
    ) -> Iterator[None]:
        """Hold the database's migration lock in this block; what the database said before is forgotten.

        ``on_wait`` is called with the holder when somebody else has it, ``on_taken`` with the seconds waited when it
        is had. Raises LockTimeout after FASTMAN_LOCK_TIMEOUT.
        """
        from fastman_tasks import lock

        table, schema = "alembic_version", None
        if self.has_environment:
            table, schema = self.migrator.state.version_table, self.migrator.state.schema
        found = lock.for_database(self.database, table, schema) if self.settings.lock else None
        if found is None:
            yield
            return
        with lock.held(found, self.settings.lock_timeout, on_wait) as waited:
            if waited >= 1:
                on_taken(waited)
            if self.has_environment:
                self.migrator.read_again()
            yield

    def carry_out(
        self,
        plan: Plan,
        *,
        on_wait: Callable[[str | None], None] = lambda holder: None,
        on_taken: Callable[[float], None] = lambda waited: None,
        on_done: Callable[[Done], None] = lambda done: None,
        on_retry: Callable[[Revision, float], None] = lambda revision, pause: None,
    ) -> tuple[Done, ...]:
        """Apply or roll back, under the migration lock, what is left of ``plan`` once that is had; see ``locked`` and
        ``Migrator.apply`` for what is called meanwhile and what is raised.
        """
        with self.locked(on_wait, on_taken):
            left = self.migrator.renewed(plan)
            return self.migrator.apply(left, on_done, on_retry) if left.revisions else ()

    @property
    def has_environment(self) -> bool:
        """Whether the project has migrations set up."""
        from fastman_tasks import configuration

        return configuration.find(self.root) is not None

    @cached_property
    def environment(self) -> Environment:
        """The project's Alembic environment. Raises NoEnvironment where there is none."""
        from fastman_tasks.environment import Environment

        return Environment(self)

    @cached_property
    def migrator(self) -> Migrator:
        """Plans and applies migrations. Raises NoEnvironment where there is no Alembic environment."""
        from fastman_tasks.migrator import Migrator

        return Migrator(self.environment)

    @cached_property
    def drafting(self) -> Drafting:
        """Writes new migrations."""
        from fastman_tasks.drafting import Drafting

        return Drafting(self)

    @cached_property
    def seeding(self) -> Seeding:
        """Finds and runs seeders."""
        from fastman_tasks.seeding import Seeding

        return Seeding(self)


def _nearest_root(start: Path) -> Path:
    for folder in (start, *start.parents):
        if (folder / "tasks.py").is_file() or (folder / "tasks" / "__init__.py").is_file():
            return folder
    return start
