"""Write new migrations: from the models where there are any, otherwise from the message."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic.autogenerate import RevisionContext
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from alembic.util import asbool
from sqlalchemy import MetaData

from fastman_tasks import names
from fastman_tasks.errors import FileNotWritten, MigrationRefused
from fastman_tasks.making import baseline, completion, ignored_tables, rendering, request
from fastman_tasks.making import environment as scaffolding
from fastman_tasks.making.changes import Change, described, imports
from fastman_tasks.making.comparing import comparison
from fastman_tasks.making.completion import Completed
from fastman_tasks.making.decisions import Decisions
from fastman_tasks.making.message import Body, body
from fastman_tasks.making.request import Asked
from fastman_tasks.making.schemas import Schemas
from fastman_tasks.migrating import target_metadata
from fastman_tasks.migrating.environment import Environment
from fastman_tasks.migrating.migrator import Migrator
from fastman_tasks.models import discovery as models
from fastman_tasks.revisions.graph import Revision
from fastman_tasks.sources import shown
from fastman_tasks.text import counted

if TYPE_CHECKING:
    from fastman_tasks.project import Project


@dataclass(frozen=True)
class Draft:
    """A new migration. ``file`` is None where none was written: no difference, or only pretended.

    ``environment`` are the files written because the project had no Alembic environment. ``tables`` is how many
    tables the models define, None where no models were looked at; ``models`` are the modules that were imported for
    them, or env.py's metadata. ``note`` says why a body is empty; ``said`` is what else there is to say of it. A
    baseline that was written ``is_applied``.
    """

    file: Path | None
    environment: tuple[Path, ...]
    tables: int | None
    changes: tuple[Change, ...]
    upgrade: str
    downgrade: str
    note: str | None = None
    said: Completed = field(default_factory=Completed)
    models: tuple[str, ...] = ()
    is_applied: bool = False


class Drafting:
    """Writes new migrations of one project."""

    def __init__(self, project: Project) -> None:
        self._project = project

    asked = staticmethod(request.asked)

    def draft(
        self,
        asked: Asked,
        *,
        pretend: bool = False,
        decisions: Decisions | None = None,
    ) -> Draft:
        """Write the migration that was ``asked`` for.

        With models, and unless a skeleton was asked for, its body is the difference between models and database;
        otherwise it follows the message. A baseline is also marked as applied: whoever calls for one holds the lock.
        Raises ModelsFailed; MigrationRefused for pending migrations, for a difference that drops
        tables or columns where ``decisions`` do not allow it, and for a baseline that does not fit the database;
        RenamesUndecided for a difference that ``decisions`` leave open.
        """
        return self._draft(asked, decisions or Decisions(), pretend or asked.check)

    def _draft(self, asked: Asked, decisions: Decisions, pretend: bool) -> Draft:
        # Models are imported before any file is written: a broken one must leave nothing behind.
        found = None if asked.skeleton or self._has_own_metadata() else models.load(self._project.root, self._named)
        with scaffolding.environment(self._project, pretend) as (environment, written):
            author = _Author(environment, asked, decisions)
            author.refuse_forked()
            tables = 0
            if not asked.skeleton and (found is None or found.tables or asked.baseline):
                draft = author.from_models(found.metadata if found else None, pretend)
                tables = draft.tables or 0
            if not tables:
                draft = author.from_message(asked.meaning, pretend)
            own = f"the target_metadata of {shown(environment.file, self._project.root)}"
        if asked.skeleton:
            return replace(draft, environment=written)
        imported = tuple(module.__name__ for module in found.modules) if found else (own,)
        return replace(draft, environment=written, tables=tables, models=imported)

    @property
    def _named(self) -> tuple[str, ...]:
        return self._project.settings.models

    def _has_own_metadata(self) -> bool:
        return self._project.has_environment and self._project.migrator.state.has_metadata


class _Author:
    """Fills one revision and writes it, through Alembic's own revision machinery and the project's script.py.mako."""

    def __init__(self, environment: Environment, asked: Asked, decisions: Decisions) -> None:
        self._environment = environment
        self._asked = asked
        self._decisions = decisions
        self._completed = Completed()
        self._migrator = Migrator(environment)
        # Where new files belong, and what they may need, env.py says when it runs for the first time.
        self._history = self._migrator.history
        self._batch = False
        self._schemas: Schemas | None = None
        # Alembic's message goes between the docstring's quotes, and by its letters into the file's name.
        self._revision = RevisionContext(
            environment.config,
            environment.scripts,
            {
                "message": names.docstring(asked.message),
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
        if self._schemas is not None:
            self._completed = completion.complete(context, scripts[-1], self._asked, self._decisions, self._schemas)

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
            note = f"{counted(len(pending), 'migration')} pending, so the tables are not known yet"
            filled = Body(note=note)
            meaning = names.Meaning("data", None) if meaning.kind == "data" else None

        def fill(heads: tuple[str, ...], context: MigrationContext) -> tuple[()]:
            nonlocal filled
            self._batch = bool(context.opts["render_as_batch"])
            if meaning is not None and context.bind is not None:
                filled = replace(found := body(meaning, context.bind), note=found.note or filled.note)
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

    def from_models(self, found: Sequence[MetaData] | None, pretend: bool) -> Draft:
        """The difference between the models and the database; ``found`` serves where env.py names no metadata."""
        if self._asked.baseline:
            baseline.require_first(self._history.revisions)
        self._refuse_pending()
        tables, limits = 0, list[str]()

        def compare(heads: tuple[str, ...], context: MigrationContext) -> tuple[()]:
            nonlocal tables
            if context.opts.get("target_metadata") is None:
                context.opts["target_metadata"] = found
            ignored_tables.narrow(context.opts, context.bind, self._environment.settings.ignore_tables)
            tables = sum(len(each.tables) for each in target_metadata.as_list(context.opts["target_metadata"]))
            if not tables:
                baseline.require([], wanted=self._asked.baseline)
                return ()
            self._schemas = Schemas(context, [revision.file for revision in self._history.revisions])
            self._schemas.include()
            with comparison.warnings_caught() as said:
                if self._asked.baseline or not self._history.revisions:
                    baseline.require(baseline.existing_tables(context), wanted=self._asked.baseline)
                self._revision.run_autogenerate(heads, context)
            limits.extend(said)
            self._batch = bool(context.opts["render_as_batch"])
            return ()

        self._environment.run(compare, reading=True, models=True, **self._options)
        script = self._revision.generated_revisions[-1] if self._revision.generated_revisions else None
        changes = described(script.upgrade_ops) if script else ()
        self._completed.limits += limits
        if script is None or not changes or self._asked.check:
            return Draft(None, (), tables, changes, "", "", said=self._completed)
        drops = [change.text for change in changes if change.is_drop]
        if drops and not self._decisions.allow_drops and not self._asked.baseline:
            listed = "\n".join(f"  {drop}" for drop in drops)
            others = ignored_tables.way_out(script.upgrade_ops, self._environment.settings.ignore_tables)
            raise MigrationRefused(
                f"The database has what the models have not:\n{listed}\n"
                "Nothing was written. If it is to be dropped, with the data in it: --allow-drops. If not, a model is "
                "missing (FASTMAN_MODELS names the modules that are imported), or it was renamed (--rename=old:new)."
                f"{others}"
            )
        # Not in place: a script without imports of its own has the set that is the parameter's default.
        script.imports = script.imports | imports(script.upgrade_ops) | imports(script.downgrade_ops)
        draft = self._finish(pretend, tables=tables, changes=changes)
        if not self._asked.baseline or draft.file is None:
            return draft
        baseline.stamp(self._environment, str(script.rev_id), draft.file)
        return replace(draft, is_applied=True)

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
        upgrade = rendering.code(self._script.upgrade_ops, batch=self._batch)
        downgrade = rendering.code(self._script.downgrade_ops, batch=self._batch)
        file = None if pretend else self._write()
        return Draft(file, (), tables, changes, upgrade, downgrade, note, self._completed)

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


def _wait_for_a_new_second(revisions: Iterable[Revision]) -> None:
    # Files are named by the second: two in one would sort by their messages, or be one file.
    newest = max((revision.file.stat().st_mtime for revision in revisions), default=0.0)
    while int(newest) == int(time.time()):
        time.sleep(0.05)
