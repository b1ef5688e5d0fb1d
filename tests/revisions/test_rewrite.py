"""What a version file revises is changed in place: every other byte stays."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from fastman_tasks.errors import FileNotWritten
from fastman_tasks.revisions import rewrite

BODY = "\n\n\ndef upgrade():\n    op.execute('a1')  # down_revision = 'a1'\n"
DOWN, NEW = 'down_revision = "a1"', 'down_revision = "c1"'


@pytest.mark.parametrize(
    ("source", "old", "new", "expected"),
    [
        ("down_revision = 'a1'", "a1", "c1", "down_revision = 'c1'"),
        ('down_revision: str | None = "a1"  # é a1', "a1", "c1", 'down_revision: str | None = "c1"  # é a1'),
        ("größe = 'é'; down_revision = 'a1' ; x = 1", "a1", "c1", "größe = 'é'; down_revision = 'c1' ; x = 1"),
        ("down_revision = None", "", "c1", 'down_revision = "c1"'),
        ("down_revision = ('a1')", "a1", "c1", "down_revision = ('c1')"),
        ("down_revision = (\n    'a1',  # users\n)", "a1", "c1", "down_revision = (\n    'c1',  # users\n)"),
        ('down_revision = ("b1", "a1")  # both', "b1 a1", "b1 c1", 'down_revision = ("b1", "c1")  # both'),
        ("down_revision = ('b1', 'a1')", "b1 a1", "c1", "down_revision = 'c1'"),
        ("a = 'a1'\ndown_revision = a", "a1", "c1", "a = 'a1'\ndown_revision = \"c1\""),
        ('"""New\n\nRevises: a1\n"""\n' + DOWN, "a1", "c1", '"""New\n\nRevises: c1\n"""\n' + NEW),
        ('"""\nRevises:\n"""\ndown_revision = None', "", "c1", '"""\nRevises: c1\n"""\ndown_revision = "c1"'),
        ('"""\nRevises: b1, a1 \n"""\ndown_revision = "b1", "a1"', "b1 a1", "c1", '"""\nRevises: c1 \n"""\n' + NEW),
        # Not ours: it names something else.
        ('"""\nRevises: the a1 plan\n"""\n' + DOWN, "a1", "c1", '"""\nRevises: the a1 plan\n"""\n' + NEW),
        ("down_revision = 'a1'", "a1", "it's", """down_revision = "it's\""""),
    ],
)  # fmt: skip
@pytest.mark.parametrize(("newline", "encoding"), [("\n", "latin-1"), ("\r\n", "utf-8-sig"), ("\r", "utf-8")])
def test_one_value_changes(source: str, old: str, new: str, expected: str, newline: str, encoding: str) -> None:
    """Whatever ends the lines, and whatever the encoding."""
    head = "# -*- coding: latin-1 -*-\n" if encoding == "latin-1" else "\n"
    content, wanted = ((head + text + BODY).replace("\n", newline).encode(encoding) for text in (source, expected))
    assert rewrite.rewrite(content, old.split(), new.split()) == wanted


@pytest.mark.parametrize(
    "source",
    [
        "x = 1",
        "down_revision = 'a1'\ndown_revision = 'b1'",
        "if True:\n    down_revision = 'a1'",
        "down_revision = other = 'a1'",
        "down_revision = 'a1'\ndel down_revision",
        "def down_revision(",
        b"down_revision = '\xff'",
    ],
)
def test_what_cannot_be_rewritten_is_named(tmp_path: Path, source: str | bytes) -> None:
    """With what to write by hand."""
    file = tmp_path / "x.py"
    file.write_bytes(source if isinstance(source, bytes) else source.encode())
    with pytest.raises(FileNotWritten, match=r'x.py cannot be rewritten: .* by hand to down_revision = "c1"'):
        rewrite.change_parents(file, ["a1"], ["c1"])


def two(folder: Path) -> list[rewrite.Change]:
    """Two files, and the change of both."""
    for name in ("one", "two"):
        (folder / f"{name}.py").write_text("down_revision = 'a1'\n")
    (folder / "one.py").chmod(0o600)
    return [rewrite.change_parents(folder / f"{name}.py", ["a1"], ["c1"]) for name in ("one", "two")]


def test_files_are_replaced_as_a_whole(tmp_path: Path) -> None:
    """Nothing is left beside them, and who may read them stays."""
    rewrite.write(two(tmp_path))
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == {
        "one.py": "down_revision = 'c1'\n",
        "two.py": "down_revision = 'c1'\n",
    }
    assert stat.S_IMODE((tmp_path / "one.py").stat().st_mode) == 0o600


def test_all_files_or_none(tmp_path: Path) -> None:
    """The second one has been edited in the meantime, or cannot be replaced: the first one is as it was."""
    changes = two(tmp_path)
    (tmp_path / "two.py").write_text("down_revision = 'a1'  # edited\n")
    with pytest.raises(FileNotWritten, match=r"two\.py has been changed in the meantime"):
        rewrite.write(changes)
    assert (tmp_path / "one.py").read_text() == "down_revision = 'a1'\n"
    (tmp_path / "two.py").unlink()
    (tmp_path / "two.py").mkdir()
    with pytest.raises(FileNotWritten, match=r"two\.py cannot be written"):
        rewrite.write(changes)
    assert (tmp_path / "one.py").read_text() == "down_revision = 'a1'\n"
    assert {each.name for each in tmp_path.iterdir()} == {"one.py", "two.py"}


def test_files_are_written_before_anything_else_is_done(tmp_path: Path) -> None:
    """A full disk is noticed before a migration is rolled back."""
    changes = two(tmp_path)
    with rewrite.prepare(changes) as move:
        assert sum(each.read_bytes() == changes[0].after for each in tmp_path.iterdir()) == 2
        assert [each.file.read_bytes() for each in changes] == [each.before for each in changes]
        move()
    assert [each.file.read_bytes() for each in changes] == [each.after for each in changes]


def test_a_link_stays_one(tmp_path: Path) -> None:
    """What it leads to is rewritten."""
    (tmp_path / "elsewhere").mkdir()
    change, _ = two(tmp_path / "elsewhere")
    link = tmp_path / "one.py"
    link.symlink_to(change.file)
    rewrite.write([rewrite.change_parents(link, ["a1"], ["c1"])])
    assert link.is_symlink() and change.file.read_bytes() == change.after
