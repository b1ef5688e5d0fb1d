"""Starting quickly: what Python need not look at again."""

from __future__ import annotations

import subprocess
import sys

from command import Sandbox

_COUNT = """
import gc
from fastman_tasks.runtime import run_migrations

print("frozen:", gc.get_freeze_count())
run_migrations()
"""


def test_what_was_imported_is_no_garbage(project: Sandbox) -> None:
    """Python looks for garbage in it no more in a process of Invoke's; a process of the project's own is left alone."""
    project.add_environment()
    project.write("database/migrations/env.py", _COUNT)

    def frozen(*arguments: str) -> int:
        # No fork of a process that has imported everything before.
        done = subprocess.run(
            [sys.executable, *arguments], cwd=project.root, env=project.environ(), capture_output=True, text=True
        )
        return int(done.stdout.partition("frozen: ")[2].split()[0])

    assert frozen("-m", "invoke", "migrate.status") > 20_000
    assert frozen("-c", "from fastman_tasks import Project; Project.open().migrator.status()") < 1_000
