"""One project twice, side by side: walked up, down and up again with plain ``alembic``, and with our commands."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import alembic
from sqlalchemy.engine import make_url

from command import Result, Sandbox
from dumps import dump, sqlite_dump
from fastman_alembic import HISTORY_TABLE
from servers import execute

#: Writes a project's files into an empty folder; its second argument is the URL of the database that it is to use.
Write = Callable[[Sandbox, str], None]

# What most projects' env.py does, in the fewest lines: offline, and over one connection.
_ENV = """\
import asyncio

from alembic import context
from sqlalchemy import create_engine, pool
from sqlalchemy.ext.asyncio import create_async_engine

config = context.config
{head}


def migrate(connection):
    context.configure(connection=connection{options})
    with context.begin_transaction():
        context.run_migrations()


async def migrate_async(engine):
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


if context.is_offline_mode():
    context.configure(url={url}, literal_binds=True{options})
    with context.begin_transaction():
        context.run_migrations()
else:
    {connect}
"""
_CONNECT = """\
engine = {engine}
    with engine.connect() as connection:
        migrate(connection)
"""
_INI = """\
[{section}]
script_location = {location}
prepend_sys_path = .
path_separator = os
"""


def write_env(
    project: Sandbox,
    driver: str = "sqlite",
    *,
    folder: str = "migrations",
    head: str = "",
    url: str = 'config.get_main_option("sqlalchemy.url")',
    engine: str | None = None,
    options: str = "",
) -> None:
    """Write env.py: ``head`` are its lines after the imports, ``url`` and ``engine`` expressions.

    ``options`` are further arguments of ``context.configure()``, with the comma in front. ``driver`` says whether the
    engine is async.
    """
    is_async = make_url(f"{driver.partition(':')[0]}://").get_dialect().is_async
    make = "create_async_engine" if is_async else "create_engine"
    engine = engine or f"{make}({url}, poolclass=pool.NullPool)"
    connect = f"asyncio.run(migrate_async({engine}))" if is_async else _CONNECT.format(engine=engine)
    text = _ENV.format(head=textwrap.dedent(head).strip(), url=url, options=options, connect=connect)
    project.write(f"{folder}/env.py", text)


def write_ini(
    project: Sandbox,
    url: str | None = None,
    *,
    path: str = "alembic.ini",
    section: str = "alembic",
    location: str = "%(here)s/migrations",
    more: Sequence[str] = (),
) -> None:
    """Write alembic.ini, or append a section to the one that is there; ``more`` are further lines of the section."""
    file = project.root / path
    before = file.read_text("utf-8") + "\n" if file.is_file() else ""
    lines = [*more, *([f"sqlalchemy.url = {url.replace('%', '%%')}"] if url else [])]
    project.write(path, before + _INI.format(section=section, location=location) + "\n".join(lines) + "\n")


def write_mako(project: Sandbox, folder: str = "migrations") -> Path:
    """Write the script.py.mako that ``alembic init`` writes."""
    template = Path(alembic.__file__).parent / "templates/generic/script.py.mako"
    return project.write(f"{folder}/script.py.mako", template.read_text("utf-8"))


def add_chain(project: Sandbox, folder: str = "migrations/versions", folders: Sequence[str] = ()) -> None:
    """Write 1a1a, 2b2b and 3c3c, each on the one before it; ``folders`` has a folder for each, where they differ.

    With SHOP_FAILS in the environment 3c3c fails: as the first or as the last thing that it does.
    """
    first, second, third = folders or (folder, folder, folder)
    project.add_migration(
        "1a1a_create_users",
        "1a1a",
        None,
        """
        op.create_table(
            "users", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(50), nullable=False)
        )
        op.execute("INSERT INTO users VALUES (1, 'Ann')")
        """,
        'op.drop_table("users")',
        folder=first,
    )
    project.add_migration(
        "2b2b_create_posts",
        "2b2b",
        "1a1a",
        """
        op.create_table(
            "posts",
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id", name="posts_user"), index=True),
        )
        op.execute("INSERT INTO posts VALUES (7, 1)")
        """,
        'op.drop_table("posts")',
        folder=second,
    )
    project.add_migration("3c3c_create_tags", "3c3c", "2b2b", FAILING, UNDO_FAILING, folder=third)


FAILING = """
import os
fails = os.environ.get("SHOP_FAILS")
if fails == "first":
    op.execute("SELECT * FROM nowhere")
op.create_table("tags", sa.Column("id", sa.Integer, primary_key=True))
op.add_column("users", sa.Column("age", sa.Integer))
op.execute("UPDATE users SET age = 40")
if fails == "last":
    op.execute("SELECT * FROM nowhere")
"""
UNDO_FAILING = 'op.drop_column("users", "age")\nop.drop_table("tags")'


@dataclass(frozen=True)
class Route:
    """Where a walk goes: to ``middle``, to all heads, back by ``steps`` (which plain alembic calls ``back``), and on.

    ``half`` and ``rest`` are the revisions that are applied at the middle, and after going back. ``plain`` are words
    for the command line that plain alembic has, ``ours`` is more of the environment of ``inv``, ``env`` of both. With
    ``fails`` the last migration, 3c3c, also fails once; ``atomic`` is whether it then leaves nothing behind.
    """

    revisions: frozenset[str] = frozenset({"1a1a", "2b2b", "3c3c"})
    middle: str = "2b2b"
    half: frozenset[str] = frozenset({"1a1a", "2b2b"})
    back: str = "1a1a"
    rest: frozenset[str] = frozenset({"1a1a"})
    plain: tuple[str, ...] = ("alembic",)
    ours: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    fails: bool = False
    atomic: bool = True

    @property
    def steps(self) -> int:
        """How many migrations the way back has."""
        return len(self.revisions) - len(self.rest)


@dataclass
class Walked:
    """A walk that has ended: both projects, as they stand fully migrated, their databases, and what ours printed."""

    plain: Sandbox
    ours: Sandbox
    url: str
    said: list[Result] = field(default_factory=list)


def walk(folder: Path, write: Write, urls: tuple[str, str], route: Route) -> Walked:
    """Walk the project of ``write`` along ``route``, plain alembic in one copy of it and ours in another."""
    plain, ours = Sandbox(folder / "plain shop"), Sandbox(folder / "our shop")
    for project, url in zip((plain, ours), urls, strict=True):
        write(project, url)
    walked = Walked(plain, ours, urls[1])
    written = contents(ours)

    def everything(project: Sandbox) -> Any:
        return read_everything(project, urls[project is ours])

    def run_alembic(*args: str, **env: str) -> int:
        return plain.run(*route.plain, *args, env={**route.env, **env}, code=None).code

    def inv(*args: str, code: int = 0, **env: str) -> Result:
        said = ours.inv(*args, env={**route.env, **route.ours, **env}, code=code)
        walked.said.append(said)
        return said

    def check(said: Result, *applied: frozenset[str]) -> None:
        """The database is the one that plain alembic would use, and what is applied is what was asked for."""
        for value, ids in zip(read_values(said), applied, strict=True):
            states = {entry["revision"]: entry["state"] for entry in value["steps"]}
            assert states == {each: "applied" if each in ids else "pending" for each in route.revisions}
            assert value["database"] == display(ours, urls[1])

    said = inv("migrate.status", "migrate.status", "--check", "--json", code=3)
    check(said, frozenset())
    assert f"0 applied, {len(route.revisions)} pending." in said.stdout
    assert contents(ours) == written, "status wrote files"

    assert run_alembic("upgrade", route.middle) == 0
    check(inv("database.migrate", f"--to={route.middle}", "migrate.status", "--json"), route.half)
    half = everything(ours)
    assert half == everything(plain)

    if route.fails:
        # Plain alembic may leave half a migration behind, so there it fails at once.
        assert run_alembic("upgrade", "heads", SHOP_FAILS="first") != 0
        failed = inv("database.migrate", SHOP_FAILS="last" if route.atomic else "first", code=1)
        assert "nowhere" in failed.stderr
        assert everything(ours) == half, "the migration that failed left something behind"

    assert run_alembic("upgrade", "heads") == 0
    check(inv("database.migrate", "migrate.status", "--check", "--json"), route.revisions)
    full = everything(ours)
    assert full == everything(plain)

    assert run_alembic("downgrade", route.back) == 0
    back = ("migrate.rollback", "--force", f"--steps={route.steps}", "migrate.status", "--json")
    again = ("database.migrate", "migrate.status", "--check", "--json")
    if route.fails:
        check(inv(*back), route.rest)
        assert everything(ours) == everything(plain)
        said = inv(*again)
        check(said, route.revisions)
    else:
        # One process less; whoever goes wrong on the way back does not get here.
        said = inv(*back, *again)
        check(said, route.rest, route.revisions)
    assert f"{route.steps} migration" in said.stdout
    assert run_alembic("upgrade", "heads") == 0
    assert everything(ours) == everything(plain)

    # Beside a SQLite file lies its lock; nothing else is new here that is not new there.
    locks = {f"{name}.lock" for name in contents(plain) if name.endswith(".db")}
    assert set(contents(ours)) - locks == set(contents(plain))
    assert {name: content for name, content in contents(ours).items() if name in written} == written
    for said in walked.said:
        assert set(headers(said)) <= {display(ours, urls[1])}
    return walked


def read_everything(project: Sandbox, url: str) -> Any:
    """All that the database at ``url`` holds, the version table too, but not our history; a SQLite file is
    named as ``project`` does it."""
    if make_url(url).get_backend_name() == "sqlite":
        file = project.root / str(make_url(url).database)
        return sqlite_dump(file) if file.exists() else None
    # A version table may lie in a schema of its own.
    elsewhere = execute(
        url,
        "SELECT table_schema, table_name FROM information_schema.tables "
        "WHERE table_schema NOT IN ('public', 'pg_catalog', 'information_schema') "
        f"AND table_name <> '{HISTORY_TABLE}'",
    )
    return dump(url), {names: execute(url, 'SELECT * FROM "{}"."{}"'.format(*names)) for names in elsewhere}


def display(project: Sandbox, url: str) -> str:
    """``url`` as the header line shows it: the password masked, a file relative to the project."""
    return make_url(url).render_as_string(hide_password=True).replace(f"{project.root}/", "")


def headers(said: Result) -> list[str]:
    """The databases that the header lines name, one a command."""
    return re.findall(r"^(\S+://.*) \(\w+, .*\)$", said.stdout, re.MULTILINE)


def read_values(said: Result) -> list[Any]:
    """The values that those commands of a line printed which had ``--json``."""
    starts = re.finditer(r"^\{", said.stdout, re.MULTILINE)
    return [json.JSONDecoder().raw_decode(said.stdout, start.start())[0] for start in starts]


def read_states(said: Result) -> dict[str, str]:
    """Each revision's state, as the one command of a line that had ``--json`` printed it."""
    [value] = read_values(said)
    return {entry["revision"]: entry["state"] for entry in value["steps"]}


def contents(project: Sandbox) -> dict[str, bytes | None]:
    """Every file with what is in it, and every folder; without what Python compiles, and what a database is."""
    return {
        path.relative_to(project.root).as_posix(): None if path.is_dir() or path.suffix == ".db" else path.read_bytes()
        for path in project.root.rglob("*")
        if "__pycache__" not in path.parts
    }
