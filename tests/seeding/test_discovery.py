"""Whatever is wrong with a seeder is found before any of them runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastman_tasks.errors import SeederFailed, UsageError
from fastman_tasks.seeding.discovery import find
from fastman_tasks.seeding.order import SeedOrder

# What is wrong in the file bad_seeder.py -> what is said of it.
BAD = {
    "import nowhere": "bad_seeder.py cannot be imported: bad_seeder.py:1: ModuleNotFoundError",
    "def broken(:": "bad_seeder.py cannot be imported: bad_seeder.py:1: SyntaxError",
    "raise SystemExit(0)": "bad_seeder.py cannot be imported: ",
    "class BadSeeder: ...": "BadSeeder in bad_seeder.py:1 has no run(db). Add: ",
    "class BadSeeder:\n    def run(self): ...": "run(self) has the wrong parameters; write run(self, db).",
    "class BadSeeder:\n    @staticmethod\n    def run(db, more): ...": "run(db, more) has the wrong parameters",
    "class BadSeeder:\n    @classmethod\n    def run(cls): ...": "run() has the wrong parameters; write run(cls, db).",
    "class BadSeeder:\n    def run(self, db):\n        yield": "run contains a yield",
    "class BadSeeder:\n    def __init__(self, x): ...\n    def run(self, db): ...": "BadSeeder() needs arguments",
    "class GoodSeeder:\n    def run(self, db): ...": "Two seeders are named GoodSeeder: a/good_seeder.py:1",
    "class BadSeeder:\n    depends_on = 'Good'\n    def run(self, db): ...": "'Good', which is not a list.",
    "class BadSeeder:\n    depends_on = [7]\n    def run(self, db): ...": "depends_on holds 7.",
    "class BadSeeder:\n    environments = 'x'\n    def run(self, db): ...": "environments is 'x', which is not a list",
    "class BadSeeder:\n    once = 'yes'\n    def run(self, db): ...": "once is 'yes', which is neither True",
    "class BadSeeder:\n    once = 0\n    def run(self, db): ...": "bad_seeder.py:1: once is 0, which is neither",
    "class BadSeeder:\n    once = 1.5\n    def run(self, db): ...": "once is 1.5, which is neither",
    "class BadSeeder:\n    depends_on = ['GodSeeder']\n    def run(self, db): ...": (
        "BadSeeder depends on GodSeeder, which does not exist: BadSeeder -> GodSeeder "
        "(bad_seeder.py:1). Did you mean GoodSeeder? Known: GoodSeeder, BadSeeder."
    ),
    (
        "class BadSeeder:\n    depends_on = ['OtherSeeder']\n    def run(self, db): ...\n"
        "class OtherSeeder:\n    depends_on = ['BadSeeder']\n    def run(self, db): ..."
    ): "Circular dependency between seeders: BadSeeder -> OtherSeeder -> BadSeeder",
}


@pytest.mark.parametrize("body", BAD)
def test_a_bad_seeder(tmp_path: Path, body: str) -> None:
    """It is named with its file and line, and what to do."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "good_seeder.py").write_text("class GoodSeeder:\n    def run(self, db): ...\n")
    (tmp_path / "bad_seeder.py").write_text(body)
    with pytest.raises(UsageError if "GodSeeder" in body else SeederFailed) as failed:
        SeedOrder(find(tmp_path, tmp_path))
    assert BAD[body] in str(failed.value)


def test_bases_and_imports_are_no_seeders(tmp_path: Path) -> None:
    """Neither is an abstract class, one that another one extends, one that is imported, nor one with a leading _."""
    (tmp_path / "seeders").mkdir()
    (tmp_path / "seeders" / "all.py").write_text(
        "import abc\nfrom fastman_tasks.seeding.discovery import Seeder\n"
        "class BaseSeeder: ...\n"
        "class UserSeeder(BaseSeeder):\n    def run(self, db): ...\n"
        "class AbstractSeeder(abc.ABC):\n    @abc.abstractmethod\n    def run(self, db): ...\n"
        "class _HiddenSeeder: ...\n"
        "OtherSeeder = UserSeeder\n"
    )
    (tmp_path / "seeders" / ".copies").mkdir()
    (tmp_path / "seeders" / ".copies" / "all.py").write_text("class UserSeeder: ...\n")
    assert [seeder.name for seeder in find(tmp_path / "seeders", tmp_path)] == ["UserSeeder"]
