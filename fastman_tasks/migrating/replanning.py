"""Plan again, under the lock: another process may have migrated in the meantime."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from fastman_tasks.errors import MigrationRefused
from fastman_tasks.migrating.migrator import Migrator
from fastman_tasks.plans import Plan


def replan(migrator: Migrator, plan: Plan, heads: Collection[str]) -> Plan:
    """Returns the migrations of ``plan`` that remain if the database now records ``heads``.

    Raises MigrationRefused where a rollback would no longer be of what was asked about, or what the plan builds on was
    rolled back, and as ``plan_migrate``.
    """
    assert plan.state is not None
    if set(heads) == set(plan.state.heads):
        return plan
    applied = migrator.applied_by(heads)
    builds_on = migrator.graph.with_ancestors(plan.state.heads)
    if any(step.action == "roll back" for step in plan.steps) or not builds_on <= applied:
        raise MigrationRefused("Another process migrated this database in the meantime. Run the command again.")
    left = tuple(step for step in plan.steps if step.id not in applied)
    uncounted = plan.uncounted
    if uncounted is not None:
        from fastman_tasks.migrating import losses

        # What the others have made is no longer what this run makes and drops again.
        uncounted = losses.find(left, plan.state.url.get_dialect().name)
    return replace(plan, steps=left, state=replace(plan.state, heads=tuple(heads)), uncounted=uncounted)
