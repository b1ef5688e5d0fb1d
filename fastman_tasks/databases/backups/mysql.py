"""``mariadb-dump`` or ``mysqldump``, and the client that runs what they have written."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection

from fastman_tasks.databases import programs, wipe
from fastman_tasks.databases.database import Database
from fastman_tasks.errors import BackupFailed

#: How the names of such backups end.
ENDING = "sql"
_SERVER = "SELECT concat_ws(' ', @@hostname, @@port, @@datadir, database())"
# Bytes in which a backup says that it has come to its end.
_TAIL = 200
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
        _require_same_server(database, options)
        programs.run([program, options, *_FLAGS, f"--result-file={file}", "--", str(database.url.database)])


def restore(database: Database, file: Path, _lock_timeout: float) -> None:
    """See ``backups.restore``. What was there is dropped first, and not there any more if the rest fails."""
    program = programs.find(_names(database, ""), _package(database))
    with file.open("rb") as opened:
        opened.seek(max(0, file.stat().st_size - _TAIL))
        if b"-- Dump completed" not in opened.read():
            raise BackupFailed(f"{file} is not complete. Nothing was changed.")
    with programs.option_file(database.url) as options:
        _require_same_server(database, options)

        def drop(connection: Connection) -> None:
            wipe.drop(connection, wipe.find(connection))
            connection.commit()

        database.run(drop)
        programs.run([program, options, _CHARACTERS, "--", str(database.url.database)], input=file)


def _require_same_server(database: Database, options: str) -> None:
    """Raise BackupFailed if the programs would connect to another one than the project, as env.py may say what no URL
    says."""
    expected = database.run(lambda connection: str(connection.exec_driver_sql(_SERVER).scalar_one()))
    client = programs.find(_names(database, ""), _package(database))
    flags = ["--batch", "--raw", "--skip-column-names", f"--execute={_SERVER}", "--"]
    if programs.run([client, options, *flags, str(database.url.database)]).strip() != expected.strip():
        raise BackupFailed(f"{client.name} connects to another server than the project. Nothing was changed.")


def _is_mariadb(database: Database) -> bool:
    return bool(database.run(lambda connection: getattr(connection.dialect, "is_mariadb", False)))


def _names(database: Database, kind: str) -> list[str]:
    names = ["mariadb-dump", "mysqldump"] if kind else ["mariadb", "mysql"]
    return names if _is_mariadb(database) else names[::-1]


def _package(database: Database) -> str:
    return "mariadb-client" if _is_mariadb(database) else "mysql-client"
