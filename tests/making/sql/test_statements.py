"""Statements in a migration: written so that the database gets them as they are."""

from __future__ import annotations

import sqlite3
from types import SimpleNamespace
from typing import Any

import pytest

from fastman_tasks.making.sql.statements import StatementsOp, execute

CONTEXT: Any = SimpleNamespace(opts={"alembic_module_prefix": "op."})


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("DROP TABLE users", "op.execute('DROP TABLE users')"),
        ("SELECT 'a'", "op.execute(\"SELECT 'a'\")"),
        ("SELECT ':a'", "op.execute(\"SELECT '\\\\:a'\")"),
        ("SELECT 1::text", "op.execute('SELECT 1::text')"),
        ("SELECT 'a\nb'", 'op.execute(\n    "SELECT \'a\\n"\n    "b\'"\n)'),
    ],
)
def test_a_statement_is_written_as_it_is(sql: str, code: str) -> None:
    """Colons are no parameters, and each line of the statement is one of the file, which may be indented."""
    assert execute(CONTEXT, sql) == code


def test_a_long_statement_has_a_line_of_its_own() -> None:
    """The line stays within what linters allow, as long as the statement does."""
    sql = f"SELECT {', '.join(map(str, range(30)))}"
    assert execute(CONTEXT, sql) == f"op.execute(\n    {sql!r}\n)"
    assert sqlite3.connect(":memory:").execute(eval(execute(CONTEXT, sql).replace("op.execute", ""))).fetchone()


def test_the_way_back_runs_the_other_statements() -> None:
    """An operation that is reversed twice is the same again."""
    operation = StatementsOp("create schema app", ["CREATE SCHEMA app"], ["DROP SCHEMA app"])
    back = operation.reverse()
    assert (back.says, list(back.up), list(back.down)) == (
        "create schema app",
        ["DROP SCHEMA app"],
        ["CREATE SCHEMA app"],
    )
    assert back.reverse().up == operation.up
