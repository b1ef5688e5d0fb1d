"""``mariadb-dump`` or ``mysqldump``, and the client that runs what they have written."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection

from fastman_tasks.databases import programs, wipe
from fastman_tasks.databases.database import Database

_CHARACTERS = "--default-character-set=utf8mb4"
_FLAGS = (
    *("--single-transaction", "--routines", "--events", "--triggers", "--hex-blob", "--skip-dump-date"),
    # Neither is of the database, and both take rights that a project's user has not.
    *("--no-tablespaces", "--loose-set-gtid-purged=OFF"),
    _CHARACTERS,
)


def write(database: Database, file: Path) -> None:
    """See ``backups.write``."""
    program = programs.find(_names(database, "dump"), _package(database))
    with programs.option_file(database.url) as options:
        programs.run([program, options, *_FLAGS, f"--result-file={file}", "--", str(database.url.database)])


def restore(database: Database, file: Path, _lock_timeout: float) -> None:
    """See ``backups.restore``. What was there is dropped first, and not there any more if the rest fails."""
    program = programs.find(_names(database, ""), _package(database))
    with programs.option_file(database.url) as options:

        def drop(connection: Connection) -> None:
            wipe.drop(connection, wipe.find(connection))
            connection.commit()

        database.run(drop)
        programs.run([program, options, _CHARACTERS, "--", str(database.url.database)], input=file)


def _is_mariadb(database: Database) -> bool:
    return bool(database.run(lambda connection: getattr(connection.dialect, "is_mariadb", False)))


def _names(database: Database, kind: str) -> list[str]:
    names = ["mariadb-dump", "mysqldump"] if kind else ["mariadb", "mysql"]
    return names if _is_mariadb(database) else names[::-1]


def _package(database: Database) -> str:
    return "mariadb-client" if _is_mariadb(database) else "mysql-client"
