"""Write new migrations and seeders."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from invoke import Exit

from fastman_tasks.tasks import console, json_report, prompt, views
from fastman_tasks.tasks.boundary import project_task
from fastman_tasks.tasks.spelling import spell
from fastman_tasks.tasks.startup import import_libraries, seldom_collecting

if TYPE_CHECKING:
    from fastman_tasks.making.decisions import Decisions
    from fastman_tasks.making.hook import HookDraft
    from fastman_tasks.making.migration import Draft
    from fastman_tasks.making.request import Request
    from fastman_tasks.plans import Report
    from fastman_tasks.project import Project


@project_task(
    help={
        "message": 'What the migration does: "create users table".',
        "empty": "Write a skeleton; do not compare models and database.",
        "data": "Write a skeleton that changes rows in batches, those of --table=TABLE.",
        "create": "Write a skeleton that creates this table.",
        "table": "Write a skeleton that changes this table.",
        "allow-drops": "Let the migration drop tables and columns.",
        "baseline": "Write the migration that creates the tables that are there already; mark it as applied here.",
        "scratch": "Compare with the migrations, replayed in a scratch database, instead of with the database.",
        "check": "Write nothing; exit with code 3 when a migration is missing. Needs no message.",
        "rename": "What was renamed: users.name:full_name, users:people; several by commas, or the flag again.",
        "no-renames": "What is dropped and what is added have nothing to do with each other.",
        "backfill": "What existing rows get in a column that becomes required: VALUE, or column=VALUE for each.",
        "pretend": "Print what would be written; write nothing.",
        "force": "Skip confirmation, even in production; --baseline asks there.",
        "json": "Print JSON.",
    },
    instead={"check": "message"},
)
def migration(
    project: Project,
    message: str,
    empty: bool = False,
    data: bool = False,
    create: str | None = None,
    table: str | None = None,
    allow_drops: bool = False,
    baseline: bool = False,
    scratch: bool = False,
    check: bool = False,
    rename: tuple[str, ...] = (),
    no_renames: bool = False,
    backfill: list[str] | None = None,
    pretend: bool = False,
    force: bool = False,
    json: bool = False,
) -> None:
    """Write a migration from the models, or from the message."""
    from fastman_tasks.actions import replay
    from fastman_tasks.errors import Command, ModelsFailed
    from fastman_tasks.making.decisions import Decisions, require_pairs
    from fastman_tasks.making.request import Request

    import_libraries(project)
    values = tuple(backfill or ())
    decisions = Decisions(
        require_pairs(rename),
        no_renames=no_renames,
        allow_drops=allow_drops,
        backfill=values,
        typed=Command("make.migration", (message,), (("scratch", scratch), ("pretend", pretend), ("json", json))),
    )
    request = Request.of(
        message, empty=empty, data=data, baseline=baseline, check=check, create=create, table=table,
        scratch=scratch, decided=decisions.flags,
    )  # fmt: skip
    if not json:
        console.line("The migrations, replayed in a scratch database" if scratch else project.label)
        console.line()
    with (
        seldom_collecting(),
        console.reserve_stdout(json),
        replay.full(project) if scratch else nullcontext(project) as compared,
    ):
        drafted = _write(compared, request, decisions, pretend, force, json)
        report = _report(project, drafted, None if scratch else project.display_url) if json else None
    if check and not drafted.tables:
        raise ModelsFailed(f"{views.no_models(drafted)}, so there is nothing to compare.")
    if report is not None:
        console.print_json(json_report.report_value(project, report, report.command, None))
    elif not check:
        views.draft(drafted, project.root, pretend)
    if check:
        _check(drafted, json)


def _write(project: Project, request: Request, decisions: Decisions, pretend: bool, force: bool, json: bool) -> Draft:
    def draft(decisions: Decisions) -> Draft:
        return project.migration_writer.write(request, decisions=decisions, pretend=pretend)

    if not request.baseline or pretend:
        return prompt.decide(draft, decisions, json=json)
    from fastman_tasks.actions.baseline import baseline
    from fastman_tasks.tasks.reporter import Lines

    lines = Lines(project, has_header=True)
    consent = prompt.consent(force=force, confirm=None, json=json, header=lines.header)
    return baseline(project, request.message, lambda: draft(decisions), consent=consent, observer=lines)


def _report(project: Project, draft: Draft, database: str | None) -> Report:
    from fastman_tasks.plans import Report, Step, StepResult

    steps = [StepResult(Step("write", file.stem, file), "done") for file in draft.environment]
    if draft.file or draft.changes:
        changes = "; ".join(change.text for change in draft.changes)
        name = draft.file.stem if draft.file else ""
        steps.append(StepResult(Step("write", name, draft.file), "done" if draft.file else "planned", note=changes))
    return Report("make.migration", database, project.settings.environment, tuple(steps))


def _check(draft: Draft, json: bool) -> None:
    if not json:
        views.changes(draft.changes)
        views.uncovered(draft)
    missing = spell('A migration is missing: inv make.migration "…"')
    if draft.said.open:
        raise Exit(f"{draft.said.open}\n{missing}", code=3)
    if draft.changes:
        raise Exit(missing, code=3)
    if draft.said.uncovered:
        by_hand = 'A migration is missing, to be written by hand: inv make.migration "…" --empty'
        raise Exit(spell(by_hand), code=3)
    if not json:
        console.line("No difference between models and database.")


@project_task(
    help={
        "name": "What it seeds: user, User, UserSeeder and user_seeder are the same; database calls the others.",
        "model": "The model or table to make sample rows for (by default the one of that name).",
        "pretend": "Print what would be written; write nothing.",
        "json": "Print JSON.",
    },
)
def seeder(project: Project, name: str, model: str | None = None, pretend: bool = False, json: bool = False) -> None:
    """Write a seeder, with sample rows where there is a model or a table."""
    from fastman_tasks.making.seeder import SeederWriter
    from fastman_tasks.plans import Report, Step, StepResult, StepState

    with console.reserve_stdout(json):
        writer = SeederWriter(project.settings, lambda: project.environment)
        draft = writer.write(name, model=model, pretend=pretend)
        # Which database it is, env.py may be asked.
        database = project.display_url if json else ""
    if not json:
        views.seeder_draft(draft, project.root, pretend)
        return
    state: StepState = "planned" if pretend else "done"
    step = StepResult(Step("write", draft.file.stem, draft.file), state, note="; ".join(draft.notes))
    report = Report("make.seeder", database, project.settings.environment, (step,))
    console.print_json(json_report.report_value(project, report, report.command, None))


@project_task(help={"pretend": "Print the hook; write nothing.", "json": "Print JSON."})
def hook(project: Project, pretend: bool = False, json: bool = False) -> None:
    """Write a git hook that tells, after a switch of branches, of migrations that the other branch has left applied.

    inv make.hook
    """
    from fastman_tasks.making import hook
    from fastman_tasks.plans import Report, Step, StepResult, StepState

    draft = hook.write(project.root, Path(sys.executable), pretend=pretend)
    if not json:
        _show_hook(draft, pretend)
        return
    state: StepState = "skipped" if not draft.is_new else "planned" if pretend else "done"
    step = StepResult(Step("write", draft.file.name, draft.file), state, note=draft.note)
    report = Report("make.hook", None, project.settings.environment, (step,))
    console.print_json(json_report.report_value(project, report, report.command, None))


def _show_hook(draft: HookDraft, pretend: bool) -> None:
    if not draft.is_new:
        console.line(f"{draft.file} is up to date.")
        return
    if pretend:
        console.lines(draft.text.rstrip())
        console.line("Nothing was written.")
        return
    console.line(f"Wrote {draft.file}")
    if draft.note:
        console.line(draft.note, style="yellow")
