"""The database's own client, on the terminal of the command."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from invoke import Exit

from fastman_tasks.tasks import console
from fastman_tasks.tasks.revisions import read

if TYPE_CHECKING:
    from fastman_tasks.project import Project


def run(project: Project, command: str | None) -> None:
    """Run the client, with ``command`` or for the user. Raises Exit with its code unless that is 0."""
    from fastman_tasks.actions.shell import find_shell

    # What env.py prints does not belong to the result.
    client = read(project, command is not None, lambda: find_shell(project, command))
    if command is None:
        console.line(project.label)
    sys.stdout.flush()
    if code := client.run():
        raise Exit(code=code)
