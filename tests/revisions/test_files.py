"""Version files are read, not imported, and it makes no difference to the graph."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from hypothesis import given, settings
from hypothesis import strategies as st

from command import Sandbox
from fastman_tasks.migrating.scripts import in_file_order, plain_headers, read_headers
from fastman_tasks.revisions import files

DOCSTRINGS = [
    '"""message\n\nRevision ID: x\n"""',
    "'one line'",
    'r"""a \\d\ndef upgrade():\nrevision = \'not\'\n"""',
    "",
    "# none",
]
REVISIONS = [
    "revision = {!r}",
    "revision: str = {!r}",
    "revision = ({!r})",
    "revision = {!r}  # made by hand",
    "revision = '' + {!r}",
    "revision = 'older'\nrevision = {!r}",
    "if True:\n    revision = {!r}",
]
PARENTS = [
    "down_revision = {!r}",
    "down_revision: Union[str, None] = {!r}",
    "down_revision = PARENT = {!r}",
    "down_revision = (\n    {!r}\n)",
    "down_revision = list(({!r},)) if {!r} else None",
]
EXTRAS = [
    "branch_labels = None\ndepends_on = None",
    "branch_labels = ()",
    "branch_labels = ('label_{0}',)",
    "branch_labels = ['label_{0}', 'other_{0}']",
    "depends_on: Sequence[str] | None = None",
    "",
]
BODIES = [
    "def upgrade():\n    pass\n",
    "@property\ndef upgrade():\n    revision = 1\n",
    "class Row: pass\n",
    "def upgrade():\n    pass\nbranch_labels = None\n",
    "def upgrade():\n    global revision\n    revision = 'no'\n",
    "async def helper(): ...\n",
]
ENDS = ["\n", "\r\n", "\r"]
HEAD = "from __future__ import annotations\nfrom typing import Sequence, Union\nimport sqlalchemy as sa\n"


def graph(folder: Path, prepare: Callable[[ScriptDirectory], None], **options: Any) -> list[tuple[Any, ...]]:
    """The version files of ``folder``, newest first, with all that Alembic knows of them."""
    scripts = ScriptDirectory(folder, **options)
    prepare(scripts)
    return [
        (each.revision, each.down_revision, each.branch_labels, each.dependencies, each.longdoc, each.doc, each.path)
        for each in scripts.walk_revisions()
    ]


def plain(folder: Path) -> list[tuple[str, str, tuple[str, ...]]] | None:
    """The version files of ``folder`` if their headers alone are the graph, which then is the one of Alembic."""
    read, by_alembic = ScriptDirectory(folder), ScriptDirectory(folder)
    read_headers(read)
    headers = plain_headers(read)
    if headers is None:
        return None
    found = [(str(file), header.revision, header.parents) for file, header in headers]
    assert found == [(each.path, each.revision, parents) for each, parents in in_file_order(by_alembic)]
    return found


@settings(max_examples=100)
@given(st.data())
def test_the_graph_is_that_of_alembic(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """However a file spells its header."""
    folder = tmp_path_factory.mktemp("scripts")
    (folder / "versions").mkdir()
    parent: str | None = None
    for number in range(3):
        name = f"r{number}"
        parts = [
            data.draw(st.sampled_from(DOCSTRINGS)),
            HEAD,
            data.draw(st.sampled_from(REVISIONS)).format(name),
            data.draw(st.sampled_from(PARENTS)).format(parent, parent),
            data.draw(st.sampled_from(EXTRAS)).format(name),
            data.draw(st.sampled_from(BODIES)),
        ]
        text = "\n".join(parts).replace("\n", data.draw(st.sampled_from(ENDS)))
        (folder / "versions" / f"{name}.py").write_bytes(text.encode())
        parent = name
    assert graph(folder, read_headers) == graph(folder, lambda scripts: None)
    plain(folder)


@pytest.mark.parametrize(
    "text",
    [
        "revision = 'a'\ndown_revision = None\nglobals()['down_revision'] = 'b'\n",
        "revision = 'a'\nfrom shared import *\ndown_revision = None\n",
        "from shared import revision\ndown_revision = None\n",
        "revision = 'a'\ndown_revision = None\ndef upgrade(): pass\nfrom shared import *\n",
        "revision = 'a'\ndown_revision = {'b': 1}\n",
        "revision = 1\ndown_revision = None\n",
        "down_revision = None\n",
        "revision = 'a'\n",
        "revision: str\ndown_revision = None\n",
        "for revision in 'ab': pass\ndown_revision = None\n",
        "revision = 'a'\ndown_revision = (\ndef upgrade(): pass\n",
        "revision = 'a\x00'\ndown_revision = None\n",
        "# coding: no-such-encoding\nrevision = 'a'\ndown_revision = None\n",
    ],
)
def test_what_only_an_import_tells(tmp_path: Path, text: str) -> None:
    """A value that is not written out, or may be another one in the end, is not guessed."""
    file = tmp_path / "a.py"
    file.write_text(text, "utf-8")
    assert files.read(file) is None


def versions(tmp_path: Path, **headers: str) -> Path:
    """A folder of Alembic's with a version file for each of ``headers``."""
    (tmp_path / "versions").mkdir()
    for name, header in headers.items():
        given = dict(line.split(" = ", 1) for line in header.splitlines())
        names = ("revision", "down_revision", "branch_labels", "depends_on")
        text = "\n".join(f"{each}: str | None = {given.get(each)}" for each in names)
        (tmp_path / "versions" / f"{name}.py").write_text(f'"""one"""\n{text}\n\n\ndef upgrade():\n    pass\n', "utf-8")
    return tmp_path


def test_headers_alone_are_the_graph(tmp_path: Path) -> None:
    """Of branches and merges, whatever the order of their files."""
    folder = versions(
        tmp_path,
        a="revision = 'a'\ndown_revision = ('c', 'd', 'c')",
        b="revision = 'b'\ndown_revision = None",
        c="revision = 'c'\ndown_revision = 'b'",
        d="revision = 'd'\ndown_revision = 'b'",
    )
    found = plain(folder)
    assert found is not None
    assert [parents for _, _, parents in found] == [("c", "d"), (), ("b",), ("b",)]


@pytest.mark.parametrize(
    "second",
    [
        "revision = 'b'\ndown_revision = 'a'\nbranch_labels = 'line'",
        "revision = 'b'\ndown_revision = None\ndepends_on = 'a'",
        "revision = 'a'\ndown_revision = None",
        "revision = 'b'\ndown_revision = 'none'",
        "revision = 'b'\ndown_revision = 'b'",
        "revision = 'b-c'\ndown_revision = 'a'",
        "revision = 'head'\ndown_revision = 'a'",
        "revision = 'b' + ''\ndown_revision = 'a'",
    ],
)
def test_headers_alone_are_not_the_graph(tmp_path: Path, second: str) -> None:
    """Labels, dependencies, and whatever is wrong, are Alembic's to read."""
    assert plain(versions(tmp_path, one="revision = 'a'\ndown_revision = None", two=second)) is None


def test_an_encoding_of_its_own(tmp_path: Path) -> None:
    """As Python reads it."""
    file = tmp_path / "a.py"
    file.write_bytes("# coding: latin-1\n'gr\xfcn'\nrevision = 'a'\ndown_revision = None\n".encode("latin-1"))
    header = files.read(file)
    assert header is not None and header.docstring == "grün"


def test_folders(tmp_path: Path) -> None:
    """Files that are no version files, folders in folders, a folder twice, a link to a file."""
    outer = tmp_path / "versions"
    inner = outer / "2026" / "11"
    inner.mkdir(parents=True)
    (outer / "__init__.py").write_text("raise RuntimeError")
    (outer / ".#a.py").write_text("raise RuntimeError")
    (outer / "notes.txt").write_text("x")
    (outer / "a.py").write_text("revision = 'a'\ndown_revision = None\n")
    (inner / "b.py").write_text("revision = 'b'\ndown_revision = 'a'\n")
    (inner / "c.py").symlink_to(outer / "a.py")
    for recursive in (True, False):
        options = {"version_locations": [str(outer)], "recursive_version_locations": recursive}
        with pytest.warns(UserWarning) if recursive else nullcontext():
            read = graph(tmp_path, read_headers, **options)
        with pytest.warns(UserWarning) if recursive else nullcontext():
            assert read == graph(tmp_path, lambda scripts: None, **options)


def test_only_what_runs_is_imported(project: Sandbox) -> None:
    """A file that is broken below its header stops what runs it, before the first step, and nothing else."""
    project.add_environment()
    project.add_migration("one", "a1", None, 'print("one runs")')
    project.add_migration("two", "b1", "a1", "pass")
    project.replace("database/migrations/versions/two.py", "def upgrade():", "no_such_name\n\n\ndef upgrade():")
    assert "2 pending" in project.inv("migrate.status").stdout
    failed = project.inv("database.migrate", code=1)
    assert "database/migrations/versions/two.py:" in failed.stderr
    assert "NameError: name 'no_such_name' is not defined" in failed.stderr
    assert "one runs" not in failed.stdout
    assert re.search("0 applied, 2 pending", project.inv("migrate.status").stdout)
    assert "1 migration applied" in project.inv("database.migrate", "--to=a1").stdout
