"""One new revision and its file, through Alembic's own machinery and the project's script.py.mako."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from alembic import util
from alembic.autogenerate import RevisionContext
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from alembic.util import asbool

from fastman_tasks import names
from fastman_tasks.errors import FileNotWritten
from fastman_tasks.making import rendering
from fastman_tasks.making.files import written_beside
from fastman_tasks.migrating.environment import Environment
from fastman_tasks.revisions.graph import Revision


class NewRevision:
    """A revision after ``parents``, by default the newest one of ``environment``; ``message`` names its file.

    ``complete`` is called with what is to be written, before env.py's own process_revision_directives, which may leave
    out a migration that does nothing.
    """

    def __init__(
        self,
        environment: Environment,
        message: str,
        complete: Callable[[MigrationContext, ops.MigrationScript], None] = lambda context, script: None,
        parents: Sequence[str] = ("head",),
    ) -> None:
        self._environment = environment
        self._batch = False
        #: What Alembic's own command works with.
        self.alembic = RevisionContext(
            environment.config,
            environment.scripts,
            {
                # It goes between the docstring's quotes, and by its letters into the file's name.
                "message": names.escape_docstring(message),
                "autogenerate": False,
                "sql": False,
                "head": list(parents),
                "splice": False,
                "branch_label": None,
                "version_path": None,
                "rev_id": None,
                "depends_on": None,
            },
            process_revision_directives=lambda context, _, scripts: complete(context, scripts[-1]),
        )

    @property
    def script(self) -> ops.MigrationScript | None:
        """What is to be written; None where env.py wants no file."""
        return self.alembic.generated_revisions[-1] if self.alembic.generated_revisions else None

    @property
    def needs_env_py(self) -> bool:
        """Whether env.py has to run for a skeleton, too."""
        return asbool(self._environment.config.get_alembic_option("revision_environment"))

    def run(self, fill: Callable[[tuple[str, ...], MigrationContext], None], *, models: bool) -> None:
        """Run env.py and have ``fill`` called with the database's heads and Alembic's context; with ``models``, env.py
        imports them. See ``Environment.run`` for the errors."""

        def steps(heads: tuple[str, ...], context: MigrationContext) -> tuple[()]:
            self._batch = bool(context.opts["render_as_batch"])
            fill(heads, context)
            return ()

        alembic = self.alembic
        self._environment.run(
            steps, reading=True, models=models, template_args=alembic.template_args, revision_context=alembic
        )

    def bodies(self) -> tuple[str, str]:
        """The code of ``upgrade()`` and of ``downgrade()``. Raises MigrationRefused for what cannot be written down."""
        assert self.script is not None
        upgrade, downgrade = self.script.upgrade_ops, self.script.downgrade_ops
        return rendering.code(upgrade, batch=self._batch), rendering.code(downgrade, batch=self._batch)

    def write(self, others: Iterable[Revision]) -> Path:
        """Write the file, which sorts after those of the ``others``. Raises FileNotWritten."""
        _wait_for_a_new_second(others)
        with self._environment.errors(), ExitStack() as stack:
            folder = Path(self._environment.scripts.versions)
            try:
                if not folder.exists():
                    # Older Alembic does not make it, and git does not keep an empty one.
                    folder.mkdir()
                    stack.callback(_remove_empty, folder)
                with _written_as_a_whole():
                    scripts = [script for script in self.alembic.generate_scripts() if script is not None]
            except OSError as error:
                raise FileNotWritten(f"{error.filename} cannot be written: {error.strerror}.") from error
        return Path(scripts[-1].path)


@contextmanager
def _written_as_a_whole() -> Iterator[None]:
    """Have Alembic write its files beside where they belong in this block, and rename them."""
    original = util.template_to_file

    def write(template_file: Any, dest: Any, *arguments: Any, **options: Any) -> None:
        with written_beside(Path(dest)) as temporary:
            original(template_file, temporary, *arguments, **options)

    util.template_to_file = write
    try:
        yield
    finally:
        util.template_to_file = original


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def _wait_for_a_new_second(revisions: Iterable[Revision]) -> None:
    # Files are named by the second: two in one would sort by their messages, or be one file.
    newest = max((revision.file.stat().st_mtime for revision in revisions), default=0.0)
    while int(newest) == int(time.time()):
        time.sleep(0.05)
