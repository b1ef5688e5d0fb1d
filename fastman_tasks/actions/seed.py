"""Run the seeders."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from fastman_tasks.actions.carry_out import Action, carry_out
from fastman_tasks.consent import Consent, Risk, level_to_change, refuse
from fastman_tasks.errors import Command, SeedingRefused, UsageError
from fastman_tasks.plans import Observer, Plan, Report, Step, StepResult
from fastman_tasks.project import Project
from fastman_tasks.text import pluralize

if TYPE_CHECKING:
    from fastman_tasks.seeding.discovery import Seeder


def seed(
    project: Project,
    *,
    only: str | None = None,
    commit_each: bool = False,
    random_seed: int | None = None,
    preview: bool = False,
    consent: Consent = refuse,
    observer: Observer | None = None,
) -> Report:
    """Run the seeders of ``project``; ``only`` those that it names ("UserSeeder", "user", several by commas) and what
    they depend on.

    ``commit_each`` keeps each seeder that has finished, whatever happens to the next; ``random_seed`` makes what
    random, Faker and polyfactory draw the same in every run. With ``preview`` they are run, and everything is rolled
    back. ``consent`` is needed on a protected database. Raises UsageError for an unknown name; SeedingRefused where
    migrations are pending; SeederFailed, with file, line and the database's message: all changes are then rolled back.
    """
    if preview and commit_each:
        raise UsageError("--pretend and --commit-each are mutually exclusive.")
    seeding = Seeding(project, only, preview=preview, commit_each=commit_each, random_seed=random_seed)
    flags = (("class", only), ("commit_each", commit_each), ("random_seed", random_seed))

    def ask(risk: Risk) -> None:
        if risk.level != "none":
            # Under the lock it is looked at again; nobody is to answer in vain.
            seeding.require_migrated()
        consent(risk)

    return carry_out(
        Action(
            project,
            Command("database.seed", flags=flags),
            lambda: Plan(seeding.plan()),
            lambda _plan, observer: seeding.run(observer),
            level=lambda _plan: level_to_change(project.settings, project.database),
            question=lambda plan: f"Run {pluralize(len(plan.steps), 'seeder')}",
            preview=preview,
        ),
        ask,
        observer or Observer(),
    )


class Seeding:
    """One run of seeders: selected when it is planned, run under the lock. See ``seed``."""

    def __init__(
        self,
        project: Project,
        only: str | None = None,
        *,
        preview: bool = False,
        commit_each: bool = False,
        random_seed: int | None = None,
    ) -> None:
        from fastman_tasks.seeding.run import Options

        self._project = project
        self._only = only
        self._options = Options(preview, commit_each, random_seed)
        self._selected: tuple[Seeder, ...] = ()

    def plan(self) -> tuple[Step, ...]:
        """The seeders to run."""
        self._selected = self._project.seeders.select(self._only, self._project.database, self._options)
        return tuple(seeder.step for seeder in self._selected)

    def run(self, observer: Observer) -> tuple[StepResult, ...]:
        """Run them. Whoever calls it holds the lock."""
        self.require_migrated()
        return self._project.seeders.run(self._selected, self._project.database, self._options, observer)

    def require_migrated(self, planned: Collection[str] = ()) -> None:
        """Raises SeedingRefused where migrations are pending that are not ``planned`` either."""
        project = self._project
        if project.has_environment:
            pending = [revision for revision in project.migrator.pending() if revision.id not in planned]
            if pending:
                names = "".join(f"\n  {revision.name}" for revision in pending)
                raise SeedingRefused(
                    f"These migrations are pending, so nothing was seeded:{names}\n"
                    "First: inv database.migrate. Or both at once: inv database.migrate --seed"
                )
        if not planned and not project.database.exists:
            raise SeedingRefused(f"{project.display_url} does not exist yet. First: inv database.migrate")
