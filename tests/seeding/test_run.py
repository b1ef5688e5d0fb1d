"""A run of five seeders that fails at each place, in each shape, leaves the database as it was."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from command import Sandbox
from fastman_tasks import actions
from fastman_tasks.errors import SeederFailed
from fastman_tasks.plans import Counts, Observer, StepResult
from seeds import ASYNC, EVERY, dump, new_url
from servers import execute
from services import opened

# What each seeder does, and how it ends when it is the one to fail.
SYNC_BODY = """
    db.execute(text("INSERT INTO notes (id, body) VALUES (:id, 'committed')"), {"id": 10 * NUMBER})
    db.commit()
    db.execute(text("UPDATE notes SET body = 'changed' WHERE id = 1"))
    db.execute(text("DELETE FROM notes WHERE id = 2"))
    db.rollback()
    db.execute(text("INSERT INTO notes (id, body) VALUES (:id, 'more')"), {"id": 10 * NUMBER + 1})
    fail(NUMBER)
"""
ASYNC_BODY = SYNC_BODY.replace("db.", "await db.")
SHAPES = {
    "static": ("@staticmethod\ndef run(db):", SYNC_BODY),
    "class": ("@classmethod\ndef run(cls, db):", SYNC_BODY),
    "plain": ("def run(self, db):", SYNC_BODY),
    "async": ("async def run(self, db):", ASYNC_BODY),
    "core": (
        "def run(self, db):",
        "\n    db.connection().execute(text('INSERT INTO notes (id) VALUES (:id)'), [{'id': 10 * NUMBER}])"
        "\n    db.commit()\n    fail(NUMBER)\n",
    ),
    "caught": ("def run(self, db):", SYNC_BODY),
}
HEAD = """
from pathlib import Path

from sqlalchemy import text


def fail(number):
    kind, at = Path({plan!r}).read_text().split()
    if int(at) == number:
        if kind == "exit":
            raise SystemExit(0)
        if kind == "interrupt":
            raise KeyboardInterrupt
        raise ValueError("as told")


"""
CALLER = """
class DatabaseSeeder:
    def run(self, db):
        for number in range(1, 6):
            try:
                self.call(f"N{number}Seeder")
            except Exception:
                pass
"""


class Kept(Observer):
    """Keeps what was said of a run."""

    def __init__(self) -> None:
        self.states: list[str] = []

    def step_finished(self, result: StepResult) -> None:
        """Keep its state."""
        self.states.append(result.state)


def add_five(project: Sandbox, shape: str) -> Path:
    """Write five seeders that fail as the returned file says."""
    plan = project.root / "plan.txt"
    head, body = SHAPES[shape]
    for number in range(1, 6):
        method = textwrap.indent(head + body.replace("NUMBER", str(number)), "    ")
        text = f"{HEAD.format(plan=str(plan))}class N{number}Seeder:\n{method}"
        project.write(f"database/seeders/n{number}_seeder.py", text)
    if shape == "caught":
        project.write("database/seeders/database_seeder.py", CALLER)
    return plan


@pytest.mark.parametrize(
    ("driver", "shape"),
    # An async seeder needs an async URL.
    [(driver, shape) for driver in EVERY for shape in SHAPES if shape != "async" or driver in ASYNC],
)
def test_failure_at_every_place(request: pytest.FixtureRequest, project: Sandbox, driver: str, shape: str) -> None:
    """Whoever fails, and however (an error, sys.exit(0), Ctrl-C), the dump is the same; then all of them run."""
    url = new_url(request, project, driver)
    execute(url, "CREATE TABLE notes (id INTEGER PRIMARY KEY, body VARCHAR(20))")
    execute(url, "INSERT INTO notes VALUES (1, 'one'), (2, 'two')")
    plan = add_five(project, shape)
    before = dump(url)
    with opened(project) as shop:
        for kind in ("error", "exit", "interrupt") if shape == "plain" and driver not in ASYNC else ("error",):
            for place in range(1, 6):
                plan.write_text(f"{kind} {place}")
                kept = Kept()
                with pytest.raises(SeederFailed) as failed:
                    actions.seed(shop, observer=kept)
                assert str(failed.value).startswith(f"N{place}Seeder ")
                assert str(failed.value).endswith("\nAll changes were rolled back.")
                assert kept.states.index("failed") == place - 1
                assert dump(url) == before, f"{kind} at {place}"

        plan.write_text("error 0")
        done = [each for each in actions.seed(shop).steps if each.step.name != "DatabaseSeeder"]
    rows = 1 if shape == "core" else 2
    assert [each.rows for each in done] == [(("notes", Counts(created=rows)),)] * 5
    assert len(dump(url)["notes"]) == 2 + 5 * rows
