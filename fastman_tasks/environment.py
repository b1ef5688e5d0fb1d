"""The project's Alembic environment: its revisions, and running its env.py."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, MigrationStep
from alembic.script import Script, ScriptDirectory
from sqlalchemy.engine import URL, Connection

from fastman_tasks import configuration, flask
from fastman_tasks.connection import connecting, driver_errors
from fastman_tasks.errors import EnvironmentFailed, NoEnvironment
from fastman_tasks.history import History, Revision
from fastman_tasks.loggers import logging_kept
from fastman_tasks.sources import first_line

if TYPE_CHECKING:
    from fastman_tasks.project import Project
    from fastman_tasks.settings import Settings

#: What a generated env.py finds the open project under, in ``Config.attributes``.
PROJECT = "fastman_tasks.project"
#: Whether env.py has to import the models, in ``Config.attributes``; under plain alembic it does.
MODELS = "fastman_tasks.models"

_Steps = Callable[[tuple[str, ...], MigrationContext], Iterable[Any]]


class Environment:
    """An existing Alembic environment, used as it is.

    Raises NoEnvironment when ``project`` has none, and EnvironmentFailed when it cannot be used.
    """

    def __init__(self, project: Project, config_file: Path | None = None) -> None:
        self._project = project
        found = config_file or configuration.find(project.root)
        if found is None:
            raise NoEnvironment(
                "This project has no migrations yet (no alembic.ini, no [tool.alembic]). "
                'Make the first one: inv make.migration "create users table"'
            )
        self.config_file = found

    @cached_property
    def config(self) -> Config:
        """Alembic's configuration, with the URL that it is to use."""
        config = configuration.read(self.config_file, self.root, {PROJECT: self._project})
        if self.url is not None:
            # ConfigParser interpolates: a % in the URL has to be doubled.
            text = self.url.render_as_string(hide_password=False)
            config.set_main_option("sqlalchemy.url", text.replace("%", "%%"))
        return config

    @property
    def configured_url(self) -> URL | None:
        """``sqlalchemy.url`` of alembic.ini; None where it is absent or still ``alembic init``'s placeholder."""
        return configuration.url(self.config_file, self.root)

    @property
    def root(self) -> Path:
        """The project's folder."""
        return self._project.root

    @property
    def settings(self) -> Settings:
        """The project's settings."""
        return self._project.settings

    @property
    def url(self) -> URL | None:
        """The URL that the project's settings hand to env.py, if any."""
        return self._project.url

    @cached_property
    def scripts(self) -> ScriptDirectory:
        """Alembic's view of the version files."""
        with self.errors():
            return ScriptDirectory.from_config(self.config)

    @cached_property
    def history(self) -> History:
        """Every revision that has a file. Raises EnvironmentFailed, naming file and line, when one cannot be read."""
        with self.errors(), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                scripts = list(self.scripts.walk_revisions())
            except KeyError as error:
                # Alembic warns of a down_revision that no file has, then trips over it.
                said = "; ".join(str(warning.message) for warning in caught) or f"revision {error} is not there"
                raise EnvironmentFailed(f"The version files do not fit together: {said}.") from error
        known = {script.revision for script in scripts}
        return History(self._revision(script, known) for script in scripts)

    def _revision(self, script: Script, known: set[str]) -> Revision:
        named = (*_ids(script.down_revision), *_ids(script.dependencies))
        # A parent may be spelled by a branch label or a part of its id.
        parents = {
            parent
            for name in named
            for parent in ([name] if name in known else [found.revision for found in self.scripts.get_revisions(name)])
        }
        return Revision(
            id=script.revision,
            file=Path(script.path),
            message=first_line(script.doc),
            parents=tuple(sorted(parents)),
            labels=tuple(sorted(script.branch_labels)),
            is_head=script.is_head,
        )

    def module(self, revision: Revision) -> ModuleType:
        """The module of a revision's file."""
        return self.scripts.get_revision(revision.id).module

    def step(self, direction: Literal["upgrade", "downgrade"], revision: Revision) -> MigrationStep:
        """The step that applies ``revision``, or takes it back."""
        script = self.scripts.get_revision(revision.id)
        make = MigrationStep.upgrade_from_script if direction == "upgrade" else MigrationStep.downgrade_from_script
        return make(self.scripts.revision_map, script)

    def run(
        self,
        steps: _Steps,
        *,
        reading: bool,
        models: bool | None = None,
        prepare: Callable[[Connection], None] | None = None,
        **options: Any,
    ) -> None:
        """Run env.py. Alembic hands the database's heads to ``steps`` and carries out the steps it returns.

        While ``reading`` no table, no file and no row is written. ``models`` says whether the models' metadata is
        needed (by default only when not reading). ``prepare`` is called with the connection that env.py gives
        Alembic, before Alembic uses it. ``options`` go to EnvironmentContext.
        Raises DatabaseUnavailable, EnvironmentFailed, and any FastmanError that ``steps`` raises.
        """
        self.config.attributes[MODELS] = not reading if models is None else models
        writes = not options.setdefault("dont_mutate", reading)
        environment = EnvironmentContext(self.config, self.scripts, fn=steps, **options)
        _one_transaction_a_migration(environment, prepare)
        with (
            self.errors(),
            driver_errors(self.url),
            self._application(),
            logging_kept(),
            connecting(reading=reading, migrating=writes),
            environment,
        ):
            self.scripts.run_env()

    def _application(self) -> AbstractContextManager[Any]:
        env_py = Path(self.scripts.env_py_location)
        if env_py.is_file() and "current_app" in env_py.read_text("utf-8", errors="replace"):
            return flask.application_context()
        return nullcontext()

    def errors(self) -> AbstractContextManager[None]:
        """Turn what Alembic, a driver or the project's own files raise into a FastmanError."""
        return configuration.errors(self.config_file, self.root)


def _one_transaction_a_migration(environment: EnvironmentContext, prepare: Callable[[Connection], None] | None) -> None:
    """Give the ``configure`` that env.py calls the safe defaults; what env.py says itself stands.

    Alembic's own are one transaction for all migrations, and none at all on SQLite.
    """
    original = environment.configure

    def configure(connection: Connection | None = None, **options: Any) -> None:
        options.setdefault("transaction_per_migration", True)
        if connection is not None:
            if connection.dialect.name == "sqlite" and options.get("transactional_ddl") is None:
                options["transactional_ddl"] = True
            if prepare is not None:
                prepare(connection)
        original(connection=connection, **options)

    environment.configure = configure  # type: ignore[method-assign,assignment]


def _ids(value: str | Iterable[str] | None) -> tuple[str, ...]:
    return () if value is None else (value,) if isinstance(value, str) else tuple(value)
