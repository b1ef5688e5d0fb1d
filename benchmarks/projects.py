"""Projects to measure on: the same revisions under the collection, and under plain Alembic."""

from __future__ import annotations

import random
import shutil
import subprocess
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from benchmarks.measure import script

_TEMPLATES = Path(__file__).parent.parent / "templates"

EMPTY = '''"""Tasks of a project that takes nothing in."""

from invoke import task


@task
def nothing(c):
    """Do nothing."""
'''

COLLECTION = '''"""Tasks of a project that takes the collection in."""

from invoke import Collection, task

from fastman_tasks import database, make, migrate


@task
def nothing(c):
    """Do nothing."""


ns = Collection(nothing, database, make, migrate)
'''

_REVISION = '''"""step {number}

Revision ID: {revision}
Revises: {parent}
Create Date: {created}
"""

from typing import Sequence, Union

import sqlalchemy as sa
from alembic import op

revision: str = {revision!r}
down_revision: Union[str, Sequence[str], None] = {parent!r}
branch_labels: Union[str, Sequence[str], None] = None
depends_on: Union[str, Sequence[str], None] = None


def upgrade() -> None:
    {up}


def downgrade() -> None:
    {down}
'''

_CREATE = """op.create_table(
        "{0}",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(50)),
    )"""
_DROP = 'op.drop_table("{0}")'

#: The configuration of the environment that ``alembic init`` makes, beside ours.
GENERIC = "generic.ini"


@dataclass(frozen=True)
class Project:
    """A folder of revisions under two Alembic environments: alembic.ini is ours, generic.ini Alembic's own."""

    folder: Path

    @property
    def sqlite(self) -> Path:
        """The database of a project that was made with no other URL."""
        return self.folder / "app.db"

    def alembic(self, *arguments: str, generic: bool = True) -> tuple[str, ...]:
        """A command line of plain Alembic, under its own env.py or under ours."""
        return script("alembic", *(("-c", GENERIC) if generic else ()), *arguments)


def tasks_only(folder: Path, tasks: str) -> Path:
    """A project of nothing but a tasks.py."""
    folder.mkdir()
    (folder / "tasks.py").write_text(tasks, "utf-8")
    return folder


def make(
    folder: Path, revisions: int, url: str = "sqlite:///app.db", *, merges: bool = False, tables_each: int = 0
) -> Project:
    """A project with the collection, Alembic's two environments and ``revisions`` version files: in one line, or with
    ``merges`` in pairs of branches, each third file merging two. With ``tables_each`` every one creates so many."""
    tasks_only(folder, COLLECTION)
    (folder / ".env").write_text(f"DATABASE_URL={url}\n", "utf-8")
    migrations = folder / "database" / "migrations"
    versions = migrations / "versions"
    versions.mkdir(parents=True)
    shutil.copy(_TEMPLATES / "alembic.ini.mako", folder / "alembic.ini")
    for name in ("env.py", "script.py.mako"):
        source = name if name.endswith(".mako") else f"{name}.mako"
        shutil.copy(_TEMPLATES / source, migrations / name)
    _init_generic(folder, url)
    _write_revisions(versions, revisions, merges, tables_each)
    return Project(folder)


def _init_generic(folder: Path, url: str) -> None:
    made = subprocess.run(script("alembic", "-c", GENERIC, "init", "generic"), cwd=folder, capture_output=True)
    made.check_returncode()
    configuration = folder / GENERIC
    text = configuration.read_text("utf-8")
    text = text.replace("[alembic]\n", "[alembic]\nversion_locations = %(here)s/database/migrations/versions\n", 1)
    text = text.replace("driver://user:pass@localhost/dbname", url.replace("%", "%%"))
    configuration.write_text(text, "utf-8")


def _write_revisions(versions: Path, count: int, merges: bool, tables_each: int) -> None:
    ids = random.Random(count)
    parents: list[str] = []
    branch: list[str] = []
    for number in range(count):
        created = datetime(2020, 1, 1) + timedelta(minutes=number)
        revision = f"{ids.getrandbits(48):012x}"
        if merges and number % 3 == 2:
            parents, branch, up, down = branch, [], "pass", "pass"
        elif tables_each:
            names = [f"t{number}_{at}" for at in range(tables_each)]
            up, down = ("\n    ".join(map(call.format, names)) for call in (_CREATE, _DROP))
        elif number % 2 and not merges:
            up = f'op.add_column("t{number - 1}", sa.Column("note", sa.String(40)))'
            down = f'op.drop_column("t{number - 1}", "note")'
        else:
            up = f'op.create_table("t{number}", sa.Column("id", sa.Integer, primary_key=True))'
            down = f'op.drop_table("t{number}")'
        parent = tuple(parents) if len(parents) > 1 else parents[0] if parents else None
        text = _REVISION.format(number=number, revision=revision, parent=parent, created=created, up=up, down=down)
        (versions / f"{created:%Y_%m_%d_%H%M%S}_step_{number}.py").write_text(text, "utf-8")
        if merges and number % 3 < 2:
            branch.append(revision)
        else:
            parents = [revision]
