"""``database.setup`` of a fresh copy of examples/shop, against ``alembic upgrade head`` into a database that exists."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from benchmarks import postgres
from benchmarks.measure import Command, script
from benchmarks.rows import Bench, Row, compared

_SHOP = Path(__file__).parent.parent / "examples" / "shop"
_GOAL = 1.5
_LEFT = ("app.db", ".env", "app.db.lock")


def on_sqlite(bench: Bench) -> list[Row]:
    """Into a file that does not exist."""
    folder = _copy(bench.folder / "setup-sqlite")

    def forget() -> None:
        for name in _LEFT:
            (folder / name).unlink(missing_ok=True)

    return _compare("SQLite", folder, forget, forget, bench)


def on_postgresql(bench: Bench) -> list[Row]:
    """Into a database that does not exist, and for plain alembic an empty one."""
    try:
        with postgres.running(bench.folder / "pgdata-setup") as server:
            folder = _copy(bench.folder / "setup-postgresql")
            (folder / ".env").write_text(f"DATABASE_URL={server.url}\n", "utf-8")
            return _compare("PostgreSQL", folder, server.drop, server.fresh, bench)
    except ImportError as error:
        return [Row("database.setup on PostgreSQL", note=f"{error}: install the extra 'test'")]


def _copy(folder: Path) -> Path:
    return shutil.copytree(_SHOP, folder, ignore=shutil.ignore_patterns("__pycache__", *_LEFT))


def _compare(
    database: str, folder: Path, absent: Callable[[], None], empty: Callable[[], None], bench: Bench
) -> list[Row]:
    commands = [
        Command(script("inv", "database.setup"), folder, absent),
        Command(script("alembic", "upgrade", "head"), folder, empty),
    ]
    return compared([f"set the shop up on {database} / alembic upgrade"], commands, bench.quick, _GOAL)
