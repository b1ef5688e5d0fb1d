"""Run the seeders."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from typing import TYPE_CHECKING

from fastman_tasks.actions.carry_out import Action, carry_out
from fastman_tasks.consent import Consent, Risk, level_to_change, refuse
from fastman_tasks.errors import Command, FastmanError, SeederFailed, SeedingRefused, UsageError
from fastman_tasks.plans import Observer, Plan, Report, State, Step, StepResult
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
    again: bool = False,
    preview: bool = False,
    consent: Consent = refuse,
    observer: Observer | None = None,
) -> Report:
    """Run the seeders of ``project``, or ``only`` those named ("UserSeeder", "user", several separated by commas) and
    their dependencies. Returns a Report.

    ``commit_each`` commits after each seeder. ``random_seed`` makes random, Faker and polyfactory generate the same
    data in every run. ``again`` also runs those that have run ``once``; with ``only``, of those only what is named.
    With ``preview`` the seeders run, and everything is rolled back. ``consent`` is needed on a
    protected database. Raises UsageError for an unknown name, SeedingRefused if migrations are pending, and
    SeederFailed, with file, line and the database's message; all changes are then rolled back.
    """
    if preview and commit_each:
        raise UsageError("--pretend and --commit-each are mutually exclusive.")
    seeding = Seeding(project, only, preview=preview, commit_each=commit_each, random_seed=random_seed, again=again)
    flags = (("class", only), ("commit_each", commit_each), ("random_seed", random_seed), ("again", again))

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
        again: bool = False,
    ) -> None:
        from fastman_tasks.seeding.options import Options

        self._project = project
        self._options = Options(only, preview, commit_each, random_seed, again)
        self._selected: tuple[Seeder, ...] = ()

    def plan(self) -> tuple[Step, ...]:
        """The seeders to run."""
        self._selected = self._project.seeders.select(self._project.database, self._options)
        return tuple(seeder.step for seeder in self._selected)

    def run(self, observer: Observer, confirm: Callable[[str], None]) -> tuple[StepResult, ...]:
        """Run them and return their results. The caller holds the lock, as ``confirm`` confirms."""
        self.require_migrated()
        project = self._project
        state = find_state(project)
        return project.seeders.run(self._selected, project.database, state, self._options, observer, confirm)

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


def find_skipped(project: Project, only: str | None = None, *, again: bool = False) -> dict[str, StepResult]:
    """Returns the results of the seeders that ``seed`` would skip because they have run, by name. They are read from
    the database if any seeder runs ``once``; none are known where it cannot be reached. Nothing is run or written."""
    if not any(seeder.once for group in project.seeders.list(only) for seeder in group):
        return {}
    with project, suppress(FastmanError):
        if (database := project.database).exists:
            return project.seeders.find_skipped(database, find_state(project), only, again=again)
    return {}


def find_state(project: Project) -> State:
    """Returns where the history of ``project`` is. Without migrations it is in the database's own schema."""
    return project.migrator.state if project.has_environment else State(project.database.url, ())
