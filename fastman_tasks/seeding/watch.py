"""Who is told how a run of seeders comes along."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastman_tasks.seeding.discovery import Seeder
    from fastman_tasks.seeding.run import Seeded


class Watch:
    """Is told, and does nothing about it; others do more."""

    def started(self, seeder: Seeder) -> None:
        """``seeder`` begins."""

    def worked(self) -> None:
        """Statements are run."""

    def advanced(self, done: int | None, total: int | None) -> None:
        """A loop has done so much of so much (None: not known); (None, None): it is through."""

    def finished(self, seeded: Seeded) -> None:
        """A seeder is through, was skipped, or failed."""
