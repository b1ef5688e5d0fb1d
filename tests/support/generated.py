"""Models that change, and a walk over the migrations that are generated for them."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from dataclasses import replace
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

import pytest

import services
from command import Sandbox
from dumps import dump
from fastman_tasks.making.decisions import Decisions
from fastman_tasks.making.request import Request
from fastman_tasks.project import Project
from services import opened

HEAD = """
from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, MetaData, String, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass
"""


class Walk:
    """A project whose migrations are made and run by its services, in this process: a warning is an error here."""

    def __init__(self, sandbox: Sandbox, url: str) -> None:
        self._sandbox = sandbox
        self.url = url

    def make(
        self,
        text: str | dict[str, str],
        *,
        message: str = "change",
        allow_drops: bool = False,
        decisions: Decisions | None = None,
    ) -> str | None:
        """The migration to the models ``text``, or those in several modules; None where there is no difference."""
        for path, module in (text if isinstance(text, dict) else {"models.py": text}).items():
            self._sandbox.write(path, module)
        with self._opened() as project:
            asked = Request.of(message)
            decided = replace(decisions or Decisions(no_renames=allow_drops), allow_drops=allow_drops)
            self.draft = draft = project.migration_writer.write(asked, decisions=decided)
        if draft.file is None:
            assert draft.changes == ()
            return None
        made = draft.file.read_text("utf-8")
        # The next one need not wait until a new second begins, and has a name of its own. What was compiled of this one
        # would be taken for that of the next one of the same second.
        Path(cache_from_source(str(draft.file))).unlink(missing_ok=True)
        renamed = draft.file.rename(draft.file.with_name(f"{len(list(draft.file.parent.iterdir()))}.py"))
        os.utime(renamed, (0, 0))
        return made

    def migrate(self) -> None:
        """Apply what is pending."""
        with self._opened() as project:
            services.migrate(project)

    def rollback(self) -> None:
        """Roll the newest back."""
        with self._opened() as project:
            services.rollback(project)

    def reset(self) -> None:
        """Roll all back."""
        with self._opened() as project:
            services.reset(project)

    def up_down_up(
        self, text: str | dict[str, str], *, allow_drops: bool = False, decisions: Decisions | None = None
    ) -> str:
        """From the database as it is to the models ``text``, back and there again. Returns the migration's text."""
        before = dump(self.url)
        made = self.make(text, allow_drops=allow_drops, decisions=decisions)
        assert made is not None
        self.migrate()
        there = dump(self.url)
        self.rollback()
        assert structure(dump(self.url)) == structure(before)
        self.migrate()
        assert structure(dump(self.url)) == structure(there)
        assert self.make(text) is None
        imports = [line.split()[1] for line in made.splitlines() if line.startswith(("import ", "from "))]
        assert {name.partition(".")[0] for name in imports} <= {"alembic", "sqlalchemy", "typing"}
        return made

    def _opened(self) -> AbstractContextManager[Project]:
        return opened(self._sandbox, DATABASE_URL=self.url)


def structure(database: dict[str, Any]) -> dict[str, Any]:
    """A dump without what rolling back need not bring back: names, the order of columns, and values of dropped ones."""
    found = {}
    for table, parts in database.items():
        if isinstance(parts, dict) and "columns" in parts:
            found[table] = {
                "columns": {column["name"]: (column["type"], column["nullable"]) for column in parts["columns"]},
                "keys": sorted((*key["constrained_columns"], key["referred_table"]) for key in parts["foreign keys"]),
                "unique": sorted(key["column_names"] for key in parts["unique"]),
                "checks": sorted(check["sqltext"] for check in parts["checks"]),
                "indexes": sorted((index["column_names"], index["unique"]) for index in parts["indexes"]),
            }
    rows = database["rows"]
    return {**found, "number of rows": {table: len(rows[table]) for table in rows if table != "alembic_version"}}


def fresh(request: pytest.FixtureRequest, server: str) -> str:
    """A new database on the server."""
    driver = {"postgresql": "postgresql+psycopg", "mariadb": "mysql+pymysql"}[server]
    return str(request.getfixturevalue(server).fresh(driver))
