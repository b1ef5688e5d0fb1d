"""Two programs, of which one reads what the other writes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from fastman_tasks.databases import programs
from fastman_tasks.errors import ProgramFailed

# More than a pipe takes at once.
WRITE = "import sys; sys.stdout.write('x' * 1_000_000); sys.stdout.flush(); sys.exit({})"
READ = "import sys; open(sys.argv[1], 'w').write(sys.stdin.read())"


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", code, *arguments]


def pipe(source: list[str], target: list[str]) -> None:
    programs.pipe(source, target, os.environ, before="first ", after=" last")


def test_a_pipe(tmp_path: Path) -> None:
    """The end is only written if the source has come to its own; what one of them says is the reason."""
    file = tmp_path / "read"
    pipe(python(WRITE.format(0)), python(READ, str(file)))
    assert file.read_text() == f"first {'x' * 1_000_000} last"
    with pytest.raises(ProgramFailed, match="half a file"):
        pipe(python(WRITE.format("'half a file'")), python(READ, str(file)))
    assert file.read_text() == f"first {'x' * 1_000_000}"
    with pytest.raises(ProgramFailed, match="no such table"):
        pipe(python(WRITE.format(0)), python("import sys; sys.exit('no such table')"))
    with pytest.raises(ProgramFailed, match="nowhere"):
        pipe([str(tmp_path / "nowhere")], python(READ, str(file)))
