"""What is wrong with version files together, and what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastman_tasks.revisions import files, problems
from fastman_tasks.revisions.problems import VersionFile

# Nothing of it depends on a library.
pytestmark = pytest.mark.thorough

Written = tuple[str, str | tuple[str, ...] | None] | tuple[str, str | tuple[str, ...] | None, str | None, str | None]


def version(name: str, written: Written, folder: str = "versions") -> VersionFile:
    """A version file: its revision, what it follows, its label and what it depends on."""
    revision, after, label, needs = (*written, None, None)[:4]
    names = f"revision = {revision!r}\ndown_revision = {after!r}\nbranch_labels = {label!r}\ndepends_on = {needs!r}\n"
    content = f'"""A migration."""\n{names}\n\ndef upgrade():\n    pass\n'.encode()
    return VersionFile(Path(folder, f"{name}.py"), content, files.find(content), Path(folder))


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ([], ""),
        ([("a", None), ("b", "a"), ("c", "a"), ("d", ("b", "c"))], ""),
        ([("a", None), ("b", "a"), ("c", "a", "shop", None), ("d", "c"), ("e", "b", "news", None)], ""),
        ([("a", None), ("b", "a"), ("c", "a", None, "b")], ""),
        ([("a", None, "shop", None), ("b", None, None, "shop")], ""),
        ([("a", None), ("b", "a"), ("c", "a")], "there are 2 heads: f1 (b), f2 (c)"),
        ([("a", None), ("b", "a"), ("c", "a", "shop", None)], "there are 2 heads"),
        ([("a", None), ("b", "gone")], "f1 follows gone, which no file has"),
        ([("a", None), ("b", "a", None, "gone")], "f1 depends on gone, which no file has"),
        ([("a", None), ("a", None)], "f1 has the revision of f0: a"),
        ([("a", "b"), ("b", "a")], "these revisions follow each other in a circle: "),
        ([("a", None), ("b", "a", None, "c"), ("c", "b")], "these revisions follow each other in a circle: "),
    ],
)
def test_each_problem(written: list[Written], said: str) -> None:
    """One finding, with its file and line; none where branches are meant to stay separate, or one needs the other."""
    found = problems.find([version(f"f{number}", each) for number, each in enumerate(written)])
    assert [each.text[: len(said)] for each in found] == ([said] if said else [])
    assert all(
        (each.file and each.line in (3, 5)) or ("has the revision" in each.text and each.line == 2) for each in found
    )


def test_a_file_that_cannot_be_read() -> None:
    """It is named; nothing else is made of what is missing then but gaps."""
    broken = VersionFile(Path("x.py"), b"", None, Path(), "SyntaxError: no")
    found = problems.find([version("a", ("a", None)), version("c", ("c", "a")), broken])
    assert [each.text for each in found] == ["x cannot be read: SyntaxError: no"]


def test_folders_of_their_own() -> None:
    """Branches in different folders are separate."""
    first = version("a", ("a", None))
    shop, news = (version(each, (each, "a"), each) for each in ("shop", "news"))
    assert problems.find([first, shop, news]) == ()
