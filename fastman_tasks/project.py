"""One project: its settings, its database and its services, composed in one place.

A service, and the library that it uses, is imported when it is first needed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import URL

from fastman_tasks import settings as settings_module
from fastman_tasks.databases import urls
from fastman_tasks.databases.database import Database
from fastman_tasks.env_file import export_environ
from fastman_tasks.errors import FastmanError, SettingsError
from fastman_tasks.migrating.isolation import import_alembic_from_elsewhere, isolate
from fastman_tasks.settings import Settings
from fastman_tasks.sources import display_path, nearest_root
from fastman_tasks.text.secrets import redact

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.engine import URL

    from fastman_tasks.making.migration import MigrationWriter
    from fastman_tasks.migrating.environment import Environment
    from fastman_tasks.migrating.migrator import Migrator
    from fastman_tasks.seeding.seeders import Seeders


class Project:
    """A project whose root is on ``sys.path``; while it is entered, its root is the current folder, and with
    FASTMAN_EXPORT_ENV what its .env files hold is in ``os.environ``. An action enters it by itself.

    >>> with Project.open() as project:
    ...     project.migrator.pending()
    """

    def __init__(self, root: Path, settings: Settings, *, debug: bool = False) -> None:
        self.root = root
        self.settings = settings
        self.debug = debug
        self._entered: list[ExitStack] = []
        self._is_located = False
        self._known: list[URL | None] = []
        self._passwords: set[str] = set()
        self._read_from: tuple[Mapping[str, str], Mapping[str, Any] | None] = os.environ, None
        # The database of the project that this one stands in for; see with_database().
        self._instead_of: URL | None = None

    @classmethod
    def open(
        cls,
        root: Path | None = None,
        *,
        environ: Mapping[str, str] = os.environ,
        configured: Mapping[str, Any] | None = None,
        debug: bool = False,
    ) -> Project:
        """Returns the project in ``root``; by default in the nearest folder upwards that has a tasks.py or tasks/.

        ``configured`` is ``fastman.*`` of Invoke's configuration; ``debug`` shows Alembic's own log lines.
        Raises SettingsError.
        """
        root = (root or nearest_root(Path.cwd())).resolve()
        folders = (root / "src", root)
        import_alembic_from_elsewhere(folders)
        for folder in folders:
            if folder.is_dir() and str(folder) not in sys.path:
                sys.path.insert(0, str(folder))
        project = cls(root, settings_module.load(root, environ, configured), debug=debug)
        project._read_from = environ, configured
        return project

    def with_database(self, database: Database, live: URL) -> Project:
        """Returns the same project with another ``database``. While it is entered, env.py and the application find that
        one wherever they read ``live`` from the environment."""
        settings = replace(self.settings, url=database.url, url_source=database.source, url_problem=None, history=False)
        project = Project(self.root, settings, debug=self.debug)
        project._instead_of = live
        return project

    def reload(self) -> None:
        """Read the settings again, from where they were read. Raises SettingsError."""
        environ, configured = self._read_from
        fresh = Project.open(self.root, environ=environ, configured=configured, debug=self.debug)
        self.__dict__ = {**fresh.__dict__, "_entered": self._entered}

    @property
    def stands_in(self) -> bool:
        """Whether it is another one's copy with a database of its own."""
        return self._instead_of is not None

    def __enter__(self) -> Project:
        came_from = Path.cwd()
        with ExitStack() as stack:
            stack.enter_context(export_environ(self.settings.exports))
            os.chdir(self.root)
            stack.callback(os.chdir, came_from)
            if self._instead_of is not None and self.settings.url is not None:
                live, url = self._instead_of, self.settings.url
                stack.enter_context(isolate(self.root, self.settings.unset, live, url))
            self._entered.append(stack.pop_all())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._entered.pop().close()

    @cached_property
    def configured_database(self) -> Database:
        """The database that the settings name, or else alembic.ini, or else the default. A generated env.py uses it.

        Raises SettingsError if there is none, or if its URL is not valid.
        """
        settings = self.settings
        if settings.url is not None:
            return self._database(settings.url, f"from {settings.url_source}")
        if settings.url_problem is not None:
            raise settings.url_problem
        if self.has_environment and (url := self.environment.configured_url):
            return self._database(url, f"from {self.environment.config_file.name}")
        if settings.production:
            raise SettingsError(
                f"ENVIRONMENT={settings.environment} and no DATABASE_URL. "
                "In production the database must be set explicitly."
            )
        default = urls.anchor(urls.parse("sqlite:///app.db"), self.root)
        return self._database(default, "by default: no DATABASE_URL is set")

    @cached_property
    def database(self) -> Database:
        """The database that the migrations act on: the one that env.py connects to, if there is an env.py."""
        if not self.has_environment:
            return self.configured_database
        return self.describe_database(urls.anchor(self.migrator.state.url, self.root), self.migrator.state.engine)

    @property
    def knows_database(self) -> bool:
        """Whether ``database`` has been asked for."""
        return "database" in self.__dict__

    def assume_database(self, database: Database) -> None:
        """Take ``database``, which need not exist, for the project's, until ``forget_database`` is called."""
        self.database, self._is_located = database, True

    def forget_database(self) -> None:
        """Discard what is known of the database, so that the next use connects to it again."""
        self.__dict__.pop("database", None)
        self._is_located = False
        if self.has_environment:
            self.migrator.forget_state()

    def describe_database(self, url: URL, engine: Engine | None = None) -> Database:
        """Returns the database at ``url``, to which env.py connects with ``engine``, and where its URL is from."""
        # Whether a generated env.py has asked for it.
        asked = self.__dict__.get("configured_database")
        if asked is not None and asked.url == url:
            return self._database(url, asked.source, engine)
        if self.settings.url == url:
            return self._database(url, f"from {self.settings.url_source}", engine)
        source = self.environment.config_file if self.environment.names(url) else self.environment.file
        return self._database(url, f"from {display_path(source, self.root)}", engine)

    def locate_database(self) -> None:
        """Ask the server which database it is, if there is no env.py that has connected. Raises DatabaseUnavailable."""
        if not self.has_environment and not self._is_located:
            self.database = self.configured_database.locate()
            self._is_located = True

    def _database(self, url: URL, source: str, engine: Engine | None = None) -> Database:
        return Database(url, source, engine, self.settings.connect_timeout)

    @property
    def label(self) -> str:
        """``sqlite:///app.db (development, from .env)``, the password masked."""
        return f"{self.display_url} ({self.settings.environment or 'development'}, {self.database.source})"

    @property
    def display_url(self) -> str:
        """The database's URL for people: password masked, a SQLite file relative to the root."""
        return urls.display_url(self.database.url, self.root)

    def redact(self, text: str) -> str:
        """Returns ``text`` with passwords masked: those of the project's database, and what looks like one."""
        databases = (self.__dict__.get("database"), self.__dict__.get("configured_database"))
        known = [self.settings.url, self._ini_url, *(each.url for each in databases if each)]
        # Each line that is printed asks for them.
        if len(known) > len(self._known):
            self._known = known
            self._passwords = {each for url in known if url is not None for each in urls.passwords(url)}
        return redact(text, sorted(self._passwords, key=len, reverse=True))

    @cached_property
    def _ini_url(self) -> URL | None:
        # An env.py may fail with it before it has connected.
        try:
            return self.environment.configured_url if self.has_environment else None
        except FastmanError:
            return None

    @property
    def has_environment(self) -> bool:
        """Whether the project has migrations set up."""
        from fastman_tasks.migrating import config

        return config.find(self.settings) is not None

    @cached_property
    def environment(self) -> Environment:
        """The project's Alembic environment. Raises NoEnvironment if there is none."""
        return self.environment_of(None)

    def environment_of(self, config_file: Path | None) -> Environment:
        """Returns the Alembic environment that ``config_file`` configures; None is the project's own."""
        from fastman_tasks.migrating.environment import PROJECT, Environment

        return Environment(self.settings, config_file=config_file, attributes={PROJECT: self}, debug=self.debug)

    @cached_property
    def migrator(self) -> Migrator:
        """Plans migrations. Raises NoEnvironment if there is no Alembic environment."""
        from fastman_tasks.migrating.migrator import Migrator

        return Migrator(self.environment)

    @cached_property
    def migration_writer(self) -> MigrationWriter:
        """Writes new migrations."""
        from fastman_tasks.making.migration import MigrationWriter

        return MigrationWriter(self.settings, lambda file: self.environment_of(file) if file else self.environment)

    @cached_property
    def seeders(self) -> Seeders:
        """Finds and runs seeders."""
        from fastman_tasks.seeding.seeders import Seeders

        return Seeders(self.settings)
