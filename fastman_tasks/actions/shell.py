"""The database's own client on the project's database."""

from __future__ import annotations

from sqlalchemy import Connection

from fastman_tasks.actions.wait import contact
from fastman_tasks.databases import attempts, clients, urls
from fastman_tasks.databases.clients import Client
from fastman_tasks.errors import Command, DatabaseUnavailable, UsageError
from fastman_tasks.project import Project


def find_shell(project: Project, command: str | None = None) -> Client:
    """Returns the program to run: psql, mariadb, mysql or sqlite3, for ``command`` or for a user. It connects as env.py
    does. Raises DatabaseUnavailable if the database cannot be reached, ProgramFailed if there is no such program."""
    with project:
        found = contact(project)
        if found.failure is not None:
            raise found.failure
        project.locate_database()
        url, backend = project.database.url, project.database.url.get_backend_name()
        if backend == "sqlite":
            file = urls.sqlite_file(url)
            if file is None:
                raise UsageError(f"{project.display_url} is a database in memory, which no other program can open.")
            if not file.exists():
                raise DatabaseUnavailable(f"{project.display_url} does not exist yet.", next=Command("database.setup"))
            return clients.sqlite(file, command)
        attempt = found.attempt or attempts.find(project.database)
        if attempt is None:
            raise DatabaseUnavailable("Only env.py can connect to this database: its engine has a creator= of its own.")
        if backend == "postgresql":
            return clients.postgresql(project.database, attempt, command)
        if backend in ("mysql", "mariadb"):
            return clients.mysql(attempt, command, is_mariadb=project.database.run(_is_mariadb))
        raise UsageError(f"There is no shell for a {backend} database: only for PostgreSQL, SQLite, MySQL, MariaDB.")


def _is_mariadb(connection: Connection) -> bool:
    return bool(getattr(connection.dialect, "is_mariadb", False))
