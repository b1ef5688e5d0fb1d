"""The project's Alembic environment: its revisions, and running its env.py."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, TextIO

from alembic import command
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, MigrationStep, RevisionStep
from alembic.script import Script, ScriptDirectory
from alembic.script.revision import RevisionMap
from sqlalchemy.engine import URL, Connection

from fastman_tasks.databases.transactions import begin_immediately
from fastman_tasks.errors import FastmanError, NoEnvironment
from fastman_tasks.migrating import config as configuration
from fastman_tasks.migrating import env_py, version_graph
from fastman_tasks.migrating.scripts import read_headers
from fastman_tasks.plans import Step
from fastman_tasks.revisions.graph import RevisionGraph
from fastman_tasks.settings import Settings

#: What a generated env.py finds the open project under, in ``Config.attributes``.
PROJECT = "fastman_tasks.project"
#: Whether env.py has to import the models, in ``Config.attributes``; under plain alembic it does.
MODELS = "fastman_tasks.models"

_Steps = Callable[[tuple[str, ...], MigrationContext], Iterable[Any]]


class _Downgrade(RevisionStep):
    """Alembic's own step back, which records no parent that another one implies.

    Alembic would, where a revision depends on another child of its parent and there is another head: both get a row,
    and its next ``upgrade`` refuses them as overlapping.
    """

    def __init__(self, graph: RevisionGraph, revision_map: RevisionMap, script: Script) -> None:
        super().__init__(revision_map, script, False)
        self._graph = graph

    def unmerge_branch_idents(self, heads: set[str]) -> tuple[str, str, tuple[str, ...]]:
        """The revision that a row is changed from, the one that it is changed to, and those that get rows of their
        own."""
        left, parent, more = super().unmerge_branch_idents(heads)
        first, *others = self._graph.heads_of(self._graph.with_ancestors([parent, *more]))
        return left, first, tuple(others)


class Environment:
    """An existing Alembic environment, used as it is.

    ``attributes`` are what env.py finds in ``Config.attributes``; ``debug`` lets Alembic's own log lines through.
    Raises NoEnvironment where ``settings`` lead to none, and EnvironmentFailed when it cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        config_file: Path | None = None,
        attributes: Mapping[str, Any] | None = None,
        debug: bool = False,
    ) -> None:
        #: The project's settings.
        self.settings = settings
        self._attributes = dict(attributes or {})
        self._debug = debug
        found = config_file or configuration.find(settings)
        if found is None:
            raise NoEnvironment(
                "This project has no migrations yet (no alembic.ini, no [tool.alembic]). "
                'Make the first one: inv make.migration "create users table"'
            )
        self.config_file = found
        self._newest: tuple[Config, ScriptDirectory] | None = None
        # Version files that lie elsewhere.
        self._more: tuple[Path, ...] = ()

    @property
    def has_run(self) -> bool:
        """Whether env.py has run, so that it is known where the version files lie."""
        return self._newest is not None

    @property
    def config(self) -> Config:
        """Alembic's configuration as env.py left it when it ran last."""
        return self._ran[0]

    @property
    def scripts(self) -> ScriptDirectory:
        """Alembic's view of the version files, as env.py left it when it ran last."""
        return self._ran[1]

    @property
    def _ran(self) -> tuple[Config, ScriptDirectory]:
        # An env.py says where the version files lie, and what they can import: without it nothing is known of them.
        assert self._newest is not None, "env.py has to run before version files are read"
        return self._newest

    def _made(self) -> tuple[Config, ScriptDirectory]:
        """What an alembic command begins with; each run of env.py gets its own, since env.py may change both."""
        config = configuration.read(self.config_file, self.settings, dict(self._attributes))
        if self.url is not None:
            # ConfigParser interpolates: a % in the URL has to be doubled.
            text = self.url.render_as_string(hide_password=False)
            config.set_main_option("sqlalchemy.url", text.replace("%", "%%"))
        with self.errors():
            scripts = ScriptDirectory.from_config(config)
        if self._newest is not None and "graph" in self.__dict__:
            # The version files have been read already.
            scripts.revision_map = self._newest[1].revision_map
        else:
            read_headers(scripts, self._more)
        return config, scripts

    @property
    def file(self) -> Path:
        """The project's env.py."""
        return Path(self.scripts.env_py_location).resolve()

    @property
    def root(self) -> Path:
        """The project's folder."""
        return self.settings.root

    @property
    def url(self) -> URL | None:
        """The URL that the user has set for us; only that is handed to env.py, as ``sqlalchemy.url``."""
        return self.settings.url

    @property
    def configured_url(self) -> URL | None:
        """``sqlalchemy.url`` of alembic.ini; None where it is absent or still ``alembic init``'s placeholder.

        Raises EnvironmentFailed or SettingsError where it cannot be used.
        """
        return configuration.url(self.config_file, self.settings)

    def names(self, url: URL) -> bool:
        """Whether ``sqlalchemy.url`` of alembic.ini is ``url``."""
        try:
            return self.configured_url == url
        except FastmanError:
            # It is env.py that makes something of it.
            return False

    @cached_property
    def graph(self) -> RevisionGraph:
        """Every revision that has a file. Raises EnvironmentFailed, naming file and line, when one cannot be read."""
        with self.errors():
            return version_graph.build(self.scripts, self.root)

    def forget_files(self) -> None:
        """Discard what was read of the version files, which have changed: the next run of env.py reads them again."""
        self._newest = None
        self.__dict__.pop("graph", None)

    @contextmanager
    def including(self, files: Iterable[Path]) -> Iterator[None]:
        """In this block the version ``files``, all in one folder elsewhere, are the project's, too, wherever env.py
        says that its own lie."""
        self._more = tuple(files)
        self.forget_files()
        try:
            yield
        finally:
            self._more = ()
            self.forget_files()

    def load(self, steps: Iterable[Step]) -> None:
        """Import the files of ``steps``; whatever is wrong with one is raised."""
        for step in steps:
            _ = self.scripts.get_revision(step.id).module

    def step(self, step: Step) -> MigrationStep:
        """What Alembic runs to apply the migration of ``step``, or to roll it back."""
        script = self.scripts.get_revision(step.id)
        if step.action == "roll back":
            return _Downgrade(self.graph, self.scripts.revision_map, script)
        return MigrationStep.upgrade_from_script(self.scripts.revision_map, script)

    def run(
        self,
        steps: _Steps,
        *,
        reading: bool,
        models: bool | None = None,
        prepare: Callable[[Connection], None] | None = None,
        output: TextIO | None = None,
        dialect_name: str | None = None,
        copies: Path | None = None,
        **options: Any,
    ) -> None:
        """Run env.py. Alembic hands the database's heads to ``steps`` and carries out the steps it returns.

        While ``reading`` no table, no file and no row is written. ``models`` says whether the models' metadata is
        needed (by default only when not reading). ``prepare`` is called with the connection that env.py gives
        Alembic, before Alembic uses it. ``output`` takes what Alembic writes offline, where ``dialect_name`` serves an
        env.py that knows no URL. With ``copies`` see ``watch_connections``. ``options`` go to EnvironmentContext.
        Raises DatabaseUnavailable, EnvironmentFailed, and any FastmanError that ``steps`` raises.
        """
        self._newest = config, scripts = self._made()
        config.attributes[MODELS] = not reading if models is None else models
        writes = not options.setdefault("dont_mutate", reading)
        # What env.py may ask for: get_revision_argument() and the like, or what was typed.
        options = {"starting_rev": None, "destination_rev": "heads", "tag": None, **options}
        typed = "revision" if "revision_context" in options else "upgrade" if writes else "current"
        assert config.cmd_opts is not None
        config.cmd_opts.cmd = (getattr(command, typed), [], [])
        config.cmd_opts.revision = options["destination_rev"]
        config.cmd_opts.autogenerate = typed == "revision"
        context = EnvironmentContext(config, scripts, fn=steps, **options)

        def prepared(connection: Connection) -> None:
            if writes:
                begin_immediately(connection)
            if prepare is not None:
                prepare(connection)

        env_py.wrap_configure(context, prepared, output, dialect_name)
        surroundings = env_py.surroundings(
            self.file,
            self.url,
            self.settings.connect_timeout,
            reading=reading,
            migrating=writes,
            copies=copies,
            debug=self._debug,
        )
        with self.errors(), surroundings, context:
            scripts.run_env()

    def errors(self) -> AbstractContextManager[None]:
        """Turn what Alembic, a driver or the project's own files raise into a FastmanError."""
        folder = Path(self._newest[1].dir).resolve() if self._newest else None
        return configuration.errors(self.config_file, self.root, folder)
