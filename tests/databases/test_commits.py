"""What became of a commit that raised."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import IntegrityError

from fastman_tasks.databases import commits


def signalled(where: str) -> type[sqlite3.Connection]:
    """A connection that a signal meets right before or after its commit."""

    class Signalled(sqlite3.Connection):
        def commit(self) -> None:
            if where == "after":
                super().commit()
            raise KeyboardInterrupt

    return Signalled


@pytest.mark.parametrize(("where", "outcome"), [("before", "rolled back"), ("after", "committed")])
def test_a_signal_on_sqlite(tmp_path: Path, where: str, outcome: str) -> None:
    """The file is this process's own: what has become of it is known for certain."""
    found: list[Any] = []
    url = f"sqlite:///{tmp_path}/shop.db"
    engine = create_engine(url, connect_args={"factory": signalled(where), "isolation_level": "IMMEDIATE"})
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE a (id INT)")
        connection.exec_driver_sql("INSERT INTO a VALUES (1)")
        with pytest.raises(KeyboardInterrupt):
            commits.commit(connection, found.append)
    engine.dispose()
    with sqlite3.connect(tmp_path / "shop.db") as other:
        rows = other.execute("SELECT * FROM a").fetchall()
    other.close()
    assert (found[-1], rows) == (outcome, [(1,)] if outcome == "committed" else [])


def test_a_commit_that_the_database_refuses(tmp_path: Path) -> None:
    """It has answered."""
    found: list[Any] = []
    engine = create_engine(f"sqlite:///{tmp_path}/shop.db")
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys = ON")
        connection.exec_driver_sql("CREATE TABLE a (id INT PRIMARY KEY)")
        connection.exec_driver_sql("CREATE TABLE b (a INT REFERENCES a DEFERRABLE INITIALLY DEFERRED)")
        connection.exec_driver_sql("INSERT INTO b VALUES (1)")
        with pytest.raises(IntegrityError):
            commits.commit(connection, found.append)
        connection.rollback()
    engine.dispose()
    assert found[-1] == "rolled back"
