"""What Alembic's comparison overlooks is found by asking the database, and generated, up and down and up again."""

from __future__ import annotations

import pprint
import re
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa

from command import Sandbox
from dumps import schema
from fastman_tasks.making.comparing import index_text
from generated import Walk, fresh
from servers import Server, execute

HEAD = """
import sqlalchemy as sa
from sqlalchemy import (
    JSON, Boolean, CheckConstraint, Computed, DateTime, Enum, Identity, Index, Integer, Numeric, String, Text,
    UniqueConstraint, func, text,
)
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Thing(Base):
    __tablename__ = "things"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))
    age: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str | None] = mapped_column(String(20))
"""
ROWS = ["INSERT INTO things (id, name, age, kind) VALUES (1, 'a', 20, 'x'), (2, 'b', 21, NULL)"]
ALL = ("sqlite", "postgresql", "mariadb")
SERVERS = ALL[1:]
PG = ("postgresql",)


@dataclass(frozen=True)
class Change:
    """Definitions of columns, by name, and table arguments, before and after; a text that the file must have."""

    before: dict[str, str]
    after: dict[str, str]
    found: str
    on: tuple[str, ...] = ALL


def column(kind: str, **more: str) -> str:
    """The definition of a column."""
    return f"mapped_column({', '.join([kind, *(f'{key}={value}' for key, value in more.items())])})"


def age(default: str | None = None) -> dict[str, str]:
    """``age`` with a default."""
    return {"age": column("Integer", **({"server_default": default} if default else {}))}


def args(*items: str) -> dict[str, str]:
    """Table arguments."""
    return {"args": ", ".join(items)}


def partial(where: str) -> dict[str, str]:
    """An index of some rows."""
    return args(f'Index("ix_age", "age", postgresql_where=text("{where}"), sqlite_where=text("{where}"))')


COLLATED = column('String(50, collation={"sqlite": "NOCASE", "postgresql": "C", "mariadb": "utf8mb4_bin"}[DB])')
CHANGES = {
    "a default": Change(age(), age('"5"'), "server_default='5'"),
    "another default": Change(age('"5"'), age('text("6")'), "server_default=sa.text('6')"),
    "no default": Change(age('"5"'), age(), "server_default=None"),
    "a default that is a text": Change(
        {"kind": column("String(20)", server_default='"it\'s"')},
        {"kind": column("String(20)", server_default="\"'a':b\"")},
        "server_default=",
    ),
    "a default that is a function": Change(
        {"made": column("DateTime")}, {"made": column("DateTime", server_default="func.now()")}, "server_default="
    ),
    "a boolean default": Change(
        {"made": column("Boolean", server_default="sa.true()")},
        {"made": column("Boolean", server_default="sa.false()")},
        "server_default=",
    ),
    "a JSON default": Change(
        {"made": column("JSON")}, {"made": column("JSON", server_default='text("\'{\\"a\\": \\"b:c\\"}\'")')}, "b:c"
    ),
    "an expression": Change(
        {"made": column("Integer", server_default='text("(1 + 2)")')},
        {"made": column("Integer", server_default='text("(1 + 3)")')},
        "1 + 3",
    ),
    "a named CHECK": Change(
        args('CheckConstraint("age > 0", name="adult")'),
        args('CheckConstraint("age > 17", name="adult")'),
        "drop_constraint(",
    ),
    "an unnamed CHECK": Change(args('CheckConstraint("age > 0")'), args('CheckConstraint("age > 17")'), "age > 17"),
    "a CHECK's precedence": Change(
        args("CheckConstraint(\"(age > 0 OR age < 99) AND name <> 'q'\", name='c')"),
        args("CheckConstraint(\"age > 0 OR (age < 99 AND name <> 'q')\", name='c')"),
        "OR (age < 99 AND",
    ),
    "a CHECK with IN": Change(
        args("CheckConstraint(\"kind IN ('x', 'y')\", name='k')"),
        args("CheckConstraint(\"kind IN ('x', 'y', 'z')\", name='k')"),
        "'z'",
    ),
    "a comment": Change({}, {"age": column("Integer", comment='"in years; 100% sure"')}, "comment=", SERVERS),
    "another comment": Change(
        {"age": column("Integer", comment='"in years"', server_default='"3"')},
        {"age": column("Integer", comment='"in months"', server_default='"3"')},
        "existing_comment='in years'",
        SERVERS,
    ),
    "a table's comment": Change(
        args("{'comment': 'old'}"), args("{'comment': \"it's new\"}"), "create_table_comment(", SERVERS
    ),
    "a comment and a default": Change(
        {"age": column("Integer", comment='"old"', server_default='"3"')},
        {"age": column("Integer", comment='"new"', server_default='"4"')},
        "server_default='4'",
        SERVERS,
    ),
    "a condition for an index": Change(
        args('Index("ix_age", "age")'),
        partial("age > 1"),
        "age > 1",
        ("sqlite", "postgresql"),
    ),
    "another condition": Change(
        args('Index("ix_age", "age", postgresql_where=text("kind = \'a:b\'"), sqlite_where=text("kind = \'a:b\'"))'),
        args('Index("ix_age", "age", postgresql_where=text("age > 2"), sqlite_where=text("age > 2"))'),
        "age > 2",
        ("sqlite", "postgresql"),
    ),
    "an index of an expression": Change({}, args('Index("ix_name", func.lower(name))'), "lower(name)", ALL[:2]),
    "another expression": Change(
        args('Index("ix_name", func.lower(name))'), args('Index("ix_name", func.upper(name))'), "upper(name)", ALL[:2]
    ),
    "no index of an expression": Change(
        args('Index("ix_name", func.lower(name), "age", unique=True)'), {}, "drop_index(", ALL[:2]
    ),
    "an index's method": Change(
        args('Index("ix_name", "name")'), args('Index("ix_name", "name", postgresql_using="hash")'), "hash", PG
    ),
    "an index's operators": Change(
        args('Index("ix_name", "name", postgresql_include=["age"])'),
        args('Index("ix_name", "name", postgresql_ops={"name": "varchar_pattern_ops"})'),
        "varchar_pattern_ops",
        PG,
    ),
    "an index's length": Change(
        args('Index("ix_name", "name")'), args('Index("ix_name", "name", mysql_length={"name": 7})'), "7", ALL[2:]
    ),
    "an index's order": Change(args('Index("ix_age", "age")'), args('Index("ix_age", text("age DESC"))'), "DESC", PG),
    "a collation": Change(
        {},
        {"name": COLLATED},
        "collation=",
    ),
    "no collation": Change(
        {"name": COLLATED},
        {},
        "collation=",
    ),
    "an identity": Change(
        {"number: Mapped[int]": column("Integer", nullable="False", server_default='"7"')},
        {"number: Mapped[int]": column("Integer, Identity(always=True)")},
        "",
        (),
    ),
    "another identity": Change(
        {"number: Mapped[int]": column("Integer, Identity()")},
        {"number: Mapped[int]": column("Integer, Identity(always=True, start=100, increment=5)")},
        "SET GENERATED ALWAYS SET START WITH 100 SET INCREMENT BY 5",
        PG,
    ),
    "no identity": Change(
        {"number: Mapped[int]": column("Integer, Identity(start=50)")},
        {"number: Mapped[int]": column("Integer", nullable="False")},
        "DROP IDENTITY",
        PG,
    ),
    "an identity for what is there": Change(
        {"age": column("Integer")}, {"age": column("Integer, Identity()")}, "setval(", PG
    ),
}


def model(at: int, definition: dict[str, str], server: str) -> str:
    """The text of a models' module whose table has a name of its own."""
    body = HEAD.replace("class Base", f'DB = "{server}"\n\n\nclass Base')
    for name, text in definition.items():
        line = next((line for line in HEAD.splitlines() if line.startswith(f"    {name}:")), None)
        if name == "args":
            body += f"    __table_args__ = ({text},)\n"
        elif line is None:
            body += f"    {name}: Mapped[object | None] = {text}\n" if ":" not in name else f"    {name} = {text}\n"
        else:
            body = body.replace(line, f"{line.partition(' = ')[0]} = {text}")
    return own(at, body)


def own(at: int, text: str) -> str:
    """``text`` with a table that no other change has, and names that go with it."""
    for name in ("things", "ix_age", "ix_name", "adult"):
        text = text.replace(name, f"{name}_{at}")
    return text


def plain(url: str) -> list[str]:
    """The schema, line by line; PostgreSQL adds casts and parentheses to a condition each time it is written."""
    lines = pprint.pformat(schema(url), width=300).splitlines()
    return [re.sub(r"::(character varying|text)(\[\])?|[()]| at 0x\w+", "", line) for line in lines]


@pytest.mark.parametrize("server", ALL)
def test_all_changes(project: Sandbox, request: pytest.FixtureRequest, server: str) -> None:
    """All in one migration, each with a table of its own: with rows there it runs up, down and up again, and then
    nothing is different."""
    walk = Walk(project, f"sqlite:///{project.root / 'app.db'}" if server == "sqlite" else fresh(request, server))
    changes = [(at, change) for at, change in enumerate(CHANGES.values()) if server in change.on]
    before = {f"models/m{at}.py": model(at, change.before, server) for at, change in changes}
    after = {f"models/m{at}.py": model(at, change.after, server) for at, change in changes}
    walk.make({"models/__init__.py": "", **before})
    walk.migrate()
    again = walk.make({})
    assert again is None, again
    assert walk.draft.said.uncovered == walk.draft.said.limits == []
    for at, _ in changes:
        for statement in ROWS:
            execute(walk.url, own(at, statement))
    old = plain(walk.url)
    made = walk.make(after)
    assert made is not None
    walk.migrate()
    new = plain(walk.url)
    walk.rollback()
    assert plain(walk.url) == old
    walk.migrate()
    assert plain(walk.url) == new
    again = walk.make({})
    assert again is None, again
    assert walk.draft.said.uncovered == walk.draft.said.limits == []
    for at, change in changes:
        assert own(at, change.found) in made, made


ACCOUNTS = """
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Account(Base):
    __tablename__ = "accounts"
    __table_args__ = {"schema": "SCHEMA"}
    id: Mapped[int] = mapped_column(primary_key=True)
    age: Mapped[int] = mapped_column(sa.CheckConstraint("age > 0"), server_default="1")


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(sa.ForeignKey("SCHEMA.accounts.id"))
"""
INVOICES = """

class Invoice(Base):
    __tablename__ = "invoices"
    __table_args__ = {"schema": "SCHEMA"}
    id: Mapped[int] = mapped_column(primary_key=True)
"""


@pytest.mark.parametrize("server", SERVERS)
def test_a_schema_of_its_own(project: Sandbox, request: pytest.FixtureRequest, server: str) -> None:
    """It is created, its tables are made once, changed, dropped; rolling everything back drops it on PostgreSQL."""
    walk = Walk(project, fresh(request, server))
    name = "billing" if server == "postgresql" else f"{walk.url.rpartition('/')[2]}_billing"
    accounts, invoices = ACCOUNTS.replace("SCHEMA", name), INVOICES.replace("SCHEMA", name)
    made = walk.make(accounts)
    assert made is not None
    assert f"op.execute('CREATE SCHEMA IF NOT EXISTS {name}')" in made
    assert (f"op.execute('DROP SCHEMA {name} RESTRICT')" in made) == (server == "postgresql")
    walk.migrate()
    assert walk.make(accounts) is None
    execute(walk.url, f"INSERT INTO {name}.accounts (id, age) VALUES (1, 5)")
    execute(walk.url, "INSERT INTO users (account_id) VALUES (1)")
    more = walk.up_down_up(accounts.replace('"1"', '"2"').replace("age > 0", "age > 1") + invoices)
    assert "SCHEMA IF" not in more
    assert more.count(f"schema='{name}'") >= 6
    if server == "postgresql":
        # The schema is the project's own, so a table that no model has any more is one to drop.
        walk.up_down_up(accounts.replace('"1"', '"2"').replace("age > 0", "age > 1"), allow_drops=True)
        walk.rollback()
    walk.rollback()
    walk.rollback()
    schemas = {row[0] for row in execute(walk.url, "SELECT schema_name FROM information_schema.schemata")}
    assert (name in schemas) == (server == "mariadb")


def test_a_schema_of_others(project: Sandbox, request: pytest.FixtureRequest) -> None:
    """Only the tables that the models have are looked at, and the schema is not dropped."""
    walk = Walk(project, fresh(request, "postgresql"))
    project.add_environment()
    project.add_migration("first", "a0", None)
    walk.migrate()
    for statement in (
        "CREATE SCHEMA auth",
        "CREATE TABLE auth.sessions (id int)",
        "CREATE TABLE auth.accounts (id serial PRIMARY KEY, age int NOT NULL DEFAULT 1 CHECK (age > 0))",
    ):
        execute(walk.url, statement)
    accounts = ACCOUNTS.replace("SCHEMA", "auth")
    made = walk.make(accounts)
    assert made is not None
    assert "auth.accounts.id" in made
    assert "SCHEMA" not in made
    walk.migrate()
    made = walk.up_down_up(accounts + INVOICES.replace("SCHEMA", "auth"))
    assert "op.execute('CREATE SCHEMA IF NOT EXISTS auth')" in made
    assert "DROP SCHEMA" not in made
    assert "sessions" not in made


@pytest.mark.parametrize("server", ALL)
def test_what_no_migration_does_is_said(project: Sandbox, request: pytest.FixtureRequest, server: str) -> None:
    """With both texts; no file is written, and nothing else is on the screen."""
    url = f"sqlite:///{project.root / 'app.db'}" if server == "sqlite" else fresh(request, server)
    computed = {"sum": column("Integer, Computed('age + 1', persisted=True)")}
    project.write("models.py", model(0, computed, server))
    env = {"DATABASE_URL": url}
    project.inv("make.migration", "things", "database.migrate", env=env)
    said = project.inv("make.migration", "more", env=env)
    assert "No difference between models and database" in said.stdout
    changed = {
        "sum": column("Integer, Computed('age + 2', persisted=True)"),
        "kind": column("String(20)", primary_key="True"),
    }
    project.write("models.py", model(0, changed, server))
    said = project.inv("make.migration", "more", env=env)
    assert said.stderr == ""
    heading, *rest = said.stdout.splitlines()[2:]
    assert heading == "Not covered by autogenerate:"
    there, wanted = rest[0].split(" in the database, ")
    assert there.startswith("  things_0.sum (computed): ")
    assert "age" in there and "+ 1" in there and there.endswith("STORED")
    assert "+ 2" in wanted and wanted.endswith("STORED in the models")
    assert rest[1:] == [
        "  things_0: PRIMARY KEY (id) in the database, PRIMARY KEY (id, kind) in the models",
        "No migration was written. Write one by hand: add --empty.",
    ]


def test_where_nothing_temporary_can_be_made(project: Sandbox, request: pytest.FixtureRequest) -> None:
    """Then it compares as Alembic does, and says so."""
    walk = Walk(project, fresh(request, "postgresql"))
    walk.make(own(0, HEAD))
    walk.migrate()
    server = request.getfixturevalue("postgresql")
    database = walk.url.rpartition("/")[2]
    execute(server.admin, f"REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC")
    execute(server.admin, f"ALTER DATABASE {database} OWNER TO postgres")
    assert walk.make(model(0, age('"5"'), "postgresql")) is None
    assert walk.draft.said.limits == [
        "things_0: compared as Alembic does, without defaults and conditions (permission denied to create temporary "
        f'tables in database "{database}")',
    ]
    made = walk.make(model(0, {**age('"5"'), "more": column("Integer")}, "postgresql"))
    assert made is not None
    assert "add_column" in made


@pytest.mark.parametrize("setting", ["True", "lambda *given: False"])
def test_an_env_py_that_compares_defaults(project: Sandbox, request: pytest.FixtureRequest, setting: str) -> None:
    """What Alembic takes for a difference and the server does not is left out; a function of env.py has its way."""
    walk = Walk(project, fresh(request, "postgresql"))
    defaults = {"made": column("JSON", server_default="text(\"'{}'::json\")"), **age('"5"')}
    walk.make(model(0, defaults, "postgresql"))
    project.write(
        "database/migrations/env.py",
        f"""
        from alembic import context
        from sqlalchemy import NullPool, create_engine

        from models import Base

        with create_engine({walk.url!r}, poolclass=NullPool).connect() as connection:
            context.configure(
                connection=connection, target_metadata=Base.metadata, compare_server_default={setting}
            )
            with context.begin_transaction():
                context.run_migrations()
        """,
    )
    walk.migrate()
    assert walk.make({}) is None
    made = walk.make(model(0, {**defaults, **age('"6"')}, "postgresql"))
    if setting == "True":
        assert made is not None
        assert made.count("server_default=") == 2
    else:
        assert made is None


RICH = '''
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

metadata = sa.MetaData()
sa.Table(
    "rich", metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("mood", sa.Enum("fine", "it's", name="mood"), server_default="it's"),
    sa.Column("kinds", pg.ARRAY(sa.Enum("x", "y", name="kind")), server_default=sa.text("ARRAY['x']::kind[]")),
    sa.Column("key", pg.UUID, server_default=sa.text("gen_random_uuid ( )")),
    sa.Column("body", pg.JSONB, server_default=sa.text("""'{"a": 1}'::jsonb""")),
    sa.Column("made", sa.DateTime(timezone=True), server_default=sa.func.now()),
    sa.Column("once", sa.DateTime(timezone=True), server_default="now()"),
    sa.Column("pause", sa.Interval, server_default=sa.text("interval '1 day 2:00'")),
    sa.Column("price", sa.Numeric(10, 2), server_default="0.00"),
    sa.Column("below", sa.SmallInteger, server_default=sa.text("-5")),
    sa.Column("name", sa.String, server_default="it's 100%"),
    sa.Column("double", sa.Integer, sa.Computed("below * 2", persisted=True)),
    sa.Column("flag", sa.Boolean(create_constraint=True), server_default=sa.true()),
    sa.Column("state", sa.Enum("p", "q", native_enum=False, create_constraint=True, name="pq"), server_default="p"),
    sa.Column("span", pg.INT4RANGE),
    sa.CheckConstraint("name LIKE '%x%' OR price BETWEEN 1 AND 2"),
    sa.CheckConstraint("name IN ('a', 'b') AND NOT (below = 1)", name="named"),
    sa.Index("ix_part", "name", unique=True, postgresql_where=sa.text("name IS NOT NULL AND price > 0")),
    sa.Index("ix_body", "body", postgresql_using="gin", postgresql_ops={"body": "jsonb_path_ops"}),
    sa.Index("ix_price", sa.desc("price"), sa.text("lower(name) DESC NULLS LAST")),
    pg.ExcludeConstraint((sa.column("span"), "&&"), where=sa.text("price > 0")),
    comment="rich",
)
'''


@pytest.mark.parametrize("driver", ["postgresql+psycopg", "postgresql+asyncpg"])
def test_what_is_unchanged_is_no_difference(project: Sandbox, postgresql: Server, driver: str) -> None:
    """However many ways there are to write it; and nothing stays in the database of what was asked."""
    walk = Walk(project, postgresql.fresh("postgresql+psycopg"))
    url = walk.url.replace("postgresql+psycopg", driver)
    namespace: dict[str, Any] = {}
    exec(RICH, namespace)
    engine = sa.create_engine(walk.url, poolclass=sa.NullPool)
    namespace["metadata"].create_all(engine)
    project.add_environment()
    project.add_migration("first", "a0", None)
    walk.migrate()
    before = schema(walk.url)
    project.write("models.py", RICH)
    said = project.inv("make.migration", "more", env={"DATABASE_URL": url})
    assert "No difference between models and database" in said.stdout
    assert said.stderr == ""
    assert len(said.stdout.splitlines()) == 4, said.stdout
    assert pprint.pformat(schema(walk.url)) == pprint.pformat(before)


def test_an_ascending_index_is_a_plain_one() -> None:
    """ASC is what a part of an index is without it."""
    assert index_text.parse("CREATE INDEX a ON b (c ASC, d DESC)").parts == ("c", "d DESC")


WIDE = """
from sqlalchemy import Index, LargeBinary, Text, text
from sqlalchemy.dialects.mysql import JSON
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Page(Base):
    __tablename__ = "pages"
    id: Mapped[int] = mapped_column(primary_key=True)
    body: Mapped[str] = mapped_column(Text(70000))
    raw: Mapped[bytes] = mapped_column(LargeBinary(2**24))
    title: Mapped[str] = mapped_column(Text)
    data: Mapped[dict] = mapped_column(JSON, server_default=text("(json_object('a', 1))"))
    __table_args__ = (Index("ix_text", "body", mysql_prefix="FULLTEXT"),)
"""


def test_a_table_with_a_full_text_index(project: Sandbox, mariadb: Server) -> None:
    """A temporary table cannot have one; the rest is compared all the same, and so is the index."""
    walk = Walk(project, mariadb.fresh("mysql+pymysql"))
    walk.make(WIDE)
    walk.migrate()
    assert walk.make(WIDE) is None
    assert walk.draft.said.limits == []
    made = walk.up_down_up(WIDE.replace('"ix_text", "body"', '"ix_text", "title"'))
    assert "op.create_index('ix_text', 'pages', ['title'], unique=False, mysql_prefix='FULLTEXT')" in made
