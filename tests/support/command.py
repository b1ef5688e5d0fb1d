"""A project in a temporary folder, and its commands run as processes, as a user would type them."""

from __future__ import annotations

import fcntl
import functools
import itertools
import os
import pty
import struct
import subprocess
import sys
import termios
import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

import pexpect
from pexpect.fdpexpect import fdspawn

from fastman_tasks.making.files import TEMPLATES
from prefork import Forked, Prefork

TASKS = """
    from invoke import Collection, task

    from fastman_tasks import database, make, migrate


    @task
    def hello(c):
        \"\"\"Say hello.\"\"\"
        print("hello from the project")


    ns = Collection(hello, make, database, migrate)
"""
# What a developer's or a CI machine's shell may hold and the commands, their libraries or the drivers would listen to.
_FOREIGN = (
    *("DATABASE_URL", "DB_", "ENVIRONMENT", "APP_ENV", "FASTMAN_", "FLASK_", "INVOKE_", "ALEMBIC_", "SQLALCHEMY_"),
    *("PG", "MYSQL_", "MARIADB_", "PYTHON", "RUFF_", "XDG_", "NO_COLOR", "FORCE_COLOR", "CLICOLOR", "COLORTERM"),
    *("COLUMNS", "LINES", "TTY_", "JUPYTER_"),
)
# The size of the terminals.
_LINES, _COLUMNS = 40, 160
# What steers the tests themselves.
_OURS = "FASTMAN_TEST_"
# Counts the seconds in which files were written. Bytecode knows its source by the second and the size: a file that a
# test corrects at once, which nobody else is quick enough for, would run as it was.
_written = itertools.count(int(time.time()) - 1_000_000)
_MIGRATION = '''\
"""{message}"""

import sqlalchemy as sa
from alembic import op

revision = {revision!r}
down_revision = {after!r}
branch_labels = {label!r}
depends_on = {depends_on!r}


def upgrade():
{up}


def downgrade():
{down}
'''


@dataclass(frozen=True)
class Result:
    """What a finished process said."""

    code: int
    stdout: str
    stderr: str


class Sandbox:
    """A project folder; its name has a space, as folders of real people do."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True)
        self.write("tasks.py", TASKS)

    def write(self, path: str, text: str) -> Path:
        """Write ``text``, its common indentation taken away, to ``path`` in the project, over what was there."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        return _save(file, textwrap.dedent(text).lstrip("\n"))

    def replace(self, path: str, old: str, new: str) -> None:
        """Change ``old``, which must be there, to ``new`` in a file of the project."""
        file = self.root / path
        text = file.read_text("utf-8")
        assert old in text, f"{old!r} is not in {path}:\n{text}"
        _save(file, text.replace(old, new))

    def files(self) -> set[str]:
        """Every file and folder of the project, but not what Python keeps of every module that it imports."""
        paths = {path.relative_to(self.root) for path in self.root.rglob("*")}
        return {path.as_posix() for path in paths if "__pycache__" not in path.parts}

    def add_environment(self) -> None:
        """Set migrations up with the three files that the generators write."""
        for template, target in (
            ("alembic.ini", "alembic.ini"),
            ("env.py", "database/migrations/env.py"),
            ("script.py", "database/migrations/script.py.mako"),
        ):
            self.write(target, (TEMPLATES / f"{template}.mako").read_text("utf-8"))
        (self.root / "database/migrations/versions").mkdir()

    def add_migration(
        self,
        name: str,
        revision: str,
        after: str | tuple[str, ...] | None,
        up: str = "pass",
        down: str = "pass",
        *,
        folder: str = "database/migrations/versions",
        label: str | None = None,
        depends_on: str | None = None,
    ) -> Path:
        """Write the migration ``name`` by hand; ``up`` and ``down`` are the statements of its two functions."""

        def body(statements: str) -> str:
            return textwrap.indent(textwrap.dedent(statements).strip(), "    ")

        message = name.replace("_", " ")
        return self.write(
            f"{folder}/{name}.py",
            _MIGRATION.format(
                message=message,
                revision=revision,
                after=after,
                label=label,
                depends_on=depends_on,
                up=body(up),
                down=body(down),
            ),
        )

    def environ(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """This process's environment without anything that could steer the commands, and with ``extra``.

        The home folder holds nothing but the project: libraries read settings there, too.
        """
        return _environ({"HOME": str(self.root.parent), **(extra or {})})

    def run(
        self,
        *command: str,
        cwd: str = ".",
        env: Mapping[str, str] | None = None,
        code: int | None = 0,
        anew: bool = False,
    ) -> Result:
        """Run ``python -m command`` in ``cwd`` (in the project), which has to end with ``code`` (any, when None).

        ``anew``: in a new interpreter, instead of one that has imported the libraries already.
        """
        result = Result(*(_start if anew else _prefork().run)(command, self.root / cwd, self.environ(env)))
        if code is not None:
            assert result.code == code, f"{' '.join(command)} ended with {result.code}, not {code}\n{_shown(result)}"
        return result

    def start(
        self, *command: str, out: IO[str], err: IO[str], cwd: str = ".", env: Mapping[str, str] | None = None
    ) -> Forked:
        """Start ``python -m command`` in ``cwd`` (in the project), writing to ``out`` and ``err``."""
        return _prefork().start(command, self.root / cwd, self.environ(env), out, err)

    def inv(
        self, *args: str, cwd: str = ".", env: Mapping[str, str] | None = None, code: int = 0, anew: bool = False
    ) -> Result:
        """Run ``inv`` with ``args``; it must end with ``code`` and print no traceback. ``anew`` as in ``run``."""
        result = self.run("invoke", *args, cwd=cwd, env=env, code=code, anew=anew)
        assert "Traceback" not in result.stdout + result.stderr, _shown(result)
        return result

    def alembic(self, *args: str, cwd: str = ".", env: Mapping[str, str] | None = None, code: int = 0) -> Result:
        """Run plain ``alembic`` with ``args``; it must end with ``code``."""
        return self.run("alembic", *args, cwd=cwd, env=env, code=code)

    def terminal(
        self,
        *args: str,
        answers: Sequence[tuple[str, str | None]] = (),
        cwd: str = ".",
        env: Mapping[str, str] | None = None,
        code: int = 0,
        anew: bool = False,
    ) -> str:
        """Run ``inv`` on a terminal, typing each answer once its question is seen; return all that was printed.

        Keys instead of an answer: ``"\\x03"`` is Ctrl-C, ``"\\x04"`` is Ctrl-D; None types nothing. It must end with
        ``code``. ``anew`` as in ``run``.
        """
        start = _spawn if anew else _fork_on_terminal
        screen, wait = start(("invoke", *args), self.root / cwd, self.environ({"TERM": "xterm", **(env or {})}))
        said = ""
        with screen:
            for question, answer in answers:
                screen.expect_exact(question)
                said += screen.before + screen.after
                if answer is not None:
                    screen.send(answer if answer in {"\x03", "\x04"} else f"{answer}\n")
            screen.expect_exact(pexpect.EOF)
            said += screen.before
        ended = wait()
        assert ended == code, f"inv {' '.join(args)} ended with {ended}, not {code}\n{said}"
        assert "Traceback" not in said, said
        return said.replace("\r\n", "\n")


def foreign() -> list[str]:
    """The names that this process's environment has and that could steer the tests."""
    return [name for name in os.environ if name.startswith(_FOREIGN) and not name.startswith(_OURS)]


def _environ(extra: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    # Safe path: as with the scripts inv, alembic and flask, the current folder is not on sys.path.
    return {**kept, "PYTHONSAFEPATH": "1", **extra}


def _save(file: Path, text: str) -> Path:
    file.write_text(text, "utf-8")
    second = next(_written)
    os.utime(file, (second, second))
    return file


def _start(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    return done.returncode, done.stdout, done.stderr


def _spawn(
    command: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> tuple[pexpect.spawn, Callable[[], int]]:
    child = pexpect.spawn(
        sys.executable,
        ["-m", *command],
        cwd=str(folder),
        env=environment,
        encoding="utf-8",
        timeout=30,
        dimensions=(_LINES, _COLUMNS),
    )
    return child, lambda: child.exitstatus


def _fork_on_terminal(
    command: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> tuple[fdspawn, Callable[[], int]]:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", _LINES, _COLUMNS, 0, 0))
        forked = _prefork().start(command, folder, environment, terminal, terminal)
    return fdspawn(ours, encoding="utf-8", timeout=30), forked.wait


@functools.cache
def _prefork() -> Prefork:
    # It ends by itself when this process does.
    return Prefork(_environ({}))


def _shown(result: Result) -> str:
    return f"--- stdout\n{result.stdout}--- stderr\n{result.stderr}"


class Init(Protocol):
    """Make of a project what ``alembic init`` makes in the folder migrations; ``url`` replaces its placeholder."""

    def __call__(self, project: Sandbox, url: str | None = None, *, template: str = "generic") -> None: ...
