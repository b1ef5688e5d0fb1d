"""How seeders are run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """``only``: the seeders that were named, "user,role"; None is all. ``preview``: roll everything back at the end.
    ``commit_each``: commit after each seeder. ``random_seed``: make random, Faker and polyfactory generate the same
    data in every run. ``again``: run also those that have run ``once``, as far as they were named."""

    only: str | None = None
    preview: bool = False
    commit_each: bool = False
    random_seed: int | None = None
    again: bool = False
