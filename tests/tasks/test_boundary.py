"""A task of one's own: how it is called from Python, and what it may be."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from invoke import Config, Context

from command import Sandbox
from fastman_tasks import project_task
from servers import tables


@project_task
def double(project: object, number: int, times: int = 2, json: str = "", pretend: str = "") -> tuple[int, str, str]:
    """With flags that have the names of switches, and are none."""
    return number * times, json, pretend


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """What a task of a tasks.py in an empty folder gets."""
    return Context(Config(project_location=str(tmp_path)))


def test_calling_one_from_another(context: Context) -> None:
    """It takes positional and keyword arguments, and returns what its function returns."""
    assert double(context, 3) == (6, "", "")
    assert double(context, 3, 3, pretend="a") == (9, "", "a")
    assert double(context, number="4", json="b") == (8, "b", "")
    context.config.run.dry = True
    assert double(context, 1) == (2, "", "")


@pytest.mark.parametrize(
    ("args", "flags"), [((), {}), ((1, 2, "", "", 5), {}), ((1,), {"tiems": 3}), ((1,), {"number": 1})]
)
def test_arguments_that_it_does_not_have(context: Context, args: tuple[int, ...], flags: dict[str, Any]) -> None:
    """A call that is misspelled does nothing, least of all what the flag would have prevented."""
    with pytest.raises(TypeError):
        double(context, *args, **flags)


def test_a_misspelled_flag_of_ours(project: Sandbox) -> None:
    """Nothing is rolled back where pretend= was meant."""
    project.write(
        "tasks.py",
        """
        from invoke import Collection, task
        from fastman_tasks import database, migrate

        @task
        def look(c):
            try:
                migrate.rollback(c, force=True, pretned=True)
            except TypeError as error:
                print(error)

        ns = Collection(look, database, migrate)
        """,
    )
    project.add_environment()
    project.add_migration("1_a", "1", None, 'op.execute("CREATE TABLE a (id INT)")', 'op.drop_table("a")')
    project.inv("database.migrate")
    assert "pretned" in project.inv("look").stdout
    assert "a" in tables(f"sqlite:///{project.root}/app.db")


def test_an_async_function() -> None:
    """Nothing would run it, and nobody would notice."""
    with pytest.raises(TypeError, match="deploy is async"):

        @project_task
        async def deploy(project: object) -> None:
            """Never awaited."""


def test_a_closed_stdin(project: Sandbox) -> None:
    """Nobody can be asked, as without a terminal."""
    project.add_environment()
    project.add_migration("1_a", "1", None)
    project.inv("database.migrate")
    command = f"{shlex.quote(sys.executable)} -m invoke migrate.rollback <&-"
    done = subprocess.run(command, shell=True, cwd=project.root, env=project.environ(), capture_output=True, text=True)
    assert (done.returncode, "There is no terminal to ask on" in done.stderr) == (5, True), done.stderr


@pytest.mark.thorough
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("flags", [[], ["--json"]])
@pytest.mark.parametrize("out", ["closed", "full"])
def test_an_output_that_takes_nothing(project: Sandbox, flags: list[str], out: str) -> None:
    """No traceback, whether it is closed or full."""
    project.add_environment()
    redirection = {"closed": ">&-", "full": "> /dev/full"}[out]
    command = f"{shlex.quote(sys.executable)} -m invoke migrate.status {' '.join(flags)} {redirection}"
    done = subprocess.run(command, shell=True, cwd=project.root, env=project.environ(), capture_output=True, text=True)
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == (0 if out == "closed" else 1)


def test_a_reader_that_leaves(project: Sandbox) -> None:
    """``inv database.migrate | head -1``: everything is migrated, not what was applied until then alone."""
    project.add_environment()
    for number in range(1, 6):
        project.add_migration(f"{number}_step", f"{number}a", f"{number - 1}a" if number > 1 else None)
    command = f"{shlex.quote(sys.executable)} -m invoke database.migrate | head -c 1"
    done = subprocess.run(command, shell=True, cwd=project.root, env=project.environ(), capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    assert "5 applied, 0 pending." in project.inv("migrate.status").stdout


def test_a_file_that_tasks_py_leaves_open(project: Sandbox) -> None:
    """What was written to it is there once the command has ended."""
    tasks = (project.root / "tasks.py").read_text("utf-8")
    project.write("tasks.py", f"{tasks}\nleft = open('left', 'w')\nleft.write('all of it')\n")
    project.add_environment()
    project.add_migration("1_step", "1a", None)
    project.inv("database.migrate", anew=True)
    assert (project.root / "left").read_text() == "all of it"
