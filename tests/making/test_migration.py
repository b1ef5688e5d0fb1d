"""Skeletons: every message form becomes a file that runs up and down, on every database."""

from __future__ import annotations

import ast
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

import services
from command import Sandbox
from fastman_tasks.errors import FastmanError
from fastman_tasks.making.migration import Draft
from fastman_tasks.making.request import Request
from fastman_tasks.project import Project
from services import opened

BASELINE = """
    op.create_table(
        "users",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("email", sa.String(100), nullable=False),
        sa.Column("nick name", sa.String(50), server_default="it's % me"),
        sa.Column("visits", sa.Integer, nullable=False, server_default="0"),
        sa.Column("balance", sa.Numeric(10, 2)),
        sa.UniqueConstraint("email", name="uq_users_email"),
    )
    op.create_table(
        "posts",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id", name="fk_posts_user"), nullable=False),
        sa.Column("state", sa.Enum("draft", "public", name="post_state"), nullable=False, server_default="draft"),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("body", sa.Text),
    )
    op.create_index("ix_posts_title", "posts", ["title"])
    op.create_table("order", sa.Column("select", sa.Integer, primary_key=True), sa.Column("group", sa.String(9)))
    op.create_table("notes", sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.Text))
    op.create_table(
        "comments",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id", name="fk_comments_user"), nullable=False),
        sa.Column("mood", sa.String(9), server_default="so :so"),
    )
    op.create_index("ix_comments_user_id", "comments", ["user_id"])
"""
BASELINE_DOWN = """
    op.drop_table("comments")
    op.drop_table("notes")
    op.drop_table("order")
    op.drop_table("posts")
    op.drop_table("users")
"""
Schema = dict[str, dict[str, Any]]


def schema(project: Project) -> Schema:
    """All that the database knows of the project's tables."""

    def read(connection: sa.Connection) -> Schema:
        inspector = sa.inspect(connection)
        return {
            table: {
                "columns": {
                    column["name"]: (str(column["type"]), column["nullable"], str(column["default"]))
                    for column in inspector.get_columns(table)
                },
                "indexes": sorted((i["name"] or "", tuple(i["column_names"])) for i in inspector.get_indexes(table)),
                "keys": sorted(
                    (k["name"] or "", *k["constrained_columns"], k["referred_table"])
                    for k in inspector.get_foreign_keys(table)
                ),
                "unique": sorted(
                    (u["name"] or "", *u["column_names"]) for u in inspector.get_unique_constraints(table)
                ),
                "primary": inspector.get_pk_constraint(table)["constrained_columns"],
            }
            for table in inspector.get_table_names()
            if table not in ("alembic_version", "fastman_history")
        }

    return project.database.run(read)


class Skeletons:
    """A sandbox whose database has the baseline's tables, and no models."""

    def __init__(self, sandbox: Sandbox, url: str) -> None:
        self.sandbox = sandbox
        self.url = url
        sandbox.add_environment()
        sandbox.add_migration("2026_01_01_000000_baseline", "1a1a", None, BASELINE, BASELINE_DOWN)
        with opened(sandbox, DATABASE_URL=url) as project:
            services.migrate(project)
            self.schema = schema(project)

    def draft(self, message: str, **flags: Any) -> Draft:
        """What ``make.migration`` writes for ``message``; a file that was written lies a minute back."""
        with opened(self.sandbox, DATABASE_URL=self.url) as project:
            draft = project.migration_writer.write(Request.of(message, **flags))
        assert draft.file is not None
        # The next one need not wait until a new second begins.
        os.utime(draft.file, (0, 0))
        return draft

    def up_and_down(self, draft: Draft) -> tuple[Schema, Schema, Schema]:
        """The schema before, with, and again without what ``draft`` does; its file is removed."""
        assert draft.file is not None
        before = self.schema
        with opened(self.sandbox, DATABASE_URL=self.url) as project:
            services.migrate(project)
        with opened(self.sandbox, DATABASE_URL=self.url) as project:
            during = schema(project)
            services.rollback(project)
            self.schema = schema(project)
        draft.file.unlink()
        return before, during, self.schema


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def skeleton(request: pytest.FixtureRequest, project: Sandbox) -> Iterator[Skeletons]:
    """The baseline's tables on each database in turn."""
    if request.param == "sqlite":
        url = "sqlite:///shop.db"
    else:
        server = request.getfixturevalue(request.param)
        url = server.fresh({"postgresql": "postgresql+psycopg", "mariadb": "mysql+pymysql"}[request.param])
    return Skeletons(project, url)


def columns(found: Schema, table: str) -> set[str]:
    """The names of the columns of ``table``."""
    return set(found[table]["columns"])


FORMS: dict[str, Callable[[Schema], bool]] = {
    "create carts table": lambda s: "carts" in s and columns(s, "carts") == {"id", "created_at"},
    "create select table": lambda s: "select" in s and columns(s, "select") == {"id", "created_at"},
    "create größen table": lambda s: "größen" in s,
    "drop posts table": lambda s: "posts" not in s and "users" in s,
    "drop comments table": lambda s: "comments" not in s,
    "drop mood from comments": lambda s: columns(s, "comments") == {"id", "user_id"},
    "drop order table": lambda s: "order" not in s,
    "rename posts to articles": lambda s: "posts" not in s and "title" in columns(s, "articles"),
    "add phone column to users": lambda s: "phone" in columns(s, "users"),
    "add is_admin and seen_at and team_id columns to users": lambda s: (
        {"is_admin", "seen_at", "team_id"} < columns(s, "users")
    ),
    "add order to order": lambda s: "order" in columns(s, "order"),
    "drop visits from users": lambda s: columns(s, "users") == {"id", "email", "nick name", "balance"},
    "drop balance and visits columns from users": lambda s: columns(s, "users") == {"id", "email", "nick name"},
    "drop state from posts": lambda s: "state" not in columns(s, "posts"),
    "rename visits to views on users": lambda s: (
        {"views"} < columns(s, "users") and "visits" not in columns(s, "users")
    ),
    "rename email column to mail on users": lambda s: (
        {"mail"} < columns(s, "users") and "email" not in columns(s, "users")
    ),
    "rename state to status on posts": lambda s: "status" in columns(s, "posts"),
}


@pytest.mark.thorough
def test_every_form_runs_up_and_down(skeleton: Skeletons) -> None:
    """The file does what the message asks for as it was generated, and rolling back leaves no trace of it."""
    for message, achieved in FORMS.items():
        draft = skeleton.draft(message)
        assert draft.note is None, f"{message}: {draft.note}"
        assert draft.file is not None
        compile(draft.file.read_text("utf-8"), str(draft.file), "exec")
        before, during, after = skeleton.up_and_down(draft)
        assert achieved(during), f"{message} did not do it: {during}"
        assert not achieved(before), f"{message}: the check holds before, too"
        assert after == before, f"{message} did not come back"


def test_what_cannot_be_done_leaves_an_empty_body(skeleton: Skeletons) -> None:
    """A message that does not fit the tables, or is not understood, gives a file that does nothing, and the reason."""
    for message, why in {
        "create users table": "the table users exists already",
        "drop carts table": "there is no table carts",
        "drop users table": "comments, posts refer to the table users",
        "rename carts to bags": "there is no table carts",
        "rename posts to users": "the table users exists already",
        "add email to users": "the column users.email exists already",
        "add email to carts": "there is no table carts",
        "drop phone from users": "there is no column users.phone",
        "drop email from users": "the column users.email is part of a key, a constraint or an index",
        "drop user_id from posts": "the column posts.user_id is part of a key",
        "drop id from posts": "the column posts.id is part of a key",
        "rename phone to mail on users": "there is no column users.phone",
        "rename visits to email on users": "the column users.email exists already",
        "create carts index": "there is no table carts",
        "create posts index": 'op.create_index("ix_posts_user_id", "posts", ["user_id"])',
        "drop posts index": 'op.drop_index("ix_posts_user_id", "posts")',
    }.items():
        draft = skeleton.draft(message)
        assert why in str(draft.note), message
        assert (draft.upgrade, draft.downgrade) == ("pass", "pass")
        assert draft.file is not None
        draft.file.unlink()

    draft = skeleton.draft("tidy up")
    assert (draft.note, draft.upgrade, draft.downgrade) == (None, "pass", "pass")
    before, during, after = skeleton.up_and_down(draft)
    assert before == during == after


def test_a_name_that_is_too_long_for_the_database(skeleton: Skeletons) -> None:
    """A name the database cannot hold is told; only SQLite takes it."""
    long = "a" * 70
    for message in (f"create {long} table", f"rename posts to {long}", f"add {long} to users"):
        draft = skeleton.draft(message)
        if skeleton.url.startswith("sqlite"):
            assert draft.note is None
        else:
            assert f"{long} is longer than" in str(draft.note)
        before, during, after = skeleton.up_and_down(draft)
        assert (during == before) is not skeleton.url.startswith("sqlite")
        assert after == before


def test_pending_migrations_are_not_guessed_over(skeleton: Skeletons) -> None:
    """With migrations pending the tables are not known: only creating one is written, anything else left empty."""
    first = skeleton.draft("create carts table")
    second = skeleton.draft("add phone to users")
    assert second.note == "1 migration pending, so the tables are not known yet"
    third = skeleton.draft("create bags table")
    assert third.note is None
    assert all(draft.file is not None for draft in (first, second, third))
    with opened(skeleton.sandbox, DATABASE_URL=skeleton.url) as project:
        before = schema(project)
        assert [each.name[18:] for each in project.migrator.pending()] == [
            "create_carts_table", "add_phone_to_users", "create_bags_table",
        ]  # fmt: skip
        services.migrate(project)
        assert schema(project).keys() - before.keys() == {"carts", "bags"}
    with opened(skeleton.sandbox, DATABASE_URL=skeleton.url) as project:
        services.reset(project)
        assert schema(project) == {}


@pytest.fixture
def plain(project: Sandbox) -> Skeletons:
    """The baseline's tables on SQLite."""
    return Skeletons(project, "sqlite:///shop.db")


HOSTILE = [
    "../../etc/passwd",
    "/tmp/evil",
    "a/../../b",
    "..",
    "say 'hi'",
    'say "hi"',
    "'''",
    '"""',
    'end with "',
    "\\",
    "back\\slash and end\\",
    "\\N{BULLET} \\x00 \\u12",
    "${1/0} <% raise %> ## %",
    "% for x in y:",
    "größe für ñandú",
    "日本語のテーブル",
    "😀 emoji",
    "class",
    "None",
    "import",
    "create class table",
    "__init__",
    "{braces} {0} %(here)s %s",
    "a" * 200,
    "x.py",
    "CON",
    "﷽ right",
]


@pytest.mark.parametrize("flags", [{}, {"empty": True}])
def test_hostile_messages(plain: Skeletons, flags: dict[str, bool]) -> None:
    """Whatever is in a message: one file in the versions folder, valid Python, the message as typed; or a refusal."""
    written = 0
    for message in HOSTILE:
        before = plain.sandbox.files()
        around = {path.name for path in plain.sandbox.root.parent.iterdir()}
        try:
            draft = plain.draft(message, **flags)
        except FastmanError as refused:
            assert refused.code == 2, message
            assert plain.sandbox.files() == before
            continue
        written += 1
        assert draft.file is not None
        new = plain.sandbox.files() - before
        assert new == {draft.file.relative_to(plain.sandbox.root).as_posix()}, message
        assert draft.file.parent == plain.sandbox.root / "database/migrations/versions"
        assert {path.name for path in plain.sandbox.root.parent.iterdir()} == around
        documented = ast.get_docstring(ast.parse(draft.file.read_text("utf-8")), clean=False)
        assert documented is not None
        assert documented.startswith(f"{message}\n\nRevision ID: "), message
        with opened(plain.sandbox, DATABASE_URL=plain.url) as project:
            assert project.migrator.graph.revisions[-1].file == draft.file
            assert project.migrator.graph.revisions[-1].message == message.strip()
        draft.file.unlink()
    assert written > 20


def test_flags_that_name_the_table(plain: Skeletons) -> None:
    """--create and --table make a skeleton for that table of any message; --empty makes one with an empty body."""
    created = plain.draft("carry the shopping", create="carts")
    assert plain.up_and_down(created)[1].keys() >= {"carts", "users"}
    added = plain.draft("add phone", table="users")
    assert "phone" in columns(plain.up_and_down(added)[1], "users")


def test_two_migrations_at_once_sort_in_order(project: Sandbox) -> None:
    """Made right after each other, in an order against the alphabet, they are still listed as they were made."""
    project.add_environment()
    made: list[Path] = []
    for message in ("zebra", "apple", "apple"):
        with opened(project) as shop:
            draft = shop.migration_writer.write(Request.of(message))
        assert draft.file is not None
        made.append(draft.file)
    assert sorted(made) == made
    assert len(set(made)) == 3
