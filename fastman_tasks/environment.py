"""The project's Alembic environment: where it is, its revisions, and running its env.py."""

from __future__ import annotations

import sys
import warnings
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from configparser import InterpolationError, ParsingError
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, MigrationStep
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.engine import URL, Connection

from fastman_tasks import flask, urls
from fastman_tasks.connection import connecting, driver_errors
from fastman_tasks.errors import EnvironmentFailed, FastmanError, NoEnvironment
from fastman_tasks.history import History, Revision
from fastman_tasks.loggers import logging_kept
from fastman_tasks.sources import blame, first_line

if TYPE_CHECKING:
    from fastman_tasks.project import Project
    from fastman_tasks.settings import Settings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: What a generated env.py finds the open project under, in ``Config.attributes``.
PROJECT = "fastman_tasks.project"
#: Whether env.py has to import the models, in ``Config.attributes``; under plain alembic it does.
MODELS = "fastman_tasks.models"

_Steps = Callable[[tuple[str, ...], MigrationContext], Iterable[Any]]


def find_config(root: Path) -> Path | None:
    """What configures Alembic in ``root``: alembic.ini, [tool.alembic] or Flask-Migrate's file; None without one."""
    pyproject = root / "pyproject.toml"
    if (root / "alembic.ini").is_file():
        return root / "alembic.ini"
    if pyproject.is_file() and "alembic" in _toml(pyproject).get("tool", {}):
        return pyproject
    flask_migrate = root / "migrations" / "alembic.ini"
    return flask_migrate if flask_migrate.is_file() else None


class Environment:
    """An existing Alembic environment, used as it is.

    Raises NoEnvironment when ``project`` has none, and EnvironmentFailed when it cannot be used.
    """

    def __init__(self, project: Project, config_file: Path | None = None) -> None:
        self._project = project
        found = config_file or find_config(project.root)
        if found is None:
            raise NoEnvironment(
                "This project has no migrations yet (no alembic.ini, no [tool.alembic]). "
                'Make the first one: inv make.migration "create users table"'
            )
        self.config_file = found

    @cached_property
    def config(self) -> Config:
        """Alembic's configuration, as its own command line would build it, with the URL it is to use."""
        is_toml = self.config_file.suffix == ".toml"
        pyproject = self._project.root / "pyproject.toml"
        config = Config(
            None if is_toml else str(self.config_file),
            toml_file=str(pyproject),
            cmd_opts=Namespace(x=None, quiet=True, autogenerate=False),
            attributes={PROJECT: self._project},
        )
        if pyproject.is_file():
            _toml(pyproject)  # Alembic reads it too, whatever configures it, and does not say which file is broken.
        with self.errors():
            self._complete(config)
        url = self._project.url
        if url is not None:
            # ConfigParser interpolates: a % in the URL has to be doubled.
            text = url.render_as_string(hide_password=False)
            config.set_main_option("sqlalchemy.url", text.replace("%", "%%"))
        return config

    def _complete(self, config: Config) -> None:
        if config.get_main_option("databases"):
            raise EnvironmentFailed(
                f"{self._shown(self.config_file)} is a multidb environment (databases = …): one command here acts on "
                "one database. Use alembic itself for this project."
            )
        if config.get_alembic_option("script_location") is None:
            if self.config_file.parent == self._project.root:
                raise EnvironmentFailed(
                    f"{self._shown(self.config_file)} has no script_location. "
                    "Add the folder that holds env.py: script_location = %(here)s/migrations"
                )
            # Flask-Migrate's own command line fills it in: the folder that its alembic.ini lies in.
            config.set_main_option("script_location", self.config_file.parent.as_posix().replace("%", "%%"))

    @property
    def configured_url(self) -> URL | None:
        """``sqlalchemy.url`` of alembic.ini; None where it is absent or still ``alembic init``'s placeholder."""
        if self.config_file.suffix == ".toml":
            return None
        with self.errors():
            try:
                text = Config(str(self.config_file)).get_main_option("sqlalchemy.url")
            except InterpolationError as error:
                # Its own text shows the URL from the % on, which is a part of the password most of the time.
                raise EnvironmentFailed(
                    f"sqlalchemy.url in {self._shown(self.config_file)} has a single %; there it is written %%."
                ) from error
        if not text or text.startswith("driver://"):
            return None
        url = urls.parse(text, name=f"sqlalchemy.url in {self._shown(self.config_file)}")
        return urls.anchored(url, self._project.root)

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

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn what Alembic, a driver or the project's own files raise into a FastmanError."""
        try:
            yield
        except FastmanError:
            raise
        except CommandError as error:
            raise EnvironmentFailed(f"{self._shown(self.config_file)}: {error}") from error
        except InterpolationError as error:
            # Its own text shows the value from the % on, which may be a part of a password.
            raise EnvironmentFailed(
                f"{self._shown(self.config_file)}: {error.option} in [{error.section}] has a % that stands for "
                "nothing; a % itself is written %%."
            ) from error
        except ParsingError as error:
            line = getattr(error, "lineno", None) or error.errors[0][0]
            raise EnvironmentFailed(f"{self._shown(Path(error.source))}:{line}: {first_line(error)}") from error
        except Exception as error:
            raise EnvironmentFailed(blame(error, self._project.root)) from error

    def _shown(self, file: Path) -> str:
        root = self._project.root
        return file.relative_to(root).as_posix() if file.is_relative_to(root) else str(file)


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


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise EnvironmentFailed(f"{file.name} cannot be read: {error}") from error
