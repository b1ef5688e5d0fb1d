"""What a migration does has one fingerprint, however it is written down, on every version of Python."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fastman_tasks.revisions import fingerprint

MIGRATION = '''\
"""create users

Revision ID: a1
"""
from typing import Optional

import sqlalchemy as sa
from alembic import op

revision: str = "a1"
down_revision = None

LENGTH: int = 50
NAMES = ["ada", 'bob']
UNUSED = 1


def name(column: Optional[str] = None, *, size=LENGTH) -> sa.Column:
    "A column."
    return sa.Column(column or f"na{'m' 'e'}", sa.String(size))


def upgrade() -> None:
    """Create it."""
    op.create_table("users", sa.Column("id", sa.Integer, primary_key=True), name())
    for each in NAMES:
        op.execute(f"INSERT INTO users (name) VALUES ('{each!r:>{LENGTH}}' || {each=})" " -- a\\u0378")


def downgrade() -> None:
    op.drop_table("users")
'''
#: The digests of the one above: a database may have kept them for years, under another version of Python.
KNOWN = ("20a30d9289df2701", "dd8145a7913b7476")


def find(text: str) -> fingerprint.Fingerprint:
    """The fingerprint of a file with this ``text``."""
    found = fingerprint.find(text.encode())
    assert found is not None
    return found


def test_it_stays_the_same_for_good() -> None:
    """What was recorded by another version is compared with it."""
    assert tuple(each[:16] for each in find(MIGRATION)) == KNOWN


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n", "\r\n"),
        ('"""create users', '# Copyright 2026\n\n"""create all users'),
        ("down_revision = None", 'down_revision = "b2"'),
        ("revision: str = ", "revision = "),
        ("from typing import Optional\n", ""),
        ("from typing import Optional\n", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import shop\n"),
        ("column: Optional[str] = None", "column: str | None = None"),
        ("NAMES = [\"ada\", 'bob']", 'NAMES = [\n    "ada",  # the first\n    "bob",\n]'),
        ("f\"na{'m' 'e'}\"", "f'na{\"me\"}'"),
        ("def upgrade() -> None:", "def upgrade():"),
        ('    """Create it."""\n', "    pass\n"),
        ("UNUSED = 1", "UNUSED = 2\n\n\ndef unused():\n    pass\n"),
    ],
)
def test_what_changes_nothing(old: str, new: str) -> None:
    """Formatters, sorters of imports, licence headers, types, git's line ends and a rebase."""
    assert old in MIGRATION
    assert find(MIGRATION.replace(old, new)) == find(MIGRATION)


@pytest.mark.parametrize(
    ("old", "new", "up", "down"),
    [
        ("= 50", "= 51", True, False),
        ("'bob'", "'eve'", True, False),
        ("INSERT INTO", "INSERT  INTO", True, False),
        ("primary_key=True", "primary_key=False", True, False),
        ("size=LENGTH", "size=None", True, False),
        ('drop_table("users")', 'drop_table("user")', False, True),
        ('    op.drop_table("users")', "    pass", False, True),
        ("UNUSED = 1", "op.batch = 1", True, True),
        ("UNUSED = 1", "NAMES += ['eve']", True, False),
        ("UNUSED = 1", "if LENGTH:\n    NAMES.append('eve')", True, True),
        ("def downgrade", "def back", False, True),
    ],
)
def test_what_changes_something(old: str, new: str, up: bool, down: bool) -> None:
    """One number, one word, one value that is used; of the direction that it belongs to."""
    assert old in MIGRATION
    before, after = find(MIGRATION), find(MIGRATION.replace(old, new))
    assert (before.upgrade != after.upgrade, before.downgrade != after.downgrade) == (up, down)


def test_a_file_that_is_not_python() -> None:
    """It has none."""
    assert [fingerprint.find(each) for each in (b"def upgrade(:", b"\xff", b"\0", b"x = " + b"-" * 100_000)] == [
        None
    ] * 4


@pytest.mark.thorough
def test_a_formatter_changes_nothing() -> None:
    """Ruff's, which writes as Black does."""
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--line-length=60", "-"],
        input=MIGRATION, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout != MIGRATION and find(done.stdout) == find(MIGRATION)
