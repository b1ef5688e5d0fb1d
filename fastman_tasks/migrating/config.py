"""What configures Alembic in a project: which file, what it says, and what is wrong with it."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator
from configparser import Error as ConfigParserError
from configparser import InterpolationError, ParsingError
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy.engine import URL

from fastman_tasks.databases import urls
from fastman_tasks.databases.outages import advise
from fastman_tasks.errors import EnvironmentFailed, FastmanError, SettingsError
from fastman_tasks.settings import Settings
from fastman_tasks.sources import blame, display_path, first_line, place

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def find(settings: Settings) -> Path | None:
    """What configures Alembic in the project: the file that ALEMBIC_CONFIG names, otherwise alembic.ini,
    [tool.alembic] or Flask-Migrate's file; None without one.

    Raises SettingsError where ALEMBIC_CONFIG names no file.
    """
    root = settings.root
    if settings.alembic_config is not None:
        if not settings.alembic_config.is_file():
            raise SettingsError(f"ALEMBIC_CONFIG: {display_path(settings.alembic_config, root)} does not exist.")
        return settings.alembic_config
    pyproject = root / "pyproject.toml"
    if (root / "alembic.ini").is_file():
        return root / "alembic.ini"
    if pyproject.is_file() and "alembic" in _toml(pyproject).get("tool", {}):
        return pyproject
    flask_migrate = root / "migrations" / "alembic.ini"
    return flask_migrate if flask_migrate.is_file() else None


def read(file: Path, settings: Settings, attributes: dict[str, Any]) -> Config:
    """The configuration in ``file``, as Alembic's own command line would build it, with ``attributes``.

    Raises EnvironmentFailed where it cannot be read, or names several databases.
    """
    root = settings.root
    # Alembic reads both, whichever of them it was told of.
    pyproject = file if file.suffix == ".toml" else root / "pyproject.toml"
    ini = root / "alembic.ini" if file.suffix == ".toml" else file
    config = Config(
        str(ini) if ini.is_file() else None,
        toml_file=str(pyproject),
        ini_section=settings.alembic_name,
        # What the alembic command would have parsed; an env.py may look at any of it.
        cmd_opts=Namespace(
            config=[str(file)],
            name=settings.alembic_name,
            x=list(settings.alembic_x) or None,
            quiet=True,
            raiseerr=False,
            autogenerate=False,
            sql=False,
            tag=None,
        ),
        attributes=attributes,
    )
    if pyproject.is_file():
        _toml(pyproject)  # Alembic reads it too, whatever configures it, and does not say which file is broken.
    with errors(file, root):
        if config.get_main_option("databases"):
            raise EnvironmentFailed(
                f"{display_path(file, root)} is a multidb environment (databases = …): one command here acts on one "
                "database. Use alembic itself for this project."
            )
        if config.get_alembic_option("script_location") is None:
            if file.parent == root or file == settings.alembic_config:
                raise EnvironmentFailed(_no_script_location(config, file, root))
            # Flask-Migrate's own command line fills it in: the folder that its alembic.ini lies in.
            config.set_main_option("script_location", file.parent.as_posix().replace("%", "%%"))
    return config


def _no_script_location(config: Config, file: Path, root: Path) -> str:
    sections = [
        name for name in config.file_config.sections() if config.file_config.has_option(name, "script_location")
    ]
    if sections:
        return (
            f"{display_path(file, root)} has no section [{config.config_ini_section}]. "
            f"Set FASTMAN_ALEMBIC_NAME to the one that is meant: {', '.join(sections)}"
        )
    return (
        f"{display_path(file, root)} has no script_location. "
        "Add the folder that holds env.py: script_location = %(here)s/migrations"
    )


def url(file: Path, settings: Settings) -> URL | None:
    """``sqlalchemy.url`` of an alembic.ini; None where it is absent or still ``alembic init``'s placeholder.

    Raises EnvironmentFailed or SettingsError where it cannot be used as it stands: env.py may complete it.
    """
    if file.suffix == ".toml":
        return None
    name = f"sqlalchemy.url in {display_path(file, settings.root)}"
    with errors(file, settings.root):
        try:
            text = Config(str(file), ini_section=settings.alembic_name).get_main_option("sqlalchemy.url")
        except InterpolationError as error:
            # Its own text shows the URL from the % on, which is a part of the password most of the time.
            raise EnvironmentFailed(f"{name} has a single %; there it is written %%.") from error
    if not text or text.startswith("driver://"):
        return None
    return urls.anchor(urls.parse(text, name=name), settings.root)


@contextmanager
def errors(file: Path, root: Path, folder: Path | None = None) -> Iterator[None]:
    """Turn what Alembic, a driver or the project's own files raise into a FastmanError.

    ``folder`` is where env.py and the version files lie, which may be outside of ``root``.
    """
    try:
        yield
    except FastmanError:
        raise
    except CommandError as error:
        raise EnvironmentFailed(f"{display_path(file, root)}: {error}") from error
    except InterpolationError as error:
        # Its own text shows the value from the % on, which may be a part of a password.
        raise EnvironmentFailed(
            f"{display_path(file, root)}: {error.option} in [{error.section}] has a % that stands for "
            "nothing; a % itself is written %%."
        ) from error
    except ParsingError as error:
        line = getattr(error, "lineno", None) or error.errors[0][0]
        raise EnvironmentFailed(f"{display_path(Path(error.source), root)}:{line}: {first_line(error)}") from error
    except ConfigParserError as error:
        raise EnvironmentFailed(f"{display_path(file, root)}: {first_line(error)}") from error
    except SystemExit as error:
        where = place(error, root, folder=folder)
        raise EnvironmentFailed(f"{where or display_path(file, root)}: it called sys.exit({error.code!r}).") from error
    except Exception as error:
        raise EnvironmentFailed("\n".join([blame(error, root, folder=folder), *advise(error)])) from error


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise EnvironmentFailed(f"{file.name} cannot be read: {error}") from error
