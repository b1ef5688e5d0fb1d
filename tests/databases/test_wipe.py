"""Emptying a database: everything its users have made goes, in the right order; what is others' stays."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from fastman_tasks.databases import snapshot, wipe
from fastman_tasks.errors import MigrationRefused, UsageError
from servers import Server, connected, execute

# The server's catalogs are the same on every version.
pytestmark = pytest.mark.thorough

POSTGRESQL = """
    CREATE TYPE mood AS ENUM ('a');
    CREATE TYPE pair AS (a integer, b integer);
    CREATE TYPE span AS RANGE (subtype = integer);
    CREATE DOMAIN positive AS integer CHECK (value > 0);
    CREATE SEQUENCE numbers;
    CREATE TABLE people (id SERIAL PRIMARY KEY, mood mood, amount positive, boss integer REFERENCES people);
    CREATE TABLE "we%rd ""name" (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, person integer REFERENCES people);
    CREATE TABLE log (day date) PARTITION BY RANGE (day);
    CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
    CREATE VIEW names AS SELECT id FROM people;
    CREATE MATERIALIZED VIEW stored AS SELECT id FROM names;
    CREATE FUNCTION one(people) RETURNS integer LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
    CREATE TRIGGER noting BEFORE INSERT ON people FOR EACH ROW EXECUTE FUNCTION noted();
    CREATE PROCEDURE nothing() LANGUAGE sql AS 'SELECT 1';
    CREATE AGGREGATE total (integer) (SFUNC = int4pl, STYPE = integer);
    CREATE VIEW computed AS SELECT one(p) FROM people p"""
SQLITE = """
    CREATE TABLE people (id INTEGER PRIMARY KEY AUTOINCREMENT, boss INTEGER REFERENCES people (id));
    CREATE TABLE pets (id INTEGER PRIMARY KEY, owner INTEGER REFERENCES people (id));
    CREATE VIEW names AS SELECT id FROM people;
    CREATE VIEW broken AS SELECT missing FROM nowhere;
    CREATE TRIGGER noting AFTER INSERT ON pets BEGIN DELETE FROM people; END;
    CREATE TABLE texts_archive (id INTEGER);
    CREATE VIRTUAL TABLE texts USING fts5(body);
    CREATE INDEX by_owner ON pets (owner);
    INSERT INTO people VALUES (1, 1);
    INSERT INTO pets VALUES (1, 1)"""
MARIADB = """
    CREATE TABLE people (id INTEGER PRIMARY KEY, boss INTEGER, FOREIGN KEY (boss) REFERENCES people (id));
    CREATE TABLE pets (id INTEGER PRIMARY KEY, owner INTEGER, FOREIGN KEY (owner) REFERENCES people (id));
    CREATE TABLE `we%ird` (id INTEGER);
    CREATE VIEW names AS SELECT id FROM people;
    CREATE TRIGGER noting BEFORE INSERT ON pets FOR EACH ROW SET new.id = 1;
    CREATE SEQUENCE numbers;
    CREATE PROCEDURE one() SELECT 1;
    CREATE FUNCTION two() RETURNS INTEGER RETURN 2"""


def fill(url: str, sql: str) -> None:
    """Run the statements."""
    for statement in re.split(r";(?=\s*(?:CREATE|INSERT))", sql):
        execute(url, statement.replace("%", "%%"))


@contextmanager
def connection(url: str) -> Iterator[sa.Connection]:
    """A connection with transactions, and on SQLite without foreign keys."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as opened:
        yield opened


def emptied(url: str, **options: list[str]) -> wipe.Wipe:
    """Empty the database, and return what was dropped."""
    with connection(url) as opened:
        found = wipe.find(opened, **options)
        wipe.drop(opened, found)
        opened.commit()
    return found


def left(url: str) -> list[str]:
    """What is in the database."""
    with connected(url) as opened:
        return [f"{entry.kind} {entry.name}" for entry in snapshot.read(opened).entries if entry.kind != "column"]


def test_postgresql(postgresql: Server) -> None:
    """All kinds go; an extension, its types, grants, an event trigger's function and another schema stay."""
    url = postgresql.fresh("postgresql+psycopg")
    admin = postgresql.admin.set(database=url.rpartition("/")[2])
    fill(url, POSTGRESQL)
    execute(url, "CREATE SCHEMA other")
    execute(url, "CREATE TABLE other.kept (id integer, CONSTRAINT kept_pkey PRIMARY KEY (id))")
    execute(admin, "CREATE EXTENSION vector")
    execute(admin, "CREATE FUNCTION watched() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'")
    execute(admin, "CREATE EVENT TRIGGER watching ON ddl_command_end EXECUTE FUNCTION watched()")
    execute(admin, "CREATE ROLE reader")
    execute(
        admin, f"ALTER DEFAULT PRIVILEGES FOR ROLE {postgresql.user} IN SCHEMA public GRANT SELECT ON TABLES TO reader"
    )
    found = emptied(url)
    assert str(found) == (
        "2 views, 1 materialized view, 4 tables, 1 sequence, 2 functions, 1 procedure, 1 aggregate, 1 domain, 1 enum, "
        "2 types"
    )
    assert found.brief == "4 tables, 12 others"
    assert sorted(found.tables) == ["log", "log_1", "people", 'we%rd "name']
    assert not found.obstacle
    assert left(url) == [
        "constraint other.kept.kept_pkey",
        "extension vector",
        "function public.watched()",
        "schema other",
        "schema public",
        "table other.kept",
    ]
    assert execute(url, "SELECT count(*) FROM pg_default_acl WHERE defaclnamespace = 'public'::regnamespace") == [(1,)]
    assert str(emptied(url)) == "nothing"
    assert emptied(url, schemas=["other"]).tables == ("kept",)


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("CREATE VIEW other.seen AS SELECT id FROM people", "view other.seen"),
        ("CREATE TABLE other.moods (mood mood)", "column mood of table other.moods"),
        ("CREATE TABLE other.a (id integer REFERENCES people)", "constraint a_id_fkey on table other.a"),
        (
            "CREATE TABLE other.b (id integer DEFAULT nextval('numbers'))",
            "default value for column id of table other.b",
        ),
        ("CREATE FUNCTION other.f(mood) RETURNS integer LANGUAGE sql AS 'SELECT 1'", "function other.f(mood)"),
        ("CREATE TABLE other.c PARTITION OF log FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')", "table other.c"),
    ],
)
def test_what_cascade_would_take_along(postgresql: Server, sql: str, named: str) -> None:
    """It is named and refused; with its schema it goes."""
    url = postgresql.fresh("postgresql+psycopg")
    fill(url, POSTGRESQL)
    execute(url, "CREATE SCHEMA other")
    execute(url, sql)
    with connection(url) as opened:
        with pytest.raises(MigrationRefused) as refused:
            wipe.find(opened)
        listed = str(refused.value).splitlines()[1:-1]
        assert listed == [f"  {named}"]
        assert wipe.find(opened, schemas=["public", "other"]).things


def test_tables_to_keep(postgresql: Server) -> None:
    """They stay, rows included; what they need must stay too."""
    url = postgresql.fresh("postgresql+psycopg")
    fill(url, POSTGRESQL)
    execute(url, "CREATE TABLE spatial (id integer)")
    with connection(url) as opened:
        with pytest.raises(MigrationRefused, match=r"column mood of table people"):
            wipe.find(opened, keep=["people"])
        with pytest.raises(UsageError, match="--keep=nope: there is no such table"):
            wipe.find(opened, keep=["nope"])
        with pytest.raises(UsageError, match="--schemas=nope: there is no such schema"):
            wipe.find(opened, schemas=["nope"])
    emptied(url, keep=["spatial"])
    assert left(url) == ["schema public", "table public.spatial"]


def test_more_than_the_lock_table_takes(postgresql: Server) -> None:
    """3,000 tables: it says why it is not atomic, and drops them in batches."""
    url = postgresql.fresh("postgresql+psycopg")
    with connection(url) as opened:
        for start in range(0, 3000, 500):
            opened.exec_driver_sql("".join(f"CREATE TABLE t{at} (id integer);" for at in range(start, start + 500)))
            opened.commit()
    found = emptied(url)
    assert len(found.tables) == 3000
    # A table, its type and that of its arrays; and the new table.
    assert re.search(r"12,000 locks, and the server has \d,\d{3} \(max_locks_per_transaction\)", found.obstacle)
    assert left(url) == ["schema public"]


def test_what_a_table_has_is_locked_too(postgresql: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Constraints, defaults, types and sequences are counted as the server does when all is dropped and made anew."""
    url = postgresql.fresh("postgresql+psycopg")
    checks = ", ".join(f"c{at} integer DEFAULT 0 CHECK (c{at} >= 0)" for at in range(20))
    made = ["CREATE TYPE mood AS ENUM ('well', 'ill')"]
    made += [f"CREATE TABLE t{at} (id serial PRIMARY KEY, mood mood, note text UNIQUE, {checks})" for at in range(9)]
    fill(url, "\n".join(f"{each};" for each in made))
    # Too many, so that the number is said.
    monkeypatch.setattr("fastman_tasks.databases.wipe.postgresql._CAPACITY", "SELECT 1")
    with connection(url) as opened:
        found = wipe.find(opened)
        for each in (*found.statements, *made):
            opened.exec_driver_sql(each)
        locks = opened.exec_driver_sql(LOCKS).scalar_one()
    expected = int(re.findall(r"about ([\d,]+) locks", found.obstacle)[0].replace(",", ""))
    # The catalogs are locked beside it.
    assert 0.9 * locks < expected <= locks


LOCKS = """SELECT count(DISTINCT (locktype, database, relation, classid, objid)) FROM pg_locks
    WHERE pid = pg_backend_pid()"""


def test_sqlite(tmp_path: Path) -> None:
    """Rows that refer to each other, views of nothing, virtual tables with what they keep their content in."""
    url = f"sqlite:///{tmp_path}/shop.db"
    fill(url, SQLITE)
    found = emptied(url, keep=["texts_archive"])
    assert str(found) == "1 trigger, 2 views, 1 virtual table, 2 tables"
    assert left(url) == ["table texts_archive"]
    assert execute(url, "SELECT * FROM sqlite_sequence") == []


def test_mariadb(mariadb: Server) -> None:
    """Foreign keys do not get in the way, and are enforced again afterwards; each statement commits by itself."""
    url = mariadb.fresh("mariadb+pymysql")
    fill(url, MARIADB)
    found = emptied(url)
    assert str(found) == "1 view, 3 tables, 1 sequence, 1 procedure, 1 function"
    assert found.obstacle == "this database commits each DDL statement separately"
    assert left(url) == []
