"""What is shown of a file that was edited after it was applied."""

from __future__ import annotations

import pytest

from fastman_tasks.revisions.differences import describe_difference

FILE = '''\
"""create users"""

from alembic import op

revision = "a1"
down_revision = None


def upgrade():
    op.execute("CREATE TABLE users (name VARCHAR(50))")


def downgrade():
    op.execute("DROP TABLE users")
'''


def describe(old: str, new: str) -> list[str]:
    """The lines on a file in which ``old`` was replaced by ``new``."""
    assert old in FILE
    return describe_difference(FILE.encode(), FILE.replace(old, new).encode()).splitlines()


def test_one_length() -> None:
    """Which function, and the line before and after, with what is around it."""
    head, *diff = describe("50", "60")
    assert head == "upgrade() does something else:"
    assert diff[:2] == ["--- as applied", "+++ now"]
    changed = [line for line in diff[2:] if line[0] in "+-"]
    assert changed == [
        '-    op.execute("CREATE TABLE users (name VARCHAR(50))")',
        '+    op.execute("CREATE TABLE users (name VARCHAR(60))")',
    ]
    assert len(diff) < 12


def test_both_directions() -> None:
    """Both are named."""
    assert describe("users", "people")[0] == "upgrade() and downgrade() do something else:"
    assert describe("DROP TABLE", "DROP TABLE IF EXISTS")[0] == "downgrade() does something else:"


@pytest.mark.parametrize(("old", "new"), [("\n", "\r\n"), ("down_revision = None", "down_revision = 'b2'")])
def test_nothing(old: str, new: str) -> None:
    """Nothing is shown where both do the same."""
    assert describe(old, new) == []


def test_a_formatter_was_at_work_as_well() -> None:
    """What it has done does not bury the change."""
    lines = [f"    op.execute('INSERT INTO t VALUES ({number})')" for number in range(50)]
    old = "\n".join(["def upgrade():", *lines, ""])
    new = old.replace("'", '"').replace("(17)", "(18)")
    said = describe_difference(old.encode(), new.encode())
    assert [line for line in said.splitlines()[3:] if line[0] in "+-"] == [
        "-    op.execute('INSERT INTO t VALUES (17)')",
        "+    op.execute('INSERT INTO t VALUES (18)')",
    ]


def test_what_is_long_is_cut() -> None:
    """The number of lines that are left out is said."""
    lines = "\n".join(f"    op.execute('{number}')" for number in range(100))
    said = describe("def upgrade():\n", f"def upgrade():\n{lines}\n")
    assert len(said) == 42 and said[-1].startswith("… and ") and said[-1].endswith(" more lines")


@pytest.mark.parametrize("broken", [b"def upgrade(:\n", b"\xff\x00", b""])
def test_what_is_no_python(broken: bytes) -> None:
    """It is shown all the same, and so is the way back from it."""
    said = describe_difference(FILE.encode(), broken)
    assert said.startswith("upgrade() and downgrade() do" if not broken else "The file is not valid Python any more:")
    assert "-def upgrade():" in said
    assert describe_difference(broken, FILE.encode()).startswith("upgrade() and downgrade() do something else:")


def test_no_terminal_obeys_it() -> None:
    """It may come out of a database."""
    said = describe_difference(FILE.encode(), FILE.replace("50", "\x1b[2J\u202e").encode())
    assert "\x1b" not in said and "\\u001b[2J\\u202e" in said
