"""New files: written whole or not at all, never over an old one, never outside their folder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fastman_tasks.errors import FileNotWritten
from fastman_tasks.making import files
from fastman_tasks.making.environment import ENVIRONMENT


def test_a_new_file_gets_its_folders(tmp_path: Path) -> None:
    """Folders on the way are made; the text is UTF-8 with bare line feeds, on every system."""
    file = files.write("größe\n", tmp_path / "a/b/new.py")
    assert file == tmp_path / "a/b/new.py"
    assert file.read_bytes() == "größe\n".encode()


def test_an_existing_file_is_left_as_it_is(tmp_path: Path) -> None:
    """Nothing is ever written over, and the message says so."""
    (tmp_path / "old.py").write_text("mine")
    with pytest.raises(FileNotWritten, match=r"old\.py exists already; it was left as it is\."):
        files.write("theirs", tmp_path / "old.py")
    assert (tmp_path / "old.py").read_text() == "mine"


def test_a_dangling_link_is_not_followed(tmp_path: Path) -> None:
    """A link to a file that is not there is a file that exists: nothing appears where it points."""
    (tmp_path / "link.py").symlink_to(tmp_path / "elsewhere.py")
    with pytest.raises(FileNotWritten, match="exists already"):
        files.write("text", tmp_path / "link.py")
    assert not (tmp_path / "elsewhere.py").exists()


@pytest.mark.parametrize("path", ["file/new.py", "file/deeper/new.py", "n" * 300 + ".py"])
def test_a_place_where_no_file_can_be(tmp_path: Path, path: str) -> None:
    """A folder's name taken by a file, a name too long: one line with the reason, and nothing is left."""
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FileNotWritten, match="cannot be written: ") as refused:
        files.write("text", tmp_path / path)
    assert "exists already" not in str(refused.value)
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "mine"


def test_the_environment_s_templates_are_written_as_they_stand(tmp_path: Path) -> None:
    """Alembic renders script.py.mako later, so it is copied and not rendered; alembic.ini keeps its doubled %."""
    for template, target in ENVIRONMENT.items():
        file = files.copy(template, tmp_path / target)
        assert file.read_text("utf-8") == (files.TEMPLATES / f"{template}.mako").read_text("utf-8")
    assert "${message}" in (tmp_path / ENVIRONMENT["script.py"]).read_text("utf-8")
    assert "%%(year)d_%%(month).2d" in (tmp_path / ENVIRONMENT["alembic.ini"]).read_text("utf-8")


def test_a_generated_env_py_is_about_five_lines() -> None:
    """What Alembic runs in a user's project is a call of this package, not a copy of it."""
    text = (files.TEMPLATES / "env.py.mako").read_text("utf-8")
    code = [line for line in re.sub(r'""".*?"""', "", text, flags=re.DOTALL).splitlines() if line.strip()]
    assert code == ["from fastman_tasks.runtime import run_migrations", "run_migrations()"]
