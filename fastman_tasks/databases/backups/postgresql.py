"""``pg_dump``, and a restore in one transaction."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import Connection

from fastman_tasks.databases import programs, wipe
from fastman_tasks.databases.database import Database
from fastman_tasks.errors import BackupFailed

#: How the names of such backups end.
ENDING = "dump"
_PACKAGE = "postgresql-client"
_SERVER = """SELECT concat_ws(' ', extract(epoch FROM pg_postmaster_start_time()), oid) FROM pg_database
    WHERE datname = current_database()"""
_KINDS = (
    *("operator", "opclass", "opfamily", "conversion", "collation", "cast", "publication", "event_trigger"),
    *("ts_config", "ts_dict", "ts_template", "ts_parser", "foreign_server", "foreign_data_wrapper"),
)
# What a schema's tables, types and functions do not take along, as a backup has it too.
_OTHERS = """SELECT concat('DROP ', upper(replace(i.type, '-', ' ')), ' IF EXISTS ', i.identity, ' CASCADE')
    FROM ({}) o (class, id) CROSS JOIN LATERAL pg_identify_object(class, id, 0) i
    WHERE id >= 16384 AND NOT EXISTS (
        SELECT FROM pg_depend d WHERE d.classid = class AND d.objid = id AND d.deptype IN ('e', 'i'))
    UNION ALL SELECT concat('SELECT lo_unlink(', oid, ')') FROM pg_largeobject_metadata""".format(
    " UNION ALL ".join(f"SELECT 'pg_{each}'::regclass, oid FROM pg_{each}" for each in _KINDS)
)
# 6; 2615 16385 SCHEMA - audit fastman
_LISTED = re.compile(r"\d+; \d+ \d+ (?:COMMENT - )?(SCHEMA|EXTENSION) (?:- )?(.+) \S*\s*")


def write(database: Database, file: Path) -> None:
    """See ``backups.write``."""
    program = programs.find(["pg_dump"], _PACKAGE, _version(database))
    environ = programs.libpq(database)
    _require_same_server(database, environ)
    programs.run([program, "--format=custom", "--no-password", f"--file={file}"], environ)


def restore(database: Database, file: Path, lock_timeout: float) -> None:
    """See ``backups.restore``. What there is is dropped in the same transaction."""
    version, environ = _version(database), programs.libpq(database, lock_timeout)
    _require_same_server(database, environ)
    psql, pg_restore = (programs.find([name], _PACKAGE, version) for name in ("psql", "pg_restore"))
    with tempfile.TemporaryDirectory(prefix="fastman-restore-") as name:
        listed = Path(name) / "list"
        listed.write_text(_contents(programs.run([pg_restore, "--list", file]), database), "utf-8")
        statements = "".join(f"{each};\n" for each in database.run(_drop))
        flags = ["--no-psqlrc", "--no-password", "--quiet", "--set=ON_ERROR_STOP=1", "--output=/dev/null", "--file=-"]
        # Committed only if pg_restore has come to its end: what it has written until then may look whole.
        programs.pipe(
            [pg_restore, f"--use-list={listed}", "--file=-", file],
            [psql, *flags],
            environ,
            before=f"BEGIN;\n{statements}",
            after="COMMIT;\n",
        )


def _require_same_server(database: Database, environ: Mapping[str, str]) -> None:
    """Raise BackupFailed if the programs would connect to another one than the project, as env.py may say what no URL
    says."""
    expected = database.run(lambda connection: str(connection.exec_driver_sql(_SERVER).scalar_one()))
    psql = programs.find(["psql"], _PACKAGE, _version(database))
    flags = ["--no-psqlrc", "--no-password", "--quiet", "--tuples-only", "--no-align", f"--command={_SERVER}"]
    if programs.run([psql, *flags], environ).strip() != expected:
        raise BackupFailed("psql connects to another server than the project. Nothing was changed.")


def _version(database: Database) -> int:
    found = database.run(lambda connection: connection.exec_driver_sql("SHOW server_version_num").scalar_one())
    return int(str(found)) // 10000


def _drop(connection: Connection) -> tuple[str, ...]:
    others = connection.exec_driver_sql(_OTHERS).scalars().all()
    return (*wipe.find(connection, wipe.list_schemas(connection)).statements, *others)


def _contents(listed: str, database: Database) -> str:
    """What is ``listed`` of a backup, without the schemas and extensions that are there: they are not dropped."""

    def look(connection: Connection) -> set[tuple[str, str]]:
        query = "SELECT 'SCHEMA', nspname FROM pg_namespace UNION ALL SELECT 'EXTENSION', extname FROM pg_extension"
        return {(kind, name) for kind, name in connection.exec_driver_sql(query)}

    there = database.run(look)

    def is_there(line: str) -> bool:
        found = _LISTED.fullmatch(line)
        return found is not None and (found[1], found[2].strip('"').replace('""', '"')) in there

    return "".join(line for line in listed.splitlines(keepends=True) if not is_there(line))
