"""A project whose migrations make a rich schema, with rows, on each database."""

from __future__ import annotations

import re

from command import Sandbox
from fastman_tasks.databases import dump, snapshot
from fastman_tasks.databases.snapshot import Snapshot
from rich_schemas import SCRIPTS
from servers import Server, in_transaction

RUN_SCRIPT = r"""# CREATE SCHEMA audit
import re
bind = op.get_bind()
is_format = bind.dialect.paramstyle in ("format", "pyformat")
for each in re.split(r";\n(?=[A-Z])", open("script.sql", encoding="utf-8").read().strip()):
    bind.exec_driver_sql(each.replace("%", "%%") if is_format else each)"""
TABLE = 'op.create_table("{0}", sa.Column("id", sa.Integer, primary_key=True))'
#: The drivers to run it with.
BACKENDS = ["sqlite", "postgresql+psycopg", "mariadb+pymysql"]


class Place:
    """A project whose migrations make a rich schema, and where its databases come from."""

    def __init__(self, project: Sandbox, backend: str, server: Server | None) -> None:
        self.project = project
        self.backend = backend
        self.server = server
        self.url = ""
        self.start_over()
        kind = backend.partition("+")[0]
        self.file = project.root / f"database/schema/{'mysql' if kind == 'mariadb' else kind}.sql"
        # Grants are what a dump refuses.
        project.write("script.sql", re.sub(r";\nGRANT .*", "", SCRIPTS[kind]))
        project.add_migration("1_m", "r1", None, RUN_SCRIPT, "pass")
        project.add_migration("2_m", "r2", "r1", TABLE.format("t2"), "op.drop_table('t2')")

    def start_over(self) -> None:
        """An empty database."""
        if self.server is not None:
            self.url = self.server.fresh(self.backend)
            self.server.allow_scratch()
        else:
            self.url = f"sqlite:///{self.project.root}/shop.db"
            (self.project.root / "shop.db").unlink(missing_ok=True)
        self.project.write(".env", f"DATABASE_URL={self.url}")

    def look(self) -> tuple[Snapshot, tuple[str, ...]]:
        """The schema, and the schema and the rows as statements; without our history, which says when that was made."""
        own = {"fastman_history", "public.fastman_history"}
        with in_transaction(self.url) as connection:
            return snapshot.read(connection).without(tables=own), dump.read(connection, without=own).statements
