"""What a generated file imports: sorted, and no name twice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from fastman_tasks.making.source import GeneratedNames

IMPORTS = [
    ("app.models", "User"),
    ("app.models", "URL"),
    ("app.models", "APIKey"),
    ("app.models", "state"),
    ("sqlalchemy", "select"),
    ("sqlalchemy", "insert"),
    ("sqlalchemy.orm", "Session"),
    ("decimal", "Decimal"),
    ("datetime", "timezone"),
    ("datetime", "date"),
]


def test_imports_are_sorted_as_formatters_do() -> None:
    """The standard library, then libraries, then the project; constants, then classes, then the rest."""
    names = GeneratedNames()
    assert [names.import_name(*each) for each in IMPORTS] == [name for _, name in IMPORTS]
    assert names.import_lines == [
        "from datetime import date, timezone",
        "from decimal import Decimal",
        "",
        "from sqlalchemy import insert, select",
        "from sqlalchemy.orm import Session",
        "",
        "from app.models import URL, APIKey, User, state",
    ]


def test_the_first_keeps_its_name() -> None:
    """Of two that are called the same the second is renamed, in a line where linters want it; so is a variable."""
    names = GeneratedNames(["rows"])
    assert names.import_name("app.models", "Session") == "Session"
    assert names.import_name("sqlalchemy.orm", "Session") == "Session_"
    assert names.import_name("app.blog", "Session") == "Session__"
    assert names.import_name("sqlalchemy.orm", "Session") == "Session_"
    assert [names.import_name("sqlalchemy", name) for name in ("update", "select", "column")] == [
        "update",
        "select",
        "column",
    ]
    assert names.import_name("app.models", "rows") == "rows_"
    assert names.import_name("app.models", "select") == "select_"
    assert names.import_name("sqlalchemy", "insert") == "insert"
    assert [names.local(name) for name in ("select", "free", "free", "in", "a b")] == [
        "select__", "free", "free_", "in_", "a_b"
    ]  # fmt: skip
    assert names.import_lines == [
        "from sqlalchemy import column, insert, select, update",
        "from sqlalchemy.orm import Session as Session_",
        "",
        "from app.blog import Session as Session__",
        "from app.models import Session",
        "from app.models import rows as rows_",
        "from app.models import select as select_",
    ]


def test_linters_would_sort_them_so(tmp_path: Path) -> None:
    """Ruff finds nothing to sort, whether names are plain or renamed, and however long a line would be."""
    names = GeneratedNames(["insert", "Bank"])
    for module, name in IMPORTS:
        names.import_name(module, name)
    names.import_name("app.models", "Bank")
    for number in range(12):
        names.import_name("app.other", f"AVeryLongName{number}")
    (tmp_path / "app").mkdir()
    (tmp_path / "app/models.py").touch()
    text = "\n".join([*names.import_lines, ""])
    (tmp_path / "seeder.py").write_text(text, "utf-8")
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--isolated",
        "--no-cache",
        "--line-length=120",
        "--select=I,E,W",
        "-",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, text + done.stdout
