"""``pg_dump``, and a restore in one transaction."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from sqlalchemy import Connection

from fastman_tasks.databases import programs, wipe
from fastman_tasks.databases.database import Database

_PACKAGE = "postgresql-client"


def write(database: Database, file: Path) -> None:
    """See ``backups.write``."""
    program = programs.find(["pg_dump"], _PACKAGE, _version(database))
    programs.run([program, "--format=custom", "--no-password", f"--file={file}"], programs.libpq(database.url))


def restore(database: Database, file: Path, lock_timeout: float) -> None:
    """See ``backups.restore``. What there is is dropped in the same transaction."""
    version = _version(database)
    psql, pg_restore = (programs.find([name], _PACKAGE, version) for name in ("psql", "pg_restore"))
    with tempfile.TemporaryDirectory(prefix="fastman-restore-") as name:
        folder = Path(name)
        # As a whole before it is run: psql would commit what it has got of one that ends early.
        (folder / "list").write_text(_contents(programs.run([pg_restore, "--list", file]), database), "utf-8")
        programs.run([pg_restore, f"--use-list={folder / 'list'}", f"--file={folder / 'restore.sql'}", file])
        statements = database.run(_drop)
        (folder / "drop.sql").write_text("".join(f"{each};\n" for each in statements), "utf-8")
        flags = ["--no-psqlrc", "--no-password", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1"]
        files = [f"--file={folder / each}" for each in ("drop.sql", "restore.sql")]
        programs.run([psql, *flags, "--output=/dev/null", *files], programs.libpq(database.url, lock_timeout))


def _version(database: Database) -> int:
    found = database.run(lambda connection: connection.exec_driver_sql("SHOW server_version_num").scalar_one())
    return int(str(found)) // 10000


def _drop(connection: Connection) -> tuple[str, ...]:
    query = (
        """SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY 1"""
    )
    schemas = list(connection.exec_driver_sql(query).scalars())
    return wipe.find(connection, schemas).statements


def _contents(listed: str, database: Database) -> str:
    """What is ``listed`` of a backup, without the schemas and extensions that are there: they are not dropped."""

    def look(connection: Connection) -> set[tuple[str, str]]:
        query = "SELECT 'SCHEMA', nspname FROM pg_namespace UNION ALL SELECT 'EXTENSION', extname FROM pg_extension"
        return {(kind, name) for kind, name in connection.exec_driver_sql(query)}

    there = database.run(look)

    def is_there(line: str) -> bool:
        # 6; 2615 16385 SCHEMA - audit fastman
        found = re.match(r"\d+; \d+ \d+ (?:COMMENT - )?(SCHEMA|EXTENSION) (?:- )?(\S+)", line)
        return found is not None and (found[1], found[2]) in there

    return "".join(line for line in listed.splitlines(keepends=True) if not is_there(line))
