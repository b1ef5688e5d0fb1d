"""What the tests of foreign projects may ask for: a walk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# Before it is imported: what it asserts is explained as it is in tests.
pytest.register_assert_rewrite("walk")

import walk as walking  # noqa: E402
from walk import Route, Walked, Write  # noqa: E402


@pytest.fixture
def fresh(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """Gives the URL of an empty database for a driver; SQLite's is a file shop.db in the project's folder."""

    def make(driver: str) -> str:
        if driver.startswith("sqlite"):
            return f"{driver}:///shop.db"
        return request.getfixturevalue("postgresql").fresh(driver)

    return make


@pytest.fixture
def walk(tmp_path: Path, fresh: Callable[[str], str]) -> Callable[..., Walked]:
    """Walks a project side by side, each copy with a database of its own for ``driver``; the rest is its Route."""

    def run(write: Write, driver: str = "sqlite", **route: Any) -> Walked:
        return walking.walk(tmp_path, write, (fresh(driver), fresh(driver)), Route(**route))

    return run
