"""What a migration does has one fingerprint, however it is written down, on every version of Python."""

from __future__ import annotations

import codecs
import json
import shutil
import subprocess
import sys
from pathlib import Path

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
#: The same for what versions of Python have different trees for, each with the version that can parse it first.
DIGESTS = json.loads((Path(__file__).parent / "digests.json").read_text("utf-8"))
OTHERS = [f"python3.{minor}" for minor in range(10, 16) if minor != sys.version_info[1]]


def find(text: str) -> fingerprint.Fingerprint:
    """The fingerprint of a file with this ``text``."""
    found = fingerprint.find(text.encode())
    assert found is not None
    return found


def test_it_stays_the_same_for_good() -> None:
    """What was recorded by another version is compared with it."""
    assert tuple(each[:16] for each in find(MIGRATION)) == KNOWN


def test_every_version_of_python_finds_the_same() -> None:
    """The values were found by 3.10, 3.11, 3.12 and 3.13."""
    here = [each for each in DIGESTS if sys.version_info >= tuple(each["since"])]
    assert len(here) >= 8
    for each in here:
        found = find("\n".join(each["source"]) + "\n")
        digests = found.upgrade[:16], found.downgrade[:16]
        assert digests == (each["upgrade"], each["downgrade"]), each["construct"]


@pytest.mark.exhaustive
@pytest.mark.parametrize("python", OTHERS)
def test_other_versions_of_python(python: str) -> None:
    """Those that are on this machine."""
    code = f"""
import sys
sys.path[:0] = {[str(Path(fingerprint.__file__).parents[2])]!r}
import json
from fastman_tasks.revisions import fingerprint
for each in json.load(sys.stdin):
    if sys.version_info >= tuple(each["since"]):
        found = fingerprint.find(("\\n".join(each["source"]) + "\\n").encode())
        assert [digest[:16] for digest in found] == [each["upgrade"], each["downgrade"]], each["construct"]
print("same")
"""
    program = shutil.which(python)
    if program is None or subprocess.run([program, "--version"], capture_output=True).returncode:
        pytest.skip(f"{python} is not installed")
    done = subprocess.run([program, "-c", code], input=json.dumps(DIGESTS), capture_output=True, text=True)
    assert done.stdout == "same\n", done.stderr


def test_it_does_not_depend_on_who_asks() -> None:
    """Nor on how deep its own calls are nested then: a long chain has one fingerprint everywhere."""
    chain = next(each for each in DIGESTS if each["construct"] == "a long chain")

    def ask(depth: int) -> str:
        return ask(depth - 1) if depth else find("\n".join(chain["source"])).upgrade[:16]

    assert ask(0) == ask(400) == chain["upgrade"]


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
        ("from typing import Optional\n", "from __future__ import annotations\n\nfrom typing import Optional\n"),
        ("import sqlalchemy as sa\nfrom alembic import op\n", "from alembic import op\nimport sqlalchemy as sa\n"),
        (
            'revision: str = "a1"\ndown_revision = None',
            "revision = 'a1'\ndown_revision = 'b2', 'c3'\ndepends_on = 'd4'",
        ),
        ("sa.Integer, primary_key=True)", "sa.Integer, primary_key=True,)"),
        ("sa.Integer, primary_key=True)", "(sa.Integer), primary_key=(True))"),
        ('op.drop_table("users")', "(op.drop_table)('us' 'ers')"),
        ('op.drop_table("users")', "op.drop_table(\n        u'us'\n        r'ers'\n    )"),
        ('op.drop_table("users")', 'op.drop_table(f"users")'),
        ("LENGTH: int = 50", "LENGTH: int = 5_0"),
        ("LENGTH: int = 50", "LENGTH = 0x32"),
        ("NAMES = [\"ada\", 'bob']", "NAMES: 'list[str]' = ['ada', 'bo' 'b']"),
        ('" -- a\\u0378")', '" -" "- a\\u0378")'),
        ("def downgrade() -> None:\n", "def downgrade() -> None:\n    # Nothing else.\n    applied: bool\n"),
    ],
)
def test_what_changes_nothing(old: str, new: str) -> None:
    """Formatters, sorters of imports, licence headers, types, git's line ends and a rebase."""
    assert old in MIGRATION
    assert find(MIGRATION.replace(old, new)) == find(MIGRATION)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1000, 10.0, 255", "x = 1_000, 1e1, 0XFF"),
        ("del (a, b)", "del a, b"),
        ("with (open(a)) as b: f(b)", "with open(a) as b:\n        f(b)"),
        ("return not (a)", "return not a"),
        ("for (a, b) in (c): f(a)", "for a, b in c:\n        f(a)"),
        ("class A(): x = 1", "class A:\n        'A class.'\n\n        x: int = 1"),
        ("x = lambda: (yield)", "x = lambda: (\n        (yield)\n    )"),
        ("x = a if b else(c)", "x = a if b else c"),
        ("x = 'a\\n' \\\n      'b'", "x = 'a\\nb'"),
        ('x = """a\n  b"""', "x = 'a\\n  b'"),
        ("if a: pass\n    f()", "if a:\n        ...\n    f()"),
    ],
)
def test_layout_of_statements(one: str, other: str) -> None:
    """What Black makes of them."""
    first, second = (find(f"def upgrade():\n    {each}\n") for each in (one, other))
    assert first.upgrade and first == second


def test_encodings() -> None:
    """A byte order mark, and another encoding, say nothing of what is done."""
    text = 'def upgrade():\n    f("ä")\n'
    plain = fingerprint.find(text.encode())
    assert plain == fingerprint.find(codecs.BOM_UTF8 + text.encode())
    assert plain == fingerprint.find(f"# -*- coding: latin-1 -*-\n{text}".encode("latin-1"))


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
        ('or f"na', 'or f"nb', True, False),
        ("NAMES = [\"ada\", 'bob']", "NAMES = ['bob', 'ada']", True, False),
        ("{each!r:>", "{each!s:>", True, False),
        (":>{LENGTH}", ":<{LENGTH}", True, False),
        ("a\\u0378", "a\\u0379", True, False),
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
