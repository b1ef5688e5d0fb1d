"""What the text of a statement tells: what certainly loses nothing, and what certainly drops or deletes."""

from __future__ import annotations

import pytest

from fastman_tasks.databases.statements import find_copy, find_effects, loses_nothing, select_changes

BODY = "AFTER UPDATE ON a BEGIN UPDATE b SET c = CASE WHEN 1 THEN 2 END; DELETE FROM c WHERE d = ';'; END"


@pytest.mark.parametrize(
    ("sql", "keeps"),
    [
        ("CREATE TABLE a (b INT)", True),
        ("create index i on a (b);", True),
        ("INSERT INTO a VALUES ('; DROP TABLE a')", True),
        ("INSERT INTO a VALUES (1) ON CONFLICT (b) DO UPDATE SET b = 1", False),
        ("CREATE OR REPLACE VIEW v AS SELECT 1", False),
        ("SELECT setval('s', 1)", True),
        ("SELECT f()", False),
        ("COMMENT ON TABLE a IS 'drop'", True),
        ("UPDATE a SET b = 1", False),
        ("CREATE TABLE a (b INT); DELETE FROM c", False),
        ('ALTER INDEX "a b" RENAME TO c', True),
        ("ALTER TABLE s.a RENAME CONSTRAINT b TO c", True),
        ("ALTER TABLE a RENAME INDEX b TO `c`", True),
        ("ALTER TABLE a RENAME CONSTRAINT b TO c, DROP COLUMN d", False),
        ("ALTER TYPE mood ADD VALUE IF NOT EXISTS 'drop' AFTER 'b'", True),
        ("ALTER TYPE \"a b\".mood RENAME VALUE 'a' TO 'b'", True),
        ("ALTER TYPE mood RENAME TO mood_old", True),
        ("ALTER TYPE pair DROP ATTRIBUTE a CASCADE", False),
        ("DROP TYPE mood", True),
        ('drop type if exists public.mood, "Mood" restrict', True),
        ("DROP TYPE mood CASCADE", False),
        ("ALTER TABLE users ADD CONSTRAINT c CHECK (mood <> 'b'::mood)", True),
        ("ALTER TABLE users ADD CONSTRAINT c CHECK (true), DROP COLUMN a", False),
        ("DROP SCHEMA billing RESTRICT", True),
        ('DROP SCHEMA "b c" CASCADE', False),
        ("ALTER TABLE a ALTER COLUMN b DROP IDENTITY", True),
        ("ALTER TABLE a ALTER COLUMN b ADD GENERATED ALWAYS AS IDENTITY (START WITH 1)", True),
        ("ALTER TABLE a ALTER COLUMN b DROP IDENTITY, DROP COLUMN c", False),
        ("CREATE TABLE a (b INT REFERENCES c (d) ON DELETE CASCADE)", True),
        ("PRAGMA legacy_alter_table=ON", True),
        ("PRAGMA writable_schema=ON", False),
        (f"CREATE TRIGGER t {BODY}", True),
        (f"CREATE TEMP TRIGGER t {BODY}; DELETE FROM c", False),
        ("CREATE TRIGGER t AFTER UPDATE ON a EXECUTE FUNCTION f(); DELETE FROM c", False),
        ("DROP INDEX ix_users_email", True),
        ("DROP INDEX CONCURRENTLY IF EXISTS s.ix", True),
        ("DROP INDEX ix ON users", True),
        ("DROP INDEX ix; DROP TABLE users", False),
        ("DROP SEQUENCE numbers", True),
        ("DROP SEQUENCE numbers CASCADE", False),
        ("DROP VIEW active_users", True),
        ("DROP VIEW active_users CASCADE", False),
        ("DROP TRIGGER t ON users", True),
        ("ALTER TABLE users DROP CONSTRAINT c", True),
        ("ALTER TABLE users DROP CONSTRAINT c, DROP COLUMN d", False),
        ("ALTER TABLE users DROP CONSTRAINT c CASCADE", False),
        ("ALTER TABLE users ALTER COLUMN a SET NOT NULL", True),
        ("ALTER TABLE users ALTER COLUMN a DROP DEFAULT", True),
        ("ALTER TABLE users ALTER COLUMN a TYPE int", False),
        ("UPDATE users SET age = 3 WHERE age IS NULL", True),
        ('UPDATE s."users" SET "a" = \'x, (y)\' WHERE "a" IS NULL', True),
        ('UPDATE users SET "a" = 1 WHERE "b" IS NULL', False),
        ("UPDATE users SET a = 1, b = 2 WHERE a IS NULL", False),
        ("UPDATE users SET a = 1 WHERE a IS NULL OR b = 2", False),
        ("UPDATE users SET a = (SELECT 1) WHERE a IS NULL", False),
        ("UPDATE users SET a = 1 WHERE a IS NULL; DELETE FROM users", False),
        ("UPDATE users SET a = 'it''s' WHERE a = 'b' /* a renamed member */", True),
        ("UPDATE users SET a = 'c' WHERE a = 'b'", False),
        ("UPDATE users SET a = 'c' WHERE b = 'b' /* a renamed member */", False),
        ("UPDATE users SET a = 'c'; DELETE FROM users WHERE a = 'b' /* a renamed member */", False),
        ("", True),
    ],
)
def test_what_keeps_everything(sql: str, keeps: bool) -> None:
    """Each statement has to be one that only adds; what stands in texts is not looked at."""
    assert loses_nothing(sql) is keeps


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("DROP TABLE a", ["drop table a"]),
        ("drop table if exists a, s.b cascade", ["drop table a", "drop table s.b"]),
        ('DROP TABLE Users, "Users", "odd "" name"', ["drop table users", "drop table Users", 'drop table odd " name']),
        ("DROP TABLE `a b`", ["drop table a b"]),
        ("-- why\nDROP TABLE a; /* DROP TABLE b; */ DROP TABLE c", ["drop table a", "drop table c"]),
        ("TRUNCATE a, b RESTART IDENTITY", ["delete a", "delete b"]),
        ("TRUNCATE TABLE ONLY a", ["delete a"]),
        ("DELETE FROM a WHERE b = 'x; DROP TABLE c'", ["delete a"]),
        ("DELETE a FROM a JOIN b ON a.c = b.c", ["delete"]),
        ("DROP SCHEMA old CASCADE", ["delete"]),
        ("DROP SCHEMA old RESTRICT", []),
        ("ALTER TABLE a DROP COLUMN b, DROP COLUMN IF EXISTS c", ["drop column a b", "drop column a c"]),
        ("ALTER TABLE IF EXISTS ONLY s.a DROP COLUMN b", ["drop column s.a b"]),
        ("ALTER TABLE a DROP CONSTRAINT b", []),
        ("ALTER TABLE a ADD COLUMN b INT", []),
        ("ALTER TABLE s.a RENAME TO b", ["rename table s.a s.b"]),
        ("ALTER TABLE a RENAME b TO c", ["rename column a b c"]),
        ("ALTER TABLE a RENAME COLUMN b TO c", ["rename column a b c"]),
        ("CREATE TABLE a (b INT)", ["create table a"]),
        ("CREATE TABLE a AS SELECT 1", ["create table a"]),
        ("CREATE TABLE IF NOT EXISTS a (b INT)", []),
        ("DROP INDEX a; DROP VIEW b; DROP TYPE c", []),
        (f"CREATE TRIGGER t {BODY}; DROP TABLE a", ["drop table a"]),
        ("UPDATE a SET b = 'DELETE FROM c'", []),
        ("DO $$ BEGIN DELETE FROM a; END $$", []),
        ("INSERT INTO a VALUES ($x$; DROP TABLE b; $x$)", []),
        ("WITH gone AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM gone", []),
        ("not - even / SQL ' \" ;;", []),
    ],
)
def test_what_certainly_happens(sql: str, found: list[str]) -> None:
    """Each statement by itself, without comments and texts; names as PostgreSQL has them."""
    said = [
        " ".join(part for part in (each.kind, each.table, each.column, each.new) if part)
        for each in find_effects(sql, "postgresql")
    ]
    assert said == found


def test_names_on_other_databases() -> None:
    """Elsewhere a name without quotes stays as it is written."""
    assert [each.table for each in find_effects("DROP TABLE Users", "sqlite")] == ["Users"]


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ('INSERT INTO b (c, "d e") SELECT c, "d e" FROM a;', {"c", "d e"}),
        ("insert into b select * from a", None),
        ("INSERT INTO b (c) SELECT CAST(coalesce(c, 0) AS TEXT) FROM a", {"c", "CAST", "coalesce", "0", "AS", "TEXT"}),
    ],
)
def test_a_table_that_is_copied(sql: str, columns: set[str] | None) -> None:
    """Every row of it, with the columns that are read."""
    copy = find_copy(sql, "sqlite")
    assert copy is not None
    assert (copy.old, copy.new, copy.columns) == ("a", "b", columns)


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO b (c) SELECT c FROM a WHERE c > 0",
        "INSERT INTO b (c) SELECT DISTINCT c FROM a",
        "INSERT INTO b (c) SELECT max(c) FROM a",
        "INSERT INTO b (c) SELECT count(*) FROM a",
        "INSERT INTO b (c) SELECT c FROM d UNION SELECT c FROM a",
        "INSERT INTO b (c) SELECT a.c FROM d, a",
        "INSERT INTO b (c) SELECT c FROM a LIMIT 1",
        "INSERT INTO b (c) SELECT c FROM a; DELETE FROM b",
        "INSERT INTO b VALUES (1)",
    ],
)
def test_what_may_leave_rows_out(sql: str) -> None:
    """Any other statement is no copy."""
    assert find_copy(sql, "sqlite") is None


def test_what_changes_something() -> None:
    """What reflection asks for is left out, and savepoints that nothing is rolled back to."""
    asked = [
        'PRAGMA main.table_xinfo("users");',
        "PRAGMA temp.foreign_key_list('users');",
        'SELECT sql FROM\n  (SELECT * FROM sqlite_master) WHERE name = ?;  -- ("users",)',
        "SAVEPOINT one;",
        "RELEASE SAVEPOINT one;",
    ]
    kept = ["SAVEPOINT two;", "PRAGMA user_version = 3;", "SELECT a FROM users;", "ROLLBACK TO SAVEPOINT two;"]
    assert select_changes([*asked, *kept]) == tuple(kept)
