"""Give a project its Alembic environment: the files that the first migration brings along."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from fastman_tasks import skeletons
from fastman_tasks.errors import FileNotWritten

#: template -> file in the project
ENVIRONMENT = {
    "alembic.ini": "alembic.ini",
    "env.py": "database/migrations/env.py",
    "script.py": "database/migrations/script.py.mako",
}


def install(root: Path) -> tuple[Path, ...]:
    """Write the files to the project in ``root``; which they are. Raises FileNotWritten where one exists or cannot be
    written: then none is.
    """
    targets = {template: root / target for template, target in ENVIRONMENT.items()}
    for target in targets.values():
        if target.exists():
            raise FileNotWritten(
                f"{target.relative_to(root)} exists, but no alembic.ini that names it. "
                "Write the alembic.ini, or move the file away."
            )
    written: list[Path] = []
    try:
        for template, target in targets.items():
            written.append(skeletons.copy(template, target))
    except FileNotWritten:
        remove(written, root)
        raise
    return tuple(written)


def remove(written: Iterable[Path], root: Path) -> None:
    """Take the files back, with the folders that were made for them."""
    for file in written:
        file.unlink()
        for folder in file.parents:
            if folder == root or any(folder.iterdir()):
                break
            folder.rmdir()
