"""Which table a statement writes, and how."""

from __future__ import annotations

import pytest

from fastman_tasks.rows.row_counts import parse_write

CASES = [
    ("INSERT INTO users (id) VALUES (1)", ("created", "users")),
    ("insert or replace into [my users] values (1)", ("created", "my users")),
    ("REPLACE INTO `users` VALUES (1)", ("created", "users")),
    ("INSERT IGNORE INTO shop.users VALUES (1)", ("created", "shop.users")),
    ('INSERT INTO "my ""shop""" . "users" SELECT 1', ("created", 'my "shop".users')),
    ("\n  -- a note\n /* UPDATE x */ UPDATE ONLY users SET a = 1", ("updated", "users")),
    ("UPDATE OR IGNORE users SET a = 1", ("updated", "users")),
    ("DELETE FROM ONLY users", ("deleted", "users")),
    ("WITH old AS (SELECT 1) DELETE FROM users WHERE id IN (SELECT * FROM old)", ("deleted", "users")),
    ("SELECT 'INSERT INTO users'", None),
    ("SAVEPOINT sa_savepoint_1", None),
    ("CREATE TABLE users (id INT)", None),
]


@pytest.mark.parametrize(("statement", "found"), CASES)
def test_written(statement: str, found: tuple[str, str] | None) -> None:
    """Quoted names, schemas, comments and each database's own words."""
    assert parse_write(statement) == found
