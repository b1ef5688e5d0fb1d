"""The flags of migrate.rollback, and which action they ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastman_tasks.tasks.changing import Run

ACCEPT_EMPTY = "Roll back past migrations whose downgrade() is empty; what they did is not undone."
HELP = {
    "steps": "How many of the newest applied migrations to roll back (default 1).",
    "to": "Roll back everything but this revision and its ancestors.",
    "batch": "Roll back what the last run has applied, or run N (see migrate.history --runs).",
    "accept-empty": ACCEPT_EMPTY,
}


def roll_back(run: Run, steps: int | None, **flags: Any) -> None:
    """Roll back what ``steps`` and the other ``flags`` say."""
    from fastman_tasks import actions

    run.compare(run(actions.rollback, steps=steps, **flags), steps)
