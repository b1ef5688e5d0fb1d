"""Write new migrations: from the models where there are any, otherwise from the message."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData

from fastman_tasks.errors import MigrationRefused
from fastman_tasks.making import baseline, completion, ignored_tables
from fastman_tasks.making import environment as scaffolding
from fastman_tasks.making.changes import Change, describe, imports
from fastman_tasks.making.comparing import comparison
from fastman_tasks.making.completion import Completed
from fastman_tasks.making.decisions import Decisions
from fastman_tasks.making.enums.reflected import unescape_members
from fastman_tasks.making.message import Body, body, require_table
from fastman_tasks.making.new_revision import NewRevision
from fastman_tasks.making.request import Request
from fastman_tasks.making.schemas import Schemas
from fastman_tasks.migrating import config, hidden_history, target_metadata
from fastman_tasks.migrating.environment import Environment
from fastman_tasks.migrating.heads import describe_heads
from fastman_tasks.migrating.migrator import Migrator
from fastman_tasks.models import discovery as models
from fastman_tasks.names import Meaning
from fastman_tasks.settings import Settings
from fastman_tasks.sources import display_path
from fastman_tasks.text import pluralize


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


class MigrationWriter:
    """Writes new migrations of the project that ``settings`` are read from; ``environment`` opens the Alembic
    environment that a file configures, for None the project's own."""

    def __init__(self, settings: Settings, environment: Callable[[Path | None], Environment]) -> None:
        self._settings = settings
        self._environment = environment

    def write(
        self,
        request: Request,
        *,
        pretend: bool = False,
        decisions: Decisions | None = None,
    ) -> Draft:
        """Write the migration that is asked for by ``request``.

        With models, and unless it is for a skeleton, its body is the difference between models and database; otherwise
        it follows the message. A baseline is also marked as applied: the caller holds the migration lock.
        Raises ModelsFailed; MigrationRefused for pending migrations, for a difference that drops tables or columns
        or needs a value for rows where ``decisions`` do not say so, and for a baseline that does not fit the database;
        RenamesUndecided for a difference that ``decisions`` leave open.
        """
        decisions, pretend = decisions or Decisions(), pretend or request.check
        settings = self._settings
        own = Migrator(self._environment(None)) if config.find(settings) is not None else None
        # Models are imported before any file is written: a broken one must leave nothing behind.
        has_metadata = own is not None and not request.skeleton and own.state.has_metadata
        found = None if request.skeleton or has_metadata else models.load(settings.root, settings.models)
        with scaffolding.provide(settings, self._environment, pretend) as (environment, written):
            author = _Author(environment, own or Migrator(environment), request, decisions)
            author.refuse_several_heads()
            tables = 0
            if not request.skeleton and (found is None or found.tables or request.baseline):
                draft = author.from_models(found.metadata if found else None, pretend)
                tables = draft.tables or 0
            if not tables:
                draft = author.from_message(request.meaning, pretend)
            metadata = f"the target_metadata of {display_path(environment.file, settings.root)}"
        if request.skeleton:
            return replace(draft, environment=written)
        modules = tuple(module.__name__ for module in found.modules) if found else (metadata,)
        return replace(draft, environment=written, tables=tables, models=modules)


class _Author:
    """Fills one revision and writes it."""

    def __init__(self, environment: Environment, migrator: Migrator, request: Request, decisions: Decisions) -> None:
        self._environment = environment
        self._migrator = migrator
        self._request = request
        self._decisions = decisions
        self._completed = Completed()
        # Where new files belong, and what they may need, env.py says when it runs for the first time.
        self._graph = migrator.graph
        self._schemas: Schemas | None = None
        self._revision = NewRevision(environment, request.message, self._complete)

    def _complete(self, context: MigrationContext, script: ops.MigrationScript) -> None:
        if self._schemas is not None:
            self._completed = completion.complete(context, script, self._request, self._decisions, self._schemas)

    def refuse_several_heads(self) -> None:
        """Raises MigrationRefused where there are several heads to continue."""
        if len(self._graph.heads) > 1:
            otherwise = 'Or continue one of them with Alembic: alembic revision --head=REVISION -m "…"'
            applied = None if self._request.scratch else self._migrator.known_applied
            raise describe_heads(self._graph, self._environment.root, applied, otherwise)

    def from_message(self, meaning: Meaning | None, pretend: bool) -> Draft:
        """A skeleton; its body empty, with a note, where ``meaning`` does not fit the tables that exist."""
        filled = Body()
        pending = self._migrator.pending()
        if meaning and pending and meaning.kind != "create_table":
            filled = Body(note=f"{pluralize(len(pending), 'migration')} pending, so the tables are not known yet")
            meaning = Meaning("data", None) if meaning.kind == "data" else None

        def fill(heads: tuple[str, ...], context: MigrationContext) -> None:
            nonlocal filled
            if self._request.table and not pending:
                require_table(self._request.table, context)
            script = self._revision.script
            if meaning is not None and context.bind is not None and script is not None:
                filled = replace(found := body(meaning, context.bind), note=found.note or filled.note)
                script.upgrade_ops = ops.UpgradeOps(filled.upgrade)
                script.downgrade_ops = ops.DowngradeOps(filled.downgrade)
            # With its operations in place: env.py's process_revision_directives may change them.
            self._revision.alembic.run_no_autogenerate(heads, context)

        if meaning is not None or self._request.table or self._revision.needs_env_py:
            self._revision.run(fill, models=False)
        if self._revision.script is None:
            return Draft(None, (), None, (), "", "", "env.py (process_revision_directives) wants no such file")
        return self._finish(pretend, tables=None, note=filled.note)

    def from_models(self, metadata: Sequence[MetaData] | None, pretend: bool) -> Draft:
        """The difference between the models and the database; ``metadata`` serves where env.py names none."""
        if self._request.baseline:
            baseline.require_first(self._graph.revisions)
        self._refuse_pending()
        tables, limits = 0, list[str]()

        def compare(heads: tuple[str, ...], context: MigrationContext) -> None:
            nonlocal tables
            if context.opts.get("target_metadata") is None:
                context.opts["target_metadata"] = metadata
            ignored_tables.narrow(context.opts, context.bind, self._environment.settings.ignore_tables)
            hidden_history.hide(context.opts, context.bind)
            tables = sum(len(each.tables) for each in target_metadata.as_list(context.opts["target_metadata"]))
            if not tables:
                baseline.require([], wanted=self._request.baseline)
                return
            self._schemas = Schemas(context, [revision.file for revision in self._graph.revisions])
            self._schemas.include()
            with (
                models.complete_tables(self._environment.settings.models),
                unescape_members(context.dialect),
                comparison.catch_warnings() as warnings,
            ):
                if self._request.baseline or not self._graph.revisions:
                    baseline.require(baseline.existing_tables(context), wanted=self._request.baseline)
                self._revision.alembic.run_autogenerate(heads, context)
            limits.extend(warnings)

        self._revision.run(compare, models=True)
        script = self._revision.script
        changes = describe(script.upgrade_ops) if script else ()
        self._completed.limits += limits
        if script is None or not changes or self._request.check:
            return Draft(None, (), tables, changes, "", "", said=self._completed)
        if not self._request.baseline:
            self._refuse_open(changes, script.upgrade_ops)
        # Not in place: a script without imports of its own has the set that is the parameter's default.
        script.imports = script.imports | imports(script.upgrade_ops) | imports(script.downgrade_ops)
        draft = self._finish(pretend, tables=tables, changes=changes)
        if not self._request.baseline or draft.file is None:
            return draft
        baseline.stamp(self._environment, str(script.rev_id), draft.file)
        return replace(draft, is_applied=True)

    def _refuse_pending(self) -> None:
        pending = self._migrator.pending()
        if pending:
            names = "\n".join(f"  {revision.name}" for revision in pending)
            raise MigrationRefused(
                f"{pluralize(len(pending), 'migration')} pending, so the database cannot be compared with the models:\n"
                f"{names}\nNothing was written. First: inv database.migrate"
            )

    def _refuse_open(self, changes: Sequence[Change], upgrade: ops.UpgradeOps | None) -> None:
        questions = self._completed.questions
        if drops := [f"  {change.text}" for change in changes if change.is_drop]:
            questions.ask_drops([
                "In the database but not in the models:",
                *drops,
                "If it is to be dropped, with the data in it: --allow-drops. If not, a model is missing "
                "(FASTMAN_MODELS names the modules that are imported), or it was renamed (--rename=old:new).",
                *ignored_tables.way_out(upgrade, self._environment.settings.ignore_tables),
            ])  # fmt: skip
        if questions.is_open:
            raise questions.refusal()

    def _finish(
        self, pretend: bool, *, tables: int | None, changes: tuple[Change, ...] = (), note: str | None = None
    ) -> Draft:
        upgrade, downgrade = self._revision.bodies()
        file = None if pretend else self._revision.write(self._graph.revisions)
        return Draft(file, (), tables, changes, upgrade, downgrade, note, self._completed)
