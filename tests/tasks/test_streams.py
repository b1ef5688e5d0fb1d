"""Output that nobody takes, or that cannot be spelled, stops no command."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from command import Sandbox
from processes import wait_for
from servers import tables

# Who takes the output is the same on every version.
pytestmark = pytest.mark.thorough

# More than a pipe and a buffer take, from Python and from a child process.
TALKATIVE = """
import os
print("sentence " * 20000, flush=True)
os.system("seq 20000")
"""
INVOKE = f"{shlex.quote(sys.executable)} -m invoke"


def shell(project: Sandbox, command: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run ``command`` in a shell; its code is that of the first one in a pipe."""
    script = f"{command}; exit ${{PIPESTATUS[0]}}"
    return subprocess.run(
        ["bash", "-c", script], cwd=project.root, env=project.environ(env), capture_output=True, encoding="utf-8"
    )


@pytest.fixture
def talkative(project: Sandbox) -> Sandbox:
    """Three migrations, each of which prints more than anything takes that is not read."""
    project.add_environment()
    for number in range(1, 4):
        up = f'op.execute("CREATE TABLE größe_{number} (a INT)")\n{TALKATIVE}'
        project.add_migration(f"{number}_größe", f"{number}a", f"{number - 1}a" if number > 1 else None, up)
    return project


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    ("redirection", "code", "unbuffered"),
    [
        ("| head -c 1", 0, ""),
        ("2>&1 | head -c 1", 0, "1"),
        (">&- 2>&- <&-", 0, ""),
        ("> /dev/full", 1, ""),
        ("> /dev/full 2> /dev/full", 1, "1"),
        ("2> /dev/full", 0, ""),
        ("--json | head -c 1", 0, "1"),
        ("--json > /dev/full 2>&-", 1, ""),
        ("--json 2> /dev/full", 0, ""),
    ],
)
def test_output_that_nobody_takes(talkative: Sandbox, redirection: str, code: int, unbuffered: str) -> None:
    """Everything is migrated; the code tells whether something was lost that somebody wanted to read."""
    done = shell(talkative, f"{INVOKE} database.migrate {redirection}", {"PYTHONUNBUFFERED": unbuffered})
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    if "> /dev/full" in redirection and "2>" not in redirection:
        assert "The output could not be written: No space left on device. The command itself has" in done.stderr
    assert {"größe_1", "größe_2", "größe_3"} <= tables(f"sqlite:///{talkative.root}/app.db")


@pytest.mark.parametrize("command", ["migrate.status", "migrate.status --json"])
def test_a_report_that_is_lost(project: Sandbox, command: str) -> None:
    """A full disk is no success; a reader that has left is none of our business."""
    project.add_environment()
    assert shell(project, f"{INVOKE} {command} > /dev/full").returncode == 1
    assert shell(project, f"{INVOKE} {command} | true").returncode == 0


ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.parametrize("env", [ASCII, {"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "ascii:replace"}])
def test_output_that_cannot_be_spelled(talkative: Sandbox, env: dict[str, str]) -> None:
    """Names that the encoding of the output lacks, our own and those that a migration prints, are escaped."""
    print_it = 'print("größe → ✓")'
    talkative.add_migration("4_→", "4a", "3a", print_it, print_it)
    done = shell(talkative, f"{INVOKE} database.migrate migrate.rollback --force", env)
    assert (done.returncode, done.stderr) == (0, "")
    assert "4_\\u2192" in done.stdout or "4_\\udce2" in done.stdout
    found = shell(talkative, f"{INVOKE} migrate.status --json", env)
    names = [step["message"] for step in json.loads(found.stdout)["steps"]]
    assert names[-1] == "4 →"


def test_a_terminal_in_ascii(talkative: Sandbox) -> None:
    """Colours make no difference."""
    said = talkative.terminal("database.migrate", env=ASCII, anew=True)
    assert "3 migrations applied." in said


def test_a_terminal_that_goes_away(project: Sandbox) -> None:
    """The migration that is running, and those after it, are applied all the same."""
    project.add_environment()
    waiting = """
        import time
        from pathlib import Path
        op.execute("CREATE TABLE a (a INT)")
        Path("waiting").touch()
        while not Path("gone").exists():
            time.sleep(0.01)
        print("after")
    """
    project.add_migration("1_a", "1a", None, waiting)
    project.add_migration("2_b", "2b", "1a", 'op.execute("CREATE TABLE b (a INT)")')
    child = pexpect.spawn(
        sys.executable, ["-m", "invoke", "database.migrate"], cwd=str(project.root), env=project.environ(), timeout=30
    )
    wait_for(project.root / "waiting")
    child.ptyproc.fileobj.close()
    child.ptyproc.closed = child.closed = True
    (project.root / "gone").touch()
    _, ended = os.waitpid(child.pid, 0)
    assert os.waitstatus_to_exitcode(ended) == 0
    assert {"a", "b"} <= tables(f"sqlite:///{project.root}/app.db")


def test_what_others_print_under_json(project: Sandbox) -> None:
    """Migrations, seeders, env.py, and the programs that they start, print to stderr: stdout is one JSON value."""
    project.add_environment()
    talk = 'import os, sys; print("mine"); os.system("echo child"); os.write(1, b"raw"); sys.stdout.write("text")'
    project.add_migration(
        "1_a", "1a", None, f'op.execute("CREATE TABLE a (a INT)")\n{talk}', f'op.drop_table("a")\n{talk}'
    )
    project.write("database/seeders/a_seeder.py", f"class ASeeder:\n    def run(self, db):\n        {talk}\n")
    env_py = project.root / "database/migrations/env.py"
    project.write("database/migrations/env.py", f"{talk}\n{env_py.read_text('utf-8')}")
    for command in (
        ["database.migrate", "--seed"],
        ["migrate.status"],
        ["database.seed"],
        ["migrate.rollback", "--pretend"],
        ["migrate.rollback", "--force"],
        ["make.migration", "x", "--empty"],
        ["make.seeder", "users"],
        ["migrate.history"],
        ["migrate.show", "1a"],
        ["migrate.heads"],
        ["migrate.rollback", "--to=nothing"],
    ):
        done = project.run("invoke", *command, "--json", code=None)
        assert isinstance(json.loads(done.stdout), dict)
        assert "child" in done.stderr
    pretended = project.inv("database.migrate", "--pretend")
    assert "child" not in pretended.stdout and "CREATE TABLE a" in pretended.stdout


def test_ctrl_c_between_two_steps(project: Sandbox) -> None:
    """The JSON tells what was done until then."""
    project.add_environment()
    project.add_migration("1_a", "1a", None, 'op.execute("CREATE TABLE a (a INT)")')
    project.add_migration("2_b", "2b", "1a", 'op.execute("CREATE TABLE b (a INT)")')
    project.write(
        "tasks.py",
        """
        import os, signal
        from invoke import Collection
        from fastman_tasks import Observer, database, make, migrate

        class Stops(Observer):
            def step_finished(self, result):
                os.kill(os.getpid(), signal.SIGINT)

        from fastman_tasks.tasks import reporter
        reporter.WarningsOnly = Stops

        ns = Collection(database, make, migrate)
        """,
    )
    done = project.inv("database.migrate", "--json", code=1)
    told = json.loads(done.stdout)
    assert [(step["name"], step["state"]) for step in told["steps"]] == [("1_a", "done")]
    assert told["error"]["code"] == 1 and "Interrupted" in told["error"]["message"]
    assert tables(f"sqlite:///{project.root}/app.db") == {"a", "alembic_version"}
