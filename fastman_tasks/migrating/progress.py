"""How far a run of migrations has come."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from fastman_tasks.migrating.sent import SentStatements
from fastman_tasks.plans import Plan, Step, StepResult


@dataclass
class Progress:
    """The progress of a run of ``plan``. ``sent`` is what the running step has sent. ``enclosed`` is whether env.py
    runs all migrations in one transaction: then none is applied until the run has finished. ``unflushed`` is whether
    something was committed that the server may not have on its disk yet. ``begins_first`` is whether the step that is
    tried again begins its transaction before it reads, on SQLite."""

    plan: Plan
    done: list[StepResult] = field(default_factory=list)
    running: Step | None = None
    started: float = 0.0
    enclosed: bool = False
    unflushed: bool = False
    begins_first: bool = False
    sent: SentStatements = field(default_factory=SentStatements)

    def find_lost(self, left: Collection[Step]) -> tuple[StepResult, ...]:
        """The steps that were reported as done and are ``left`` to do: a crash of the server has undone them."""
        reported = [] if self.enclosed else self.done
        return tuple(replace(result, state="rolled back") for result in reported if result.step in left)
