"""Settings: ``.env`` files, the environment and Invoke's configuration become one frozen value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy.engine import URL

from fastman_tasks.databases import urls
from fastman_tasks.env_file import VARIABLES, read_env_file
from fastman_tasks.errors import SettingsError, UsageError

_PARTS = ("DB_CONNECTION", "DB_HOST", "DB_PORT", "DB_NAME", "DB_USER", "DB_PASSWORD")
_PROTECTED_LOCK_TIMEOUT = 5.0
_PRODUCTION = {"production", "prod", "live"}
#: Environments in which a database on another machine is nobody's but the team's. Any other name may be a production's.
_UNPROTECTED = {
    *("development", "develop", "dev", "local", "test", "testing", "tests", "ci", "e2e", "sandbox", "demo"),
    *("staging", "stage", "preview", "review", "qa", "uat"),
}
_YES, _NO = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}
_Switch = TypeVar("_Switch", bool, None)
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Settings:
    """The settings of a project.

    ``url`` is None if none is set; ``url_source`` says where it is from (".env", "the environment", …). If the value is
    not a valid URL, or is a part of another program's settings, ``url_problem`` is the error to raise when the URL is
    needed. ``environment`` is None if it is not set. ``models`` are names of modules and ``ignore_tables`` of tables,
    both with wildcards; ``seeders`` is an absolute folder. ``unset`` are the values of the .env files that the
    environment does not have; ``export_env`` exports them. ``protected`` are names of environments, in lower case.
    Times are in seconds; ``ddl_lock_timeout`` and ``statement_timeout`` are None if they are not set, 0 for no limit.
    ``alembic_config`` is an absolute file, ``alembic_name`` its section, ``alembic_x`` texts like ``key=value``.
    ``backup`` is None where it depends on the database whether there is one before it is emptied.
    ``scratch_url`` is a database on whose server scratch databases can be created; None for the project's own server.
    """

    root: Path
    environment: str | None
    url: URL | None
    url_source: str
    url_problem: SettingsError | None
    models: tuple[str, ...]
    ignore_tables: tuple[str, ...]
    seeders: Path
    lock: bool
    lock_timeout: float
    connect_timeout: float
    ddl_lock_timeout: float | None
    statement_timeout: float | None
    protected: frozenset[str]
    prohibit_destructive: bool
    backup: bool | None
    history: bool
    scratch_url: URL | None
    export_env: bool
    unset: Mapping[str, str] = field(repr=False)
    alembic_config: Path | None
    alembic_name: str
    alembic_x: tuple[str, ...]

    @property
    def exports(self) -> Mapping[str, str]:
        """The variables to export while a command runs."""
        return self.unset if self.export_env else {}

    def table_lock_timeout(self, url: URL) -> float:
        """Returns the seconds that a migration of the database at ``url`` waits for a table's lock; 0 for no limit, on
        SQLite for the driver's own."""
        if self.ddl_lock_timeout is not None:
            return self.ddl_lock_timeout
        return _PROTECTED_LOCK_TIMEOUT if self.protects(url) and url.get_backend_name() != "sqlite" else 0.0

    @property
    def production(self) -> bool:
        """Whether ENVIRONMENT is production, prod, live or one of FASTMAN_PROTECTED, in any case."""
        return (self.environment or "").lower() in _PRODUCTION | self.protected

    def protects(self, url: URL) -> bool:
        """Whether the database at ``url`` is protected, as a mistake in it may affect real users.

        True in production, and on another machine if ENVIRONMENT is not set, or not known to be no production.
        """
        known = (self.environment or "").lower() in _UNPROTECTED
        return self.production or not (known or urls.is_local(url))


@dataclass(frozen=True)
class _Layer:
    source: str
    values: Mapping[str, str]

    def get(self, variable: str) -> str | None:
        names = (variable, *VARIABLES[variable])
        return next((self.values[name] for name in names if self.values.get(name)), None)


def load(root: Path, environ: Mapping[str, str], configured: Mapping[str, Any] | None = None) -> Settings:
    """Read the settings of the project in ``root``.

    ``environ`` is the shell's environment; ``configured`` is ``fastman.*`` of Invoke's configuration, whose keys
    are the variables' names in lower case, without FASTMAN_. The first of environment, ``.env.<ENVIRONMENT>``,
    ``.env`` and configuration that has a value wins; an empty value counts as not set.

    Raises SettingsError for a file that cannot be read and for invalid values, except for the database's URL.
    """
    shell = _Layer("the environment", environ)
    base = _Layer(".env", read_env_file(root / ".env"))
    invoke = _Layer("Invoke's configuration", _configured_values(configured or {}))
    environment = next((value for layer in (shell, base, invoke) if (value := layer.get("ENVIRONMENT"))), None)
    files = [base]
    if environment:
        name = f".env.{environment}"
        # Any other name is another program's: it has no file here, and must not lead out of the project.
        if re.fullmatch(r"[\w.-]+", environment):
            files.insert(0, _Layer(name, read_env_file(root / name)))
    layers = [shell, *files, invoke]
    values = {
        variable: next(((value, layer.source) for layer in layers if (value := layer.get(variable))), None)
        for variable in VARIABLES
    }
    url, source, problem = None, "", None
    try:
        url, source = _url(values)
        if url is not None:
            urls.require_known(url)
    except SettingsError as error:
        url, source = None, ""
        problem = error
    text = {variable: found[0] for variable, found in values.items() if found}
    return Settings(
        root=root,
        environment=environment,
        url=None if url is None else urls.anchor(url, root),
        url_source=source,
        url_problem=problem,
        models=_list(text, "FASTMAN_MODELS"),
        ignore_tables=_list(text, "FASTMAN_IGNORE_TABLES"),
        seeders=root / text.get("FASTMAN_SEEDERS", "database/seeders"),
        lock=_switch(text, "FASTMAN_LOCK", default=True),
        lock_timeout=_seconds(text, "FASTMAN_LOCK_TIMEOUT", default=60.0),
        connect_timeout=_seconds(text, "FASTMAN_CONNECT_TIMEOUT", default=10.0),
        ddl_lock_timeout=_seconds(text, "FASTMAN_DDL_LOCK_TIMEOUT", default=None),
        statement_timeout=_seconds(text, "FASTMAN_STATEMENT_TIMEOUT", default=None),
        protected=frozenset(name.lower() for name in _list(text, "FASTMAN_PROTECTED")),
        prohibit_destructive=_switch(text, "FASTMAN_PROHIBIT_DESTRUCTIVE", default=False),
        backup=_switch(text, "FASTMAN_BACKUP", default=None),
        history=_switch(text, "FASTMAN_HISTORY", default=True),
        scratch_url=_scratch_url(text),
        export_env=_switch(text, "FASTMAN_EXPORT_ENV", default=False),
        unset={name: value for layer in reversed(files) for name, value in layer.values.items() if name not in environ},
        alembic_config=root / text["ALEMBIC_CONFIG"] if "ALEMBIC_CONFIG" in text else None,
        alembic_name=text.get("FASTMAN_ALEMBIC_NAME", "alembic"),
        # A comma within a value is written \\,
        alembic_x=tuple(
            part.strip().replace("\\,", ",")
            for part in re.split(r"(?<!\\),", text.get("FASTMAN_ALEMBIC_X", ""))
            if part.strip()
        ),
    )


def _scratch_url(text: Mapping[str, str]) -> URL | None:
    value = text.get("FASTMAN_SCRATCH_URL")
    if value is None:
        return None
    url = urls.parse(value, name="FASTMAN_SCRATCH_URL")
    urls.require_known(url)
    return url


def _list(text: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[^,\s]+", text.get(name, "")))


def _switch(text: Mapping[str, str], name: str, *, default: _Switch) -> bool | _Switch:
    value = text.get(name, "").lower()
    if value and value not in _YES | _NO:
        raise UsageError(f"{name}={value} is not valid. Write on or off.")
    return value in _YES if value else default


_Default = TypeVar("_Default", float, float | None)


def _seconds(text: Mapping[str, str], name: str, *, default: _Default) -> _Default:
    if (value := text.get(name)) is None:
        return default
    if value.lower() in {"0", "off"}:
        return 0.0
    if (found := seconds(value)) is None:
        raise UsageError(f"{name}={value} is not a valid duration. Write 500ms, 5s or 2m; 0 for none.")
    return found


def seconds(duration: str) -> float | None:
    """Returns the seconds of a ``duration`` such as 500ms, 5s or 2m; None if it is not valid."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)", duration.strip(), re.ASCII)
    return float(match[1]) * _UNITS[match[2]] if match else None


def _url(values: Mapping[str, tuple[str, str] | None]) -> tuple[URL | None, str]:
    if whole := values["DATABASE_URL"]:
        return urls.parse(whole[0]), whole[1]
    parts = {name: given for name in _PARTS if (given := values[name])}
    if not parts:
        return None, ""
    if "DB_CONNECTION" not in parts:
        raise SettingsError(
            f"{', '.join(parts)} set without DB_CONNECTION. Set DB_CONNECTION to sqlite, postgresql or mysql "
            "(or one with its driver: postgresql+asyncpg), or set DATABASE_URL."
        )
    connection, source = parts["DB_CONNECTION"]
    text = {name: value for name, (value, _) in parts.items()}
    if connection.partition("+")[0] == "sqlite":
        return URL.create(connection, database=text.get("DB_NAME", "app.db")), source
    if ":" in connection:
        # Not repeated: it may hold a password.
        raise SettingsError("DB_CONNECTION contains a URL. Set DATABASE_URL instead.")
    if not re.fullmatch(r"\w+(\+\w+)?", connection):
        raise SettingsError(
            f"DB_CONNECTION={connection!r} is not a supported database; use sqlite, postgresql or mysql."
        )
    port = text.get("DB_PORT")
    if port is not None and not (port.isdecimal() and int(port) < 65536):
        raise SettingsError(f"DB_PORT={port!r} is not a port number.")
    url = URL.create(
        connection,
        username=text.get("DB_USER"),
        password=text.get("DB_PASSWORD"),
        host=text.get("DB_HOST", "localhost"),
        port=int(port) if port else None,
        database=text.get("DB_NAME"),
    )
    return urls.complete(url), source


def _configured_values(configured: Mapping[str, Any]) -> dict[str, str]:
    def text(value: Any) -> str:
        return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)

    keys = {variable.removeprefix("FASTMAN_").lower(): variable for variable in VARIABLES}
    return {keys[key]: text(value) for key, value in configured.items() if key in keys and value is not None}
