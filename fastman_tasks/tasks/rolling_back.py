"""Roll back by the flags of migrate.rollback, or before database.migrate if the user agrees."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastman_tasks.tasks import console

if TYPE_CHECKING:
    from fastman_tasks.plans import Report
    from fastman_tasks.project import Project
    from fastman_tasks.tasks.changing import Run

#: The flags of ``database.migrate``, which ``migrate.run`` has too.
MIGRATE_HELP = {
    "to": "Stop at this revision: its id or its file's name, or a part of either.",
    "seed": "Run the seeders afterwards.",
}
ACCEPT_EMPTY = "Roll back past migrations whose downgrade() is empty; what they did is not undone."
HELP = {
    "steps": "How many of the newest applied migrations to roll back (default 1).",
    "to": "Roll back everything but this revision and its ancestors.",
    "batch": "Roll back what the last run has applied, or run N (see migrate.history --runs).",
    "phantoms": "Roll back what other branches have left: migrations that are applied and have no file here.",
    "accept-empty": ACCEPT_EMPTY,
}


def roll_back(run: Run, steps: int | None, phantoms: bool, accept_empty: bool, **flags: Any) -> None:
    """Roll back the ``phantoms``, or what ``steps`` and the other ``flags`` say."""
    from fastman_tasks import actions
    from fastman_tasks.actions.rollback import require_one_of

    if phantoms:
        require_one_of(steps=steps, **flags, phantoms=phantoms)
        run(actions.rollback_phantoms, accept_empty=accept_empty)
        return
    run.compare(run(actions.rollback, steps=steps, accept_empty=accept_empty, **flags), steps)


def migrate(run: Run, **flags: Any) -> None:
    """Apply what is pending; phantoms that are in the way are offered to be rolled back first."""
    from fastman_tasks import actions

    run(_offering(actions.migrate, json=run.json), **flags)


def _offering(migrate: Callable[..., Report], *, json: bool) -> Callable[..., Report]:
    """Returns ``migrate``, which offers to roll back the phantoms that are in its way first. It only asks: no flag
    agrees to that. It raises RevisionsMissing if there is no terminal to ask on, or stdout is for ``json`` alone."""

    @functools.wraps(migrate)
    def offer(project: Project, **options: Any) -> Report:
        from fastman_tasks.errors import RevisionsMissing

        try:
            return migrate(project, **options)
        except RevisionsMissing as error:
            is_possible = error.next is not None and error.next.task == "migrate.rollback"
            if json or options["preview"] or not is_possible or not console.can_ask():
                raise
        # It is the reporter's.
        options["observer"].header()
        _roll_back_phantoms_first(project)
        return migrate(project, **options)

    return offer


def _roll_back_phantoms_first(project: Project) -> None:
    from fastman_tasks import actions
    from fastman_tasks.tasks import prompt, reporter

    console.line("These migrations are applied, and no file here has them. They have to be rolled back first:")
    console.line()
    lines = reporter.Lines(project, has_header=True)
    consent = prompt.consent(force=False, confirm=None, json=False, header=lines.header)
    try:
        report = actions.rollback_phantoms(project, consent=consent, observer=lines)
    finally:
        lines.stop()
    lines.end(report, shows_sql=False)
    console.line()
