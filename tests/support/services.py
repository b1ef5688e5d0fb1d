"""The services of a sandbox's project, called in this process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from command import Sandbox
from fastman_tasks import actions, force
from fastman_tasks.consent import Risk
from fastman_tasks.plans import Report
from fastman_tasks.project import Project


@contextmanager
def imports_undone(root: Path) -> Iterator[None]:
    """Forget, afterwards, every module that was imported from ``root``: the next project has a models.py too.

    And SQLModel: seeders get its sessions where a project has imported it.
    """
    path, before = sys.path[:], set(sys.modules)
    try:
        yield
    finally:
        new = {name: module for name, module in sys.modules.items() if name not in before}
        own = [name for name, module in new.items() if any(place.startswith(str(root)) for place in _places(module))]
        for name in own + [name for name in new if name.partition(".")[0] == "sqlmodel"]:
            del sys.modules[name]
        sys.path[:] = path
        # An alembic.ini puts . on the path, and Python remembers which folder that was.
        sys.path_importer_cache.pop(".", None)


def _places(module: ModuleType) -> list[str]:
    return [getattr(module, "__file__", None) or "", *map(str, getattr(module, "__path__", ()))]


@contextmanager
def opened(sandbox: Sandbox, **environ: str) -> Iterator[Project]:
    """The project of ``sandbox``, entered, with ``environ`` for the shell's environment."""
    with imports_undone(sandbox.root), Project.open(sandbox.root, environ=environ) as project:
        yield project


def migrate(project: Project, to: str | None = None) -> Report:
    """Apply the pending migrations."""
    return actions.migrate(project, to=to, consent=force)


def rollback(project: Project, steps: int = 1) -> Report:
    """Roll back the newest migrations."""
    return actions.rollback(project, steps=steps, consent=agree)


def reset(project: Project) -> Report:
    """Roll back all of them."""
    return actions.reset(project, consent=agree)


def agree(risk: Risk) -> None:
    """Consent to everything."""
