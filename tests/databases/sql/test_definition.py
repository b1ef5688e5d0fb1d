"""The text of a table is taken apart and written again."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from fastman_tasks.databases.sql.definition import parse

USERS = """CREATE TABLE "us ers" (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, -- a comment, with (
    email VARCHAR(50) COLLATE "NOCASE" NOT NULL DEFAULT 'a, (' /* ) */,
    age INTEGER CONSTRAINT young CHECK (age > 0) CHECK(age < 9) DEFAULT -1 UNIQUE ON CONFLICT FAIL,
    size INT DEFAULT (1 + 2) NOT NULL, empty DEFAULT NULL NULL, [x y] DOUBLE PRECISION DEFAULT CURRENT_TIMESTAMP,
    team INT REFERENCES teams(id) ON DELETE SET NULL ON UPDATE SET DEFAULT NOT DEFERRABLE INITIALLY DEFERRED NOT NULL,
    twice INTEGER GENERATED ALWAYS AS (age * 2) STORED, "select" NUMERIC(10, 2) AS (age), `a``b` CONSTRAINT n NOT NULL,
    CONSTRAINT old CHECK (age > 0), UNIQUE (age, "select"), FOREIGN KEY(team, "x y") REFERENCES x (a, b)
) STRICT"""


def test_the_parts() -> None:
    """Each clause of each column, whatever stands in it."""
    found = parse(USERS)
    assert found is not None
    parts = {
        column.name: (column.type, [(each.kind, each.name) for each in column.clauses]) for column in found.columns
    }
    assert parts == {
        "id": ("INTEGER", [("NOT", None), ("PRIMARY", None)]),
        "email": ("VARCHAR(50)", [("COLLATE", None), ("NOT", None), ("DEFAULT", None)]),
        "age": ("INTEGER", [("CHECK", "young"), ("CHECK", None), ("DEFAULT", None), ("UNIQUE", None)]),
        "size": ("INT", [("DEFAULT", None), ("NOT", None)]),
        "empty": ("", [("DEFAULT", None), ("NULL", None)]),
        "x y": ("DOUBLE PRECISION", [("DEFAULT", None)]),
        "team": ("INT", [("REFERENCES", None), ("NOT", None)]),
        "twice": ("INTEGER", [("GENERATED", None)]),
        "select": ("NUMERIC(10, 2)", [("AS", None)]),
        "a`b": ("", [("NOT", "n")]),
    }
    keys = [(each.kind, each.name, each.columns) for each in found.constraints]
    assert keys[1:] == [("UNIQUE", None, ["age", "select"]), ("FOREIGN", None, ["team", "x y"])]
    assert (keys[0][:2], found.constraints[0].condition) == (("CHECK", "old"), "age > 0")
    assert found.options == "STRICT"
    assert found.counts_up


@pytest.mark.parametrize(
    "sql",
    [
        USERS.replace(" STRICT", ""),
        "CREATE TABLE a (b, c PRIMARY KEY DESC ON CONFLICT IGNORE) WITHOUT ROWID",
        "CREATE TABLE a (b TEXT DEFAULT 'it''s', c BLOB DEFAULT x'00', d REAL DEFAULT 1.5e3, e DEFAULT +1 NOT NULL)",
        "CREATE TABLE a(b INT CHECK(b IN(1,2)),CHECK(b>0),PRIMARY KEY(b))",
        "CREATE TABLE a (\"Größe\" INT, 'text' INT, b INT UNIQUE)",
    ],
)
def test_written_again_it_is_the_same_table(sql: str) -> None:
    """SQLite tells the same of both, and what is written can be taken apart again."""
    name, told = tell(sql)
    found = parse(sql)
    assert found is not None
    again = found.create(f'"{name}"')
    assert tell(again) == (name, told)
    parsed = parse(again)
    assert parsed is not None
    assert parsed.create("same") == found.create("same")


def tell(sql: str) -> tuple[str, list[tuple[object, ...]]]:
    """The name of the only table that ``sql`` makes, and what SQLite tells of it."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(sql)
        (name,) = connection.execute("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite%'").fetchone()
        pragmas = ("table_xinfo", "foreign_key_list", "index_list", "table_list")
        return name, [row for pragma in pragmas for row in connection.execute(f'PRAGMA {pragma}("{name}")')]


@pytest.mark.parametrize("sql", ["CREATE VIRTUAL TABLE a USING fts5(b)", "not a table"])
def test_what_is_no_table(sql: str) -> None:
    """A virtual table has no columns in its text."""
    assert parse(sql) is None
