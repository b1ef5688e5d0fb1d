"""The environment that a first migration brings along is removed if that fails, unless it may be recorded."""

from __future__ import annotations

import pytest

from command import Sandbox
from fastman_tasks.errors import MigrationFailed
from fastman_tasks.making.environment import provide
from fastman_tasks.plans import Report, Step, StepResult, StepState
from services import opened


@pytest.mark.parametrize(("state", "stays"), [("failed", False), ("unknown", True), ("done", True)])
def test_it_stays_where_the_revision_may_be_recorded(project: Sandbox, state: StepState, stays: bool) -> None:
    failure = MigrationFailed("The outcome is unknown.")
    failure.report = Report("", None, None, (StepResult(Step("stamp", "1_m"), state),))
    with opened(project) as here:
        with pytest.raises(MigrationFailed), provide(here.settings, here.environment_of, False):
            raise failure
        assert (project.root / "alembic.ini").exists() is stays
        assert (project.root / "database/migrations/env.py").exists() is stays
