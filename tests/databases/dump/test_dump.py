"""A dump makes an equal database of an empty one, whatever is in it, and is the same text for equal databases."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from fastman_tasks.databases import dump, snapshot
from fastman_tasks.databases.database import Database
from fastman_tasks.databases.dump import Dump
from fastman_tasks.databases.dump import file as files
from fastman_tasks.databases.dump.file import DumpFile
from fastman_tasks.databases.dump.order import Part, sort
from fastman_tasks.databases.snapshot import Snapshot
from rich_schemas import SCRIPTS
from servers import Server, connected, execute, in_transaction


def make(url: str, script: str) -> None:
    """Run the statements of ``script``, each of which ends a line."""
    with connected(url) as connection:
        dump.load(connection, re.split(r";\n(?=[A-Z])", script.strip()))
        connection.commit()


def look(url: str) -> tuple[Snapshot, Dump]:
    with in_transaction(url) as connection:
        return snapshot.read(connection), dump.read(connection)


@pytest.mark.parametrize("backend", ["sqlite", "mariadb+pymysql", "postgresql+psycopg"])
def test_what_is_loaded_is_equal(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Schema, rows, and positions of sequences."""
    if backend == "sqlite":
        first, second = (f"sqlite:///{tmp_path}/{name}.db" for name in ("one", "two"))
    else:
        server = request.getfixturevalue(backend.partition("+")[0])
        first, second = server.fresh(backend), server.fresh(backend)
    make(first, SCRIPTS[backend.partition("+")[0]])
    schema, found = look(first)
    assert found.left_out == (("the grants on users",) if backend[0] == "p" else ())
    with connected(second) as connection:
        dump.load(connection, found.statements)
        connection.commit()
    loaded, again = look(second)
    assert schema.differences(loaded) == ()
    assert again.statements == found.statements
    with connected(second) as connection:
        without = dump.read(connection, without={"users", "a"})
    assert not [each for each in without.statements if re.search(r'INTO ("?users|`?a`?|"a") ', each)]


def test_whose_manner_values_are_written_in(postgresql: Server, mariadb: Server) -> None:
    """Nobody's: not that of the user, of the server, or of the time zone that it is loaded in."""
    for server, backend, manner in (
        (
            postgresql,
            "postgresql+psycopg",
            "SET timezone = 'Asia/Kolkata'; SET datestyle = 'SQL, DMY'; SET intervalstyle = sql_standard; "
            "SET bytea_output = escape; SET extra_float_digits = -5",
        ),
        (mariadb, "mariadb+pymysql", "SET time_zone = '+05:00'"),
    ):
        url, other = server.fresh(backend), server.fresh(backend)
        make(url, SCRIPTS[backend.partition("+")[0]])
        _, found = look(url)
        with in_transaction(url) as connection:
            for each in manner.split("; "):
                connection.exec_driver_sql(each)
            assert dump.read(connection).statements == found.statements
        with in_transaction(other) as connection:
            connection.exec_driver_sql(manner.split("; ")[0])
            dump.load(connection, found.statements)
            if backend[0] == "m":
                assert connection.exec_driver_sql("SELECT @@time_zone").scalar_one() == "+05:00"
            connection.commit()
        assert look(other)[1].statements == found.statements


def test_what_no_snapshot_tells(postgresql: Server) -> None:
    """What a column is told for the planner and the storage; and from PostgreSQL 18 on, how a NOT NULL is called."""
    url, other = postgresql.fresh("postgresql+psycopg"), postgresql.fresh("postgresql+psycopg")
    make(url, COLUMNS)
    with connected(url) as connection:
        if connection.exec_driver_sql("SHOW server_version_num").scalar_one() >= "180000":
            dump.load(connection, re.split(r";\n(?=[A-Z])", NAMED.strip()))
            connection.commit()
            names = {"old_name_name_not_null", "a_must", "base_must", "later"}
        else:
            names = set()
    found = look(url)[1].statements
    assert (
        "ALTER TABLE ONLY t ALTER COLUMN a SET (n_distinct=5), ALTER COLUMN a SET STATISTICS 7, ALTER COLUMN b "
        "SET COMPRESSION pglz, ALTER COLUMN b SET STORAGE EXTERNAL" in found
    )
    assert "ALTER INDEX ix ALTER COLUMN 1 SET STATISTICS 9" in found
    with connected(other) as connection:
        dump.load(connection, found)
        connection.commit()
    assert look(other)[1].statements == found
    query = "SELECT conname FROM pg_constraint WHERE contype = 'n' AND conrelid <> 0"
    for each in (url, other):
        assert names <= {name for (name,) in execute(each, query)}
    assert sorted(execute(url, query)) == sorted(execute(other, query))


COLUMNS = """
CREATE TABLE t (a int, b text);
CREATE INDEX ix ON t (lower(b));
ALTER TABLE t ALTER a SET STATISTICS 7, ALTER a SET (n_distinct = 5), ALTER b SET STORAGE EXTERNAL;
ALTER TABLE t ALTER b SET COMPRESSION pglz;
ALTER INDEX ix ALTER 1 SET STATISTICS 9
"""
NAMED = """
CREATE TABLE old_name (name int PRIMARY KEY, note text NOT NULL NO INHERIT);
ALTER TABLE old_name RENAME COLUMN name TO id;
ALTER TABLE old_name RENAME TO new_name;
CREATE TABLE base (a int CONSTRAINT a_must NOT NULL, b int CONSTRAINT base_must NOT NULL);
CREATE TABLE child (c int CONSTRAINT c_must NOT NULL) INHERITS (base);
CREATE TABLE child_2 (a int CONSTRAINT other NOT NULL) INHERITS (base);
CREATE TABLE parts (id int CONSTRAINT part_must NOT NULL, n text NOT NULL) PARTITION BY RANGE (id);
CREATE TABLE part_1 PARTITION OF parts FOR VALUES FROM (1) TO (2);
INSERT INTO t VALUES (NULL, 'x');
ALTER TABLE t ADD CONSTRAINT later NOT NULL a NOT VALID
"""


def test_grants_are_named(postgresql: Server) -> None:
    url = postgresql.fresh("postgresql+psycopg")
    make(
        url,
        "CREATE TABLE t (a int);\nGRANT SELECT (a) ON t TO PUBLIC;\nCREATE TYPE e AS ENUM ('x');\n"
        "REVOKE USAGE ON TYPE e FROM PUBLIC",
    )
    assert look(url)[1].left_out == ("the grants on columns of t", "the grants on type e")


def test_names_with_a_percent_sign_on_asyncpg(postgresql: Server) -> None:
    url = postgresql.fresh("postgresql+psycopg")
    make(url, SCRIPTS["postgresql"])
    there = Database(make_url(url).set(drivername="postgresql+asyncpg"))
    assert there.run(dump.read).statements == look(url)[1].statements


def test_virtual_tables(tmp_path: Path) -> None:
    """The rows of a full text search, with their ids; the index over another table's rows is made anew; what cannot be
    read is named."""
    one, two = (f"sqlite:///{tmp_path}/{name}.db" for name in ("one", "two"))
    make(one, FULL_TEXT)
    found = look(one)[1]
    assert found.left_out == ("the rows of the virtual table blind",)
    with connected(two) as connection:
        dump.load(connection, found.statements)
        connection.commit()
    assert look(two)[1].statements == found.statements
    for url in (one, two):
        assert execute(url, "SELECT rowid, t FROM ft WHERE ft MATCH 'hello'") == [(7, "hello; there")]
        assert execute(url, "SELECT rowid FROM over WHERE over MATCH 'dog'") == [(3,)]


FULL_TEXT = """
CREATE VIRTUAL TABLE ft USING fts5(t, u UNINDEXED);
INSERT INTO ft (rowid, t) VALUES (7, 'hello; there'), (9, 'a
;
b');
CREATE TABLE docs (id INTEGER PRIMARY KEY, body TEXT);
INSERT INTO docs VALUES (3, 'dog');
CREATE VIRTUAL TABLE over USING fts5(body, content='docs', content_rowid='id');
INSERT INTO over (over) VALUES ('rebuild');
CREATE VIRTUAL TABLE blind USING fts5(t, content='');
INSERT INTO blind (rowid, t) VALUES (1, 'x')
"""


def test_a_line_of_a_semicolon() -> None:
    """In a row's text it ends no statement: the file has a line that is in none. Its lines are counted all the same."""
    plain = ("CREATE TABLE t (a text)", "INSERT INTO t VALUES ('a')")
    assert b"\n;\n" in files.write(DumpFile("sqlite", ("r1",), "m", plain))
    awkward = ("SELECT 1", "INSERT INTO t VALUES ('a\n;\nb\n; -- 1\n')", ";\nSELECT 2", "SELECT 3\n;")
    content = files.write(DumpFile("sqlite", ("r1",), "m", awkward))
    found = files.parse(content)
    assert found.statements == awkward and not found.is_edited
    lines = content.decode().split("\n")
    assert [lines[line - 1] for line in found.lines] == [each.split("\n")[0] for each in awkward]
    assert content.count(b"\n; -- 2\n") == len(awkward)


def test_order() -> None:
    """What something needs comes first, otherwise by rank and name; a circle does not stop it."""
    parts = [Part(each, rank, each, ()) for each, rank in (("view", 3), ("table", 2), ("function", 4), ("a", 5))]
    ordered = sort(parts, [("table", "function"), ("view", "table"), ("view", "view"), ("view", "nothing")])
    assert [part.name for part in ordered] == ["function", "table", "view", "a"]
    circle = sort(parts, [("table", "view"), ("view", "table")])
    assert [part.name for part in circle] == ["function", "a", "table", "view"]
