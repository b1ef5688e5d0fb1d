"""Let an env.py, and the application that it imports, find another database than the project's for one block."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from sqlalchemy.engine import URL

from fastman_tasks.databases import urls
from fastman_tasks.errors import SettingsError


@contextmanager
def isolate(root: Path, variables: Mapping[str, str], live: URL, instead: URL) -> Iterator[None]:
    """Let everything that reads the URL of ``live`` from the environment, or from ``variables``, find ``instead``.

    What the application has read when it was imported it reads again: the modules in ``root`` are imported anew in this
    block, and what there was is back afterwards. DATABASE_URL is set in any case.
    """
    changed = {"DATABASE_URL": _text(instead)}
    for name, value in {**variables, **os.environ}.items():
        if (other := _other(name, value, live, instead)) is not None:
            changed[name] = other
    before = {name: os.environ.get(name) for name in changed}
    modules = _take_modules(root)
    os.environ.update(changed)
    try:
        yield
    finally:
        _take_modules(root)
        sys.modules.update(modules)
        for name in changed:
            os.environ.pop(name, None)
        os.environ.update({name: value for name, value in before.items() if value is not None})


def _other(name: str, value: str, live: URL, instead: URL) -> str | None:
    """What the variable has to be; None if it is not about ``live``."""
    if "://" in value:
        try:
            url = urls.parse(value)
        except SettingsError:
            return None
        # Whatever host it names: the same server has several, and a replica is not meant either.
        same = (url.get_backend_name(), url.database) == (live.get_backend_name(), live.database)
        return _text(instead.set(drivername=url.drivername)) if same else None
    # In parts, of which only the name is another: DB_NAME, POSTGRES_DB, PGDATABASE.
    is_name = "DB" in name.upper() or "DATABASE" in name.upper()
    return instead.database if is_name and value and value == live.database else None


def _text(url: URL) -> str:
    return url.render_as_string(hide_password=False)


def _take_modules(root: Path) -> dict[str, ModuleType]:
    """Take the project's own modules out of sys.modules and return them; not its tasks, and nothing installed."""
    found = {name: module for name, module in sys.modules.items() if _is_own(name, module, root)}
    for name in found:
        del sys.modules[name]
    return found


def _is_own(name: str, module: ModuleType, root: Path) -> bool:
    if name.partition(".")[0] in ("tasks", "__main__", "fastman_tasks"):
        return False
    file = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), None)
    if not isinstance(file, str) or "site-packages" in file or "dist-packages" in file:
        return False
    # A path that begins with a dot comes from sys.path.
    return Path(file).resolve().is_relative_to(root)


def import_alembic_from_elsewhere(folders: tuple[Path, ...]) -> None:
    """Import Alembic before a package of the project that is also called alembic."""
    if any((folder / "alembic" / "__init__.py").is_file() for folder in folders):
        before = sys.path[:]
        sys.path[:] = [entry for entry in before if Path(entry).resolve() not in folders]
        try:
            importlib.import_module("alembic")
        finally:
            sys.path[:] = before
