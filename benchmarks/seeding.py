"""What seeding is measured against: the same work by hand, on the same tables."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks import postgres, projects
from benchmarks.measure import Command, CommandError, interleaved, script
from benchmarks.rows import Bench, Row

_MODELS = '''"""The table that is seeded."""

from __future__ import annotations

from datetime import date

from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(60), unique=True)
    name: Mapped[str] = mapped_column(String(60))
    age: Mapped[int | None]
    score: Mapped[float]
    born: Mapped[date | None]
'''
_ROWS = '''"""The rows that are written, and the ways to write them."""

from datetime import date

from models import User


def rows(number):
    """So many rows, without ids."""
    for n in range(number):
        yield {"email": f"u{n}@x.org", "name": f"User {n}", "age": n % 90, "score": n / 7, "born": date(2000, 1, 1)}


def orm(db):
    """200,000 objects at once."""
    db.add_all(User(**row) for row in rows(200_000))
    db.commit()


def merge(db):
    """100,000 rows, one by one."""
    for n, row in enumerate(rows(100_000), 1):
        db.merge(User(id=n, **row))
    db.commit()
'''
_SEEDERS = '''"""The same through the runner."""

from fastman_tasks.seeding import load, upsert
from models import User
from ways import orm, rows


class OrmSeeder:
    @staticmethod
    def run(db):
        orm(db)


class LoadSeeder:
    @staticmethod
    def run(db):
        load(db, User, "users.csv")


class UpsertSeeder:
    @staticmethod
    def run(db):
        upsert(db, User, ({"id": n, **row} for n, row in enumerate(rows(100_000), 1)), key=["id"])
        db.commit()
'''
_PLAIN = '''"""By hand: python plain.py orm|merge URL, or executemany FILE."""

import sys

if sys.argv[1] == "executemany":
    import csv
    import sqlite3

    with open("database/seeders/users.csv", newline="") as file, sqlite3.connect(sys.argv[2]) as connection:
        reader = csv.reader(file)
        names = next(reader)
        connection.executemany(f"INSERT INTO users ({','.join(names)}) VALUES ({','.join('?' * len(names))})", reader)
else:
    import ways
    from sqlalchemy import create_engine
    from sqlalchemy.orm import Session

    with Session(create_engine(sys.argv[2])) as db:
        getattr(ways, sys.argv[1])(db)
'''
_TABLE = (
    "CREATE TABLE users (id INTEGER PRIMARY KEY{generated}, email VARCHAR(60) NOT NULL UNIQUE, "
    "name VARCHAR(60) NOT NULL, age INTEGER, score FLOAT NOT NULL, born DATE)"
)


def _project(folder: Path, url: str) -> Path:
    projects.tasks_only(folder, projects.COLLECTION)
    seeders = folder / "database" / "seeders"
    seeders.mkdir(parents=True)
    (folder / ".env").write_text(f"DATABASE_URL={url}\n", "utf-8")
    (folder / "models.py").write_text(_MODELS, "utf-8")
    (folder / "ways.py").write_text(_ROWS, "utf-8")
    (folder / "plain.py").write_text(_PLAIN, "utf-8")
    (seeders / "user_seeder.py").write_text(_SEEDERS, "utf-8")
    return folder


def _csv(folder: Path, rows: int) -> Path:
    file = folder / "database" / "seeders" / "users.csv"
    with file.open("w", encoding="utf-8") as out:
        out.write("id,email,name,age,score,born\n")
        for n in range(1, rows + 1):
            out.write(f"{n},user{n}@example.com,User {n},{n % 90 or ''},{n / 7:.4f},2000-01-{n % 28 + 1:02}\n")
    return file


def _sqlite(folder: Path) -> None:
    code = f"import sqlite3; sqlite3.connect('app.db').execute({_TABLE.format(generated='')!r})"
    (folder / "app.db").unlink(missing_ok=True)
    subprocess.run((sys.executable, "-c", code), cwd=folder, check=True)


def _seed(folder: Path, class_: str, prepare: Callable[[], None]) -> Command:
    return Command(script("inv", "database.seed", f"--class={class_}"), folder, prepare)


def _plain(folder: Path, way: str, target: str, prepare: Callable[[], None]) -> Command:
    return Command((sys.executable, "plain.py", way, target), folder, prepare)


def orm_sqlite(bench: Bench) -> list[Row]:
    """The runner's own cost: 200,000 ORM rows through ``database.seed``, against a bare Session."""
    folder = _project(bench.folder / "seed-orm", "sqlite:///app.db")
    fresh = partial(_sqlite, folder)
    commands = [_seed(folder, "OrmSeeder", fresh), _plain(folder, "orm", "sqlite:///app.db", fresh)]
    return _row("seed 200,000 ORM rows on SQLite / bare Session", commands, bench.slow, 1.05)


def load_sqlite(bench: Bench) -> list[Row]:
    """``load`` of 1,000,000 rows, against ``executemany`` of what csv.reader gives."""
    folder = _project(bench.folder / "load-sqlite", "sqlite:///app.db")
    _csv(folder, 1_000_000)
    fresh = partial(_sqlite, folder)
    commands = [_seed(folder, "LoadSeeder", fresh), _plain(folder, "executemany", "app.db", fresh)]
    return _row("load 1,000,000 rows on SQLite / bare executemany", commands, bench.slow, 1.5)


def on_postgresql(bench: Bench) -> list[Row]:
    """``load`` against ``psql \\copy``; ``upsert`` of 100,000 rows against a loop of ``session.merge``."""
    try:
        with postgres.running(bench.folder / "pgdata-seed") as server:
            folder = _project(bench.folder / "seed-postgresql", server.url)
            file = _csv(folder, 1_000_000)

            def fresh() -> None:
                server.fresh()
                server.run(_TABLE.format(generated=" GENERATED BY DEFAULT AS IDENTITY"))

            copy = f"\\copy users (id, email, name, age, score, born) from '{file}' with (format csv, header)"
            loads = [_seed(folder, "LoadSeeder", fresh), Command(server.psql(copy), folder, fresh)]
            upserts = [_seed(folder, "UpsertSeeder", fresh), _plain(folder, "merge", server.url, fresh)]
            orms = [_seed(folder, "OrmSeeder", fresh), _plain(folder, "orm", server.url, fresh)]
            return [
                *_row("seed 200,000 ORM rows on PostgreSQL / bare Session", orms, bench.slow, 1.05),
                *_row("load 1,000,000 rows on PostgreSQL / psql \\copy", loads, bench.slow, 2.0),
                *_row("upsert 100,000 rows on PostgreSQL / session.merge", upserts, 1, 0.05),
            ]
    except ImportError as error:
        return [Row("seeding on PostgreSQL", note=f"{error}: install the extra 'test'")]


def _row(name: str, commands: list[Command], repetitions: int, goal: float) -> list[Row]:
    try:
        # Nothing needs to be warmed up where a run takes seconds; one import of each compiles what is new.
        ours, plain = interleaved(commands, repetitions, [commands[0]] if repetitions > 1 else [])
    except CommandError as error:
        return [Row(name, goal=goal, note=f"not measured: {error}")]
    return [Row(name, ours, plain, goal)]
