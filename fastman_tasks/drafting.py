"""Write new migrations: from the models where there are any, otherwise from the message."""

from __future__ import annotations

import ast
import tempfile
import textwrap
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic.autogenerate import RevisionContext, render_python_code
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from alembic.util import asbool
from sqlalchemy import MetaData
from sqlalchemy.exc import SAWarning, SQLAlchemyError

from fastman_tasks import models, names, scaffolding
from fastman_tasks.changes import Change, described, imports
from fastman_tasks.errors import FileNotWritten, MigrationRefused
from fastman_tasks.history import Revision
from fastman_tasks.making import constraints, expression_indexes, sqlite_rebuilds
from fastman_tasks.migrating.environment import Environment
from fastman_tasks.migrating.migrator import Migrator
from fastman_tasks.operations import Body, body
from fastman_tasks.wording import counted

if TYPE_CHECKING:
    from fastman_tasks.project import Project


@dataclass(frozen=True)
class Asked:
    """A migration that was asked for; ``skeleton`` where models and database are not to be compared."""

    message: str
    meaning: names.Meaning | None
    skeleton: bool


@dataclass(frozen=True)
class Draft:
    """A new migration. ``file`` is None where none was written: no difference, or only pretended.

    ``environment`` are the files written because the project had no Alembic environment. ``tables`` is how many
    tables the models define, None where no models were looked at. ``note`` says why a body is empty.
    """

    file: Path | None
    environment: tuple[Path, ...]
    tables: int | None
    changes: tuple[Change, ...]
    upgrade: str
    downgrade: str
    note: str | None = None


class Drafting:
    """Writes new migrations of one project."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def asked(self, message: str, *, empty: bool = False, create: str | None = None, table: str | None = None) -> Asked:
        """What was asked for, checked. Raises UsageError for a message or a table's name that cannot be one."""
        message = names.checked_message(message)
        meaning = names.meaning(
            message,
            create=names.checked_table(create, "create") if create else None,
            table=names.checked_table(table, "table") if table else None,
        )
        return Asked(message, meaning, skeleton=empty or bool(create or table))

    def draft(self, asked: Asked, *, allow_drops: bool = False, pretend: bool = False) -> Draft:
        """Write the migration that was ``asked`` for.

        With models, and unless a skeleton was asked for, its body is the difference between models and database;
        otherwise it follows the message. Raises ModelsFailed, and MigrationRefused for pending migrations and,
        without ``allow_drops``, for a difference that drops tables or columns.
        """
        # Models are imported before any file is written: a broken one must leave nothing behind.
        found = None if asked.skeleton or self._has_own_metadata() else models.load(self._project.root, self._named)
        with self._environment(pretend) as (environment, written):
            author = _Author(environment, asked.message)
            author.refuse_forked()
            if asked.skeleton or (found is not None and not found.tables):
                draft = author.from_message(asked.meaning, pretend)
            else:
                draft = author.from_models(found.metadata if found else None, allow_drops, pretend)
        return replace(draft, environment=written)

    @property
    def _named(self) -> tuple[str, ...]:
        return self._project.settings.models

    def _has_own_metadata(self) -> bool:
        return self._project.has_environment and self._project.migrator.state.has_metadata

    @contextmanager
    def _environment(self, pretend: bool) -> Iterator[tuple[Environment, tuple[Path, ...]]]:
        if self._project.has_environment:
            yield self._project.environment, ()
        elif pretend:
            with tempfile.TemporaryDirectory() as folder:
                scaffolding.install(Path(folder))
                yield Environment(self._project, Path(folder) / "alembic.ini"), ()
        else:
            written = scaffolding.install(self._project.root)
            try:
                yield self._project.environment, written
            except BaseException:
                scaffolding.remove(written, self._project.root)
                raise


class _Author:
    """Fills one revision and writes it, through Alembic's own revision machinery and the project's script.py.mako."""

    def __init__(self, environment: Environment, message: str) -> None:
        self._environment = environment
        self._migrator = Migrator(environment)
        # Where new files belong, and what they may need, env.py says when it runs for the first time.
        self._history = self._migrator.history
        self._batch = False
        self._comparing = False
        # Alembic's message goes between the docstring's quotes, and by its letters into the file's name.
        self._revision = RevisionContext(
            environment.config,
            environment.scripts,
            {
                "message": names.docstring(message),
                "autogenerate": False,
                "sql": False,
                "head": "head",
                "splice": False,
                "branch_label": None,
                "version_path": None,
                "rev_id": None,
                "depends_on": None,
            },
            # Before env.py's own process_revision_directives, which may leave out a migration that does nothing.
            process_revision_directives=self._complete,
        )

    def _complete(self, context: MigrationContext, _: object, scripts: list[ops.MigrationScript]) -> None:
        if self._comparing:
            assert scripts[-1].upgrade_ops is not None
            expression_indexes.add(context, scripts[-1].upgrade_ops)
            constraints.complete(context, scripts[-1])
            sqlite_rebuilds.keep(context, scripts[-1])

    def refuse_forked(self) -> None:
        """Raises MigrationRefused where there are several heads to continue."""
        if len(self._history.heads) > 1:
            raise MigrationRefused(
                f"{self._migrator.forked()}\nMerge them: alembic merge heads. Or continue one of them with Alembic: "
                'alembic revision --head=REVISION -m "…"'
            )

    @property
    def _script(self) -> ops.MigrationScript:
        return self._revision.generated_revisions[-1]

    def from_message(self, meaning: names.Meaning | None, pretend: bool) -> Draft:
        """A skeleton; its body empty, with a note, where ``meaning`` does not fit the tables that exist."""
        filled = Body()
        pending = self._migrator.pending()
        if meaning and pending and meaning.kind != "create_table":
            filled = Body(note=f"{counted(len(pending), 'migration')} pending, so the tables are not known yet")
            meaning = None

        def fill(heads: tuple[str, ...], context: MigrationContext) -> tuple[()]:
            nonlocal filled
            self._batch = bool(context.opts["render_as_batch"])
            if meaning is not None and context.bind is not None:
                filled = body(meaning, context.bind)
                self._script.upgrade_ops = ops.UpgradeOps(filled.upgrade)
                self._script.downgrade_ops = ops.DowngradeOps(filled.downgrade)
            # With its operations in place: env.py's process_revision_directives may change them.
            self._revision.run_no_autogenerate(heads, context)
            return ()

        if meaning is not None or asbool(self._environment.config.get_alembic_option("revision_environment")):
            self._environment.run(fill, reading=True, **self._options)
        if not self._revision.generated_revisions:
            return Draft(None, (), None, (), "", "", "env.py (process_revision_directives) wants no such file")
        return self._finish(pretend, tables=None, note=filled.note)

    def from_models(self, found: Sequence[MetaData] | None, allow_drops: bool, pretend: bool) -> Draft:
        """The difference between the models and the database; ``found`` serves where env.py names no metadata."""
        self._refuse_pending()
        tables = 0

        def compare(heads: tuple[str, ...], context: MigrationContext) -> tuple[()]:
            nonlocal tables
            if context.opts.get("target_metadata") is None:
                context.opts["target_metadata"] = found
            tables = _count(context.opts["target_metadata"])
            self._comparing = True
            with warnings.catch_warnings():
                # Tables that refer to each other are put into order afterwards.
                warnings.filterwarnings("ignore", "Cannot correctly sort tables", SAWarning)
                # Indexes of expressions are compared afterwards, too.
                warnings.filterwarnings("ignore", "autogenerate skipping metadata-specified expression-based index")
                warnings.filterwarnings("ignore", "Skipped unsupported reflection of expression-based index", SAWarning)
                self._revision.run_autogenerate(heads, context)
            self._batch = bool(context.opts["render_as_batch"])
            return ()

        self._environment.run(compare, reading=True, models=True, **self._options)
        script = self._revision.generated_revisions[-1] if self._revision.generated_revisions else None
        changes = described(script.upgrade_ops) if script else ()
        if script is None or not changes:
            return Draft(None, (), tables, (), "", "")
        drops = [change.text for change in changes if change.is_drop]
        if drops and not allow_drops:
            listed = "\n".join(f"  {drop}" for drop in drops)
            raise MigrationRefused(
                f"The database has what the models have not:\n{listed}\n"
                "Nothing was written. If it is to be dropped, with the data in it: --allow-drops. If not, a model is "
                "missing or was renamed (FASTMAN_MODELS names the modules that are imported)."
            )
        script.imports.update(imports(script.upgrade_ops) | imports(script.downgrade_ops))
        return self._finish(pretend, tables=tables, changes=changes)

    @property
    def _options(self) -> dict[str, Any]:
        return {"template_args": self._revision.template_args, "revision_context": self._revision}

    def _refuse_pending(self) -> None:
        pending = self._migrator.pending()
        if pending:
            listed = "\n".join(f"  {revision.name}" for revision in pending)
            raise MigrationRefused(
                f"{counted(len(pending), 'migration')} pending, so the database cannot be compared with the models:\n"
                f"{listed}\nNothing was written. First: inv database.migrate"
            )

    def _finish(
        self, pretend: bool, *, tables: int | None, changes: tuple[Change, ...] = (), note: str | None = None
    ) -> Draft:
        upgrade = self._code(self._script.upgrade_ops)
        downgrade = self._code(self._script.downgrade_ops)
        file = None if pretend else self._write()
        return Draft(file, (), tables, changes, upgrade, downgrade, note)

    def _code(self, operations: ops.UpgradeOps | ops.DowngradeOps | None) -> str:
        if operations is None or operations.is_empty():
            return "pass"
        try:
            code = render_python_code(operations, render_as_batch=self._batch)
            # What Alembic does not know it writes as its repr, such as <object at 0x…>.
            ast.parse(textwrap.dedent(f"    {code}"))
        except (SQLAlchemyError, NotImplementedError, SyntaxError) as error:
            text = error.text if isinstance(error, SyntaxError) else None
            raise MigrationRefused(
                f"Part of the difference cannot be written as a migration: {(text or str(error)).strip()}\n"
                "Nothing was written. Write it by hand: add --empty."
            ) from error
        return code

    def _write(self) -> Path:
        _wait_for_a_new_second(self._history.revisions)
        with self._environment.errors():
            try:
                # Older Alembic does not make it, and git does not keep an empty one.
                Path(self._environment.scripts.versions).mkdir(exist_ok=True)
                written = [script for script in self._revision.generate_scripts() if script is not None]
            except OSError as error:
                raise FileNotWritten(f"{error.filename} cannot be written: {error.strerror}.") from error
        return Path(written[-1].path)


def _count(metadata: MetaData | Sequence[MetaData]) -> int:
    return sum(len(each.tables) for each in ([metadata] if isinstance(metadata, MetaData) else metadata))


def _wait_for_a_new_second(revisions: Iterable[Revision]) -> None:
    # Files are named by the second: two in one would sort by their messages, or be one file.
    newest = max((revision.file.stat().st_mtime for revision in revisions), default=0.0)
    while int(newest) == int(time.time()):
        time.sleep(0.05)
