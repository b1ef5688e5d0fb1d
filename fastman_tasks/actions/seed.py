"""Run the seeders."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from fastman_tasks.actions.carry_out import Action, carry_out
from fastman_tasks.consent import Consent, Risk, level_to_change, refuse
from fastman_tasks.errors import Command, SeederFailed, SeedingRefused, UsageError
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
    """Run the seeders of ``project``, or ``only`` those named ("UserSeeder", "user", several separated by commas) and
    their dependencies. Returns a Report.

    ``commit_each`` commits after each seeder. ``random_seed`` makes random, Faker and polyfactory generate the same
    data in every run. With ``preview`` the seeders run, and everything is rolled back. ``consent`` is needed on a
    protected database. Raises UsageError for an unknown name, SeedingRefused if migrations are pending, and
    SeederFailed, with file, line and the database's message; all changes are then rolled back.
    """
    if preview and commit_each:
        raise UsageError("--pretend and --commit-each are mutually exclusive.")
    seeding = Seeding(project, only, preview=preview, commit_each=commit_each, random_seed=random_seed)
    flags = (("class", only), ("commit_each", commit_each), ("random_seed", random_seed))

    def ask(risk: Risk) -> None:
        if risk.level != "none":
            # Checked again under the lock; here it saves a question that would be of no use.
            seeding.require_migrated()
        consent(risk)

    return carry_out(
        Action(
            project,
            Command("database.seed", flags=flags),
            lambda: Plan(seeding.plan()),
            lambda _plan, *under_lock: seeding.run(*under_lock),
            level=lambda _plan: level_to_change(project.settings, project.database),
            question=lambda plan: f"Run {pluralize(len(plan.steps), 'seeder')}",
            preview=preview,
        ),
        ask,
        observer or Observer(),
    )


class Seeding:
    """One run of seeders: they are selected when it is planned, and run under the lock. See ``seed``."""

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

    def run(self, observer: Observer, confirm: Callable[[str], None]) -> tuple[StepResult, ...]:
        """Run them and return their results. The caller holds the lock, as ``confirm`` confirms."""
        self.require_migrated()
        return self._project.seeders.run(self._selected, self._project.database, self._options, observer, confirm)

    def run_after_migrating(self, observer: Observer, confirm: Callable[[str], None]) -> tuple[StepResult, ...]:
        """``run``, whose failure leaves the migrations applied, and says so."""
        try:
            return self.run(observer, confirm)
        except SeederFailed as error:
            failure = SeederFailed(f"{error}\nThe migrations stay applied.", next=Command("database.seed"))
            failure.report = error.report
            raise failure from error

    def require_migrated(self, planned: Collection[str] = ()) -> None:
        """Raises SeedingRefused if there are pending migrations other than the ``planned`` ones."""
        project = self._project
        if project.has_environment:
            pending = [revision for revision in project.migrator.pending() if revision.id not in planned]
            if pending:
                names = "".join(f"\n  {revision.name}" for revision in pending)
                raise SeedingRefused(
                    f"These migrations are pending, so nothing was seeded:{names}\n"
                    "Run inv database.migrate first, or do both: inv database.migrate --seed"
                )
        if not planned and not project.database.exists:
            raise SeedingRefused(f"{project.display_url} does not exist yet. Run inv database.migrate first.")
