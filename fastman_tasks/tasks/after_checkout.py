"""What git's post-checkout hook runs in the project's folder: one line if another branch has left migrations behind."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from invoke import Config

from fastman_tasks.tasks import console
from fastman_tasks.text import pluralize

# Of a checkout that has long been done.
_PATIENCE = 5.0


def find_states(root: Path) -> list[str]:
    """Returns the state of each migration of the project in ``root``; none without migrations. Raises what
    ``Project.open`` and ``Migrator.status`` raise."""
    from fastman_tasks.project import Project

    # As in a command, but for what tasks.py itself configures.
    config = Config(project_location=root)
    config.load_project()
    configured = config.get("fastman", {})
    with Project.open(root, configured=configured if isinstance(configured, Mapping) else None) as project:
        return [str(each.state) for each in project.migrator.status()] if project.has_environment else []


def describe(states: Iterable[str]) -> str:
    """Returns what there is to say of migrations in these ``states``; empty if nothing."""
    counts = Counter(states)
    if number := counts["phantom"]:
        are, them = ("is", "it") if number == 1 else ("are", "them")
        what = f"{pluralize(number, 'phantom migration')} of another branch {are} applied"
        return f"{what}; to roll {them} back: inv migrate.rollback --phantoms"
    if number := counts["missing"]:
        have = "has" if number == 1 else "have"
        return f"{pluralize(number, 'applied migration')} {have} no file here: inv migrate.repair"
    return ""


def main() -> None:
    """Print it. A checkout is never held up or made to fail: what goes wrong is not said, nor what takes too long."""
    timer = threading.Timer(_PATIENCE, os._exit, [0])
    timer.daemon = True
    timer.start()
    said = ""
    try:
        # What env.py prints is not for this.
        with console.reserve_stdout(True):
            said = describe(find_states(Path.cwd()))
    except (Exception, KeyboardInterrupt, SystemExit):
        # The database may be down, a branch half merged; the next command says so.
        pass
    if said:
        console.line(said)


if __name__ == "__main__":
    main()
