"""Give a project its Alembic environment: the files that the first migration brings along."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.util import cache_from_source
from pathlib import Path

from fastman_tasks.errors import FileNotWritten
from fastman_tasks.making import files
from fastman_tasks.migrating import config, stamping
from fastman_tasks.migrating.environment import Environment
from fastman_tasks.settings import Settings

#: template -> file in the project
ENVIRONMENT = {
    "alembic.ini": "alembic.ini",
    "env.py": "database/migrations/env.py",
    "script.py": "database/migrations/script.py.mako",
}


def install(root: Path) -> tuple[Path, ...]:
    """Write the files to the project in ``root``, and return them. Raises FileNotWritten where one exists or cannot be
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
            written.append(files.copy(template, target))
    except FileNotWritten:
        remove(written, root)
        raise
    return tuple(written)


@contextmanager
def provide(
    settings: Settings, environment: Callable[[Path | None], Environment], pretend: bool
) -> Iterator[tuple[Environment, tuple[Path, ...]]]:
    """The project's Alembic environment for this block, and the files that were written because it had none.

    ``environment`` opens the one that a file configures, for None the project's own. With ``pretend`` the files are
    somewhere else, and gone afterwards; they are removed where the block raises an error, unless a revision may be
    recorded by then.
    """
    if config.find(settings) is not None:
        yield environment(None), ()
    elif pretend:
        with tempfile.TemporaryDirectory() as folder:
            install(Path(folder))
            yield environment(Path(folder) / "alembic.ini"), ()
    else:
        written = install(settings.root)
        try:
            yield environment(None), written
        except BaseException as error:
            # What the database may have recorded needs its files.
            if not stamping.may_be_recorded(error):
                remove(written, settings.root)
            raise


def remove(written: Iterable[Path], root: Path) -> None:
    """Remove the files, with the folders that were made for them, and what Python keeps of those it has run."""
    for file in written:
        bytecode = [Path(cache_from_source(str(file)))] if file.suffix == ".py" else []
        for path in (*bytecode, file):
            path.unlink(missing_ok=True)
            for folder in path.parents:
                if folder == root or not folder.is_dir() or any(folder.iterdir()):
                    break
                folder.rmdir()
