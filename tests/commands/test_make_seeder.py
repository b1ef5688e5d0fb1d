"""make.seeder: one file under many names, never over an old one, and rows that can be inserted as generated."""

from __future__ import annotations

import subprocess
import sys

import pytest
import sqlalchemy as sa

from command import Init, Sandbox
from fastman_tasks import actions
from fastman_tasks.making.seeder import SeederWriter
from fastman_tasks.models import discovery
from fastman_tasks.project import Project
from servers import execute
from services import opened

MODELS = """
    import datetime as dt
    import decimal
    import enum
    import uuid

    import sqlalchemy as sa
    from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column, relationship


    class Base(DeclarativeBase):
        pass


    class Role(enum.Enum):
        admin = "a"
        guest = "g"


    class Team(Base):
        __tablename__ = "teams"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(50), unique=True)


    class Upper(sa.types.TypeDecorator):
        impl = sa.String(30)
        cache_ok = True


    class User(Base):
        __tablename__ = "users"
        id: Mapped[int] = mapped_column(primary_key=True)
        team_id: Mapped[int] = mapped_column(sa.ForeignKey("teams.id"))
        a_string: Mapped[str] = mapped_column(sa.String(40))
        email: Mapped[str] = mapped_column(sa.String(40), unique=True)
        short: Mapped[str] = mapped_column(sa.String(2))
        website_url: Mapped[str] = mapped_column(sa.String(99))
        a_text: Mapped[str] = mapped_column(sa.Text)
        renamed: Mapped[str] = mapped_column("really so", sa.String(20))
        decorated: Mapped[str] = mapped_column(Upper)
        an_integer: Mapped[int]
        a_big_one: Mapped[int] = mapped_column(sa.BigInteger)
        a_numeric: Mapped[decimal.Decimal] = mapped_column(sa.Numeric(10, 2))
        a_ratio: Mapped[decimal.Decimal] = mapped_column(sa.Numeric(4, 4))
        a_float: Mapped[float]
        a_boolean: Mapped[bool]
        a_date: Mapped[dt.date]
        a_datetime: Mapped[dt.datetime]
        an_aware_one: Mapped[dt.datetime] = mapped_column(sa.DateTime(timezone=True))
        a_time: Mapped[dt.time]
        an_interval: Mapped[dt.timedelta]
        an_enum: Mapped[Role]
        words: Mapped[str] = mapped_column(sa.Enum("draft", "it's \\"public\\"", name="words"))
        a_uuid: Mapped[uuid.UUID]
        a_uuid_text: Mapped[str] = mapped_column(sa.Uuid(as_uuid=False))
        some_json: Mapped[dict] = mapped_column(sa.JSON)
        some_bytes: Mapped[bytes]
        optional: Mapped[str | None] = mapped_column(sa.String(5))
        defaulted: Mapped[str] = mapped_column(sa.String(5), default="x")
        server_defaulted: Mapped[str] = mapped_column(sa.String(5), server_default="y")
        team: Mapped[Team] = relationship()


    class Profile(Base):
        \"\"\"One to one: the foreign key is unique.\"\"\"

        __tablename__ = "profiles"
        id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
        user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"), unique=True)


    class Membership(Base):
        \"\"\"Its primary key is two foreign keys.\"\"\"

        __tablename__ = "memberships"
        user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"), primary_key=True)
        team_id: Mapped[int] = mapped_column(sa.ForeignKey("teams.id"), primary_key=True)


    class Seat(Base):
        \"\"\"Unique by two columns together.\"\"\"

        __tablename__ = "seats"
        __table_args__ = (sa.UniqueConstraint("row", "number"),)
        id: Mapped[int] = mapped_column(primary_key=True)
        row: Mapped[str] = mapped_column(sa.String(9))
        number: Mapped[int]


    class Note(Base):
        \"\"\"Nothing is required.\"\"\"

        __tablename__ = "notes"
        id: Mapped[int] = mapped_column(primary_key=True)
        text: Mapped[str | None] = mapped_column(sa.Text)
        length: Mapped[int | None] = mapped_column(sa.Integer, sa.Computed("1 + 1"))


    class Counter(Base):
        \"\"\"There is nothing but the key.\"\"\"

        __tablename__ = "counters"
        id: Mapped[int] = mapped_column(primary_key=True)


    class Animal(Base):
        __tablename__ = "animals"
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str] = mapped_column(sa.String(20))
        name: Mapped[str] = mapped_column(sa.String(20))
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}


    class Dog(Animal):
        \"\"\"Single-table inheritance.\"\"\"

        __mapper_args__ = {"polymorphic_identity": "dog"}
        tail: Mapped[str | None] = mapped_column(sa.String(20))


    class Cat(Animal):
        \"\"\"Joined inheritance.\"\"\"

        __tablename__ = "cats"
        id: Mapped[int] = mapped_column(sa.ForeignKey("animals.id"), primary_key=True)
        lives: Mapped[int]
        __mapper_args__ = {"polymorphic_identity": "cat"}


    class Vehicle(Base):
        \"\"\"Joined inheritance whose key nobody generates.\"\"\"

        __tablename__ = "vehicles"
        code: Mapped[str] = mapped_column(sa.String(20), primary_key=True)
        kind: Mapped[str] = mapped_column(sa.String(20))
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "vehicle"}


    class Car(Vehicle):
        __tablename__ = "cars"
        code: Mapped[str] = mapped_column(sa.ForeignKey("vehicles.code"), primary_key=True)
        doors: Mapped[int]
        __mapper_args__ = {"polymorphic_identity": "car"}


    class Dataclasses(MappedAsDataclass, DeclarativeBase):
        pass


    class Order(Dataclasses):
        __tablename__ = "orders"
        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        reference: Mapped[str] = mapped_column(sa.String(20), unique=True)
        total: Mapped[decimal.Decimal] = mapped_column(sa.Numeric(8, 0))
        state: Mapped[str] = mapped_column(sa.String(20), default="open")
"""
# In an order in which each finds the rows that it refers to; with the rows that two runs leave.
SEEDED = {
    "Team": ("teams", 2),
    "User": ("users", 2),
    "Profile": ("profiles", 1),
    "Membership": ("memberships", 1),
    "Seat": ("seats", 2),
    "Note": ("notes", 2),
    "Counter": ("counters", 2),
    "Animal": ("animals", 2),
    "Dog": ("animals", 4),
    "Cat": ("cats", 2),
    "Car": ("cars", 2),
    "Order": ("orders", 2),
}


def make_tables(project: Project) -> None:
    """Create the tables of the project's models, without migrations."""
    for metadata in discovery.load(project.root, ()).metadata:
        project.database.run(
            lambda connection, metadata=metadata: (metadata.create_all(connection), connection.commit())
        )


def ruff(project: Sandbox) -> None:
    """The seeders are what ruff would have them be."""
    for arguments in (["check", "--select", "F,I,E,W"], ["format", "--check", "--diff"]):
        command = [sys.executable, "-m", "ruff", *arguments, "--no-cache", "--isolated", "--line-length", "120"]
        done = subprocess.run([*command, "database/seeders"], cwd=project.root, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("server", "driver"),
    [
        (None, "sqlite:///shop.db"),
        ("postgresql", "postgresql+psycopg"),
        ("postgresql", "postgresql+asyncpg"),
        ("mariadb", "mysql+pymysql"),
    ],
)
def test_generated_seeders_run_twice(
    request: pytest.FixtureRequest, project: Sandbox, server: str | None, driver: str
) -> None:
    """For a model with every common type, key and kind of inheritance the file runs untouched, and runs again."""
    project.write("models.py", MODELS)
    url: str = request.getfixturevalue(server).fresh(driver) if server else driver
    with opened(project, DATABASE_URL=url) as shop:
        make_tables(shop)
        for name in SEEDED:
            draft = SeederWriter(shop.settings, lambda: shop.environment).write(name)
            assert draft.model == name
        for _ in range(2):
            for name in SEEDED:
                actions.seed(shop, only=f"{name}Seeder")

        def counts(connection: sa.Connection) -> dict[str, int]:
            tables = [table for table, _ in SEEDED.values()]
            return {table: connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one() for table in tables}

        def kinds(connection: sa.Connection) -> set[tuple[str, int]]:
            rows = connection.exec_driver_sql("SELECT kind, count(*) FROM animals GROUP BY kind")
            return {(kind, number) for kind, number in rows}

        # Cats and dogs are animals too.
        assert shop.database.run(counts) == dict(SEEDED.values()) | {"animals": 6}
        assert shop.database.run(kinds) == {("animal", 2), ("dog", 2), ("cat", 2)}
    ruff(project)


def test_a_project_from_models_to_rows(project: Sandbox) -> None:
    """From nothing but models: migration, migrate, seeder, seed, in one line; then the same rows, not twice as many."""
    project.write("app/features/user/models.py", MODELS)
    steps = ("make.migration", "create all tables", "database.migrate", "make.seeder", "team", "make.seeder", "user")
    said = project.inv(*steps, "database.seed").stdout
    assert "Created database/seeders/team_seeder.py\nCreated database/seeders/user_seeder.py\n" in said
    assert "TeamSeeder  teams: 2 created ..." in said
    assert "2 seeders ran." in said
    project.inv("database.seed", "--class=UserSeeder")
    url = f"sqlite:///{project.root / 'app.db'}"
    rows = execute(url, "SELECT email, an_enum, team_id, defaulted, server_defaulted FROM users ORDER BY id")
    assert rows == [("user1@example.com", "admin", 1, "x", "y"), ("user2@example.com", "guest", 1, "x", "y")]
    text = (project.root / "database/seeders/user_seeder.py").read_text("utf-8")
    assert "from app.features.user.models import Role, Team, User\n" in text
    assert "optional" not in text
    ruff(project)


def test_models_of_sqlmodel(project: Sandbox) -> None:
    """SQLModel's models are found, migrated with the import their types need, and seeded."""
    project.write(
        "src/shop/models.py",
        """
        import datetime as dt
        import uuid
        from decimal import Decimal
        from typing import Optional

        from sqlmodel import Field, SQLModel


        class Team(SQLModel, table=True):
            id: uuid.UUID = Field(default_factory=uuid.uuid4, primary_key=True)
            name: str = Field(unique=True, max_length=50)


        class Hero(SQLModel, table=True):
            id: Optional[int] = Field(default=None, primary_key=True)
            name: str = Field(index=True)
            price: Decimal = Field(max_digits=5, decimal_places=2)
            born: dt.datetime
            active: bool = True
            team_id: uuid.UUID = Field(foreign_key="team.id")
        """,
    )
    project.write("src/shop/__init__.py", "")
    said = project.inv(
        "make.migration", "create heroes", "database.migrate", "make.seeder", "Team", "make.seeder", "hero_seeder",
        "database.seed", "--class=TeamSeeder", "database.seed", "--class=hero_seeder",
    ).stdout  # fmt: skip
    assert said.count("  create table ") == 2
    (migration,) = (project.root / "database/migrations/versions").glob("*.py")
    assert "import sqlmodel" in migration.read_text("utf-8")
    url = f"sqlite:///{project.root / 'app.db'}"
    assert execute(url, "SELECT name, active FROM hero ORDER BY id") == [("Name 1", 1), ("Name 2", 1)]
    assert "No new upgrade operations detected" in project.alembic("check").stdout
    assert execute(url, "SELECT count(*) FROM team") == [(2,)]
    project.inv("migrate.reset", "--force")
    ruff(project)


STAFF = """
    import sqlalchemy as sa
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


    class Base(DeclarativeBase):
        pass


    class Emp(Base):
        __tablename__ = "employees"
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str] = mapped_column(sa.String(20))
        name: Mapped[str] = mapped_column(sa.String(20), unique=True)
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "emp"}


    class Eng(Emp):
        __mapper_args__ = {"polymorphic_identity": "eng"}


    class Mgr(Emp):
        __tablename__ = "managers"
        id: Mapped[int] = mapped_column(sa.ForeignKey("employees.id"), primary_key=True)
        level: Mapped[int]
        __mapper_args__ = {"polymorphic_identity": "mgr"}


    class Boss(Mgr):
        __mapper_args__ = {"polymorphic_identity": "boss"}
"""


def test_classes_that_share_a_table(project: Sandbox) -> None:
    """Each class of a hierarchy gets rows of its own, whose names are unique in all of it; running again changes
    nothing, and a name that another class has is left alone."""
    project.write("models.py", STAFF)
    project.inv("make.migration", "create tables", "database.migrate")
    made = [word for name in ("emp", "eng", "mgr", "boss") for word in ("make.seeder", name)]
    project.inv(*made, "database.seed")
    url = f"sqlite:///{project.root / 'app.db'}"
    before = execute(url, "SELECT kind, name FROM employees ORDER BY name")
    assert [name for _, name in before] == [f"Name {number}" for number in range(1, 9)]
    assert {kind for kind, _ in before} == {"emp", "eng", "mgr", "boss"}
    project.inv("database.seed")
    assert execute(url, "SELECT kind, name FROM employees ORDER BY name") == before
    execute(url, "DELETE FROM managers")
    execute(url, "UPDATE employees SET kind = 'emp'")
    project.inv("database.seed", "--class=mgr")
    assert execute(url, "SELECT count(*) FROM employees") == [(8,)]
    ruff(project)


PAIRS = """
    import sqlalchemy as sa
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


    class Base(DeclarativeBase):
        pass


    class Comp(Base):
        __tablename__ = "comps"
        a: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        b: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


    regions = sa.Table(
        "regions",
        Base.metadata,
        sa.Column("country", sa.String(2), primary_key=True),
        sa.Column("name", sa.String(30), primary_key=True),
    )


    class CompanyOfATenant(Base):
        __tablename__ = "companies"
        __table_args__ = (
            sa.ForeignKeyConstraint(["comp_a", "comp_b"], ["comps.a", "comps.b"]),
            sa.ForeignKeyConstraint(["country", "region"], ["regions.country", "regions.name"]),
        )
        id: Mapped[int] = mapped_column(primary_key=True)
        tax_number: Mapped[str] = mapped_column(sa.String(20), unique=True)
        comp_a: Mapped[int]
        comp_b: Mapped[int]
        country: Mapped[str] = mapped_column(sa.String(2))
        region: Mapped[str] = mapped_column(sa.String(30))
        tenant_number: Mapped[int] = mapped_column(unique=True)


    class Branch(Base):
        __tablename__ = "branches"
        __table_args__ = (
            sa.ForeignKeyConstraint(
                ["company_number", "company_country", "company_region"],
                ["companies.tenant_number", "companies.country", "companies.region"],
            ),
        )
        id: Mapped[int] = mapped_column(primary_key=True)
        company_number: Mapped[int] = mapped_column(unique=True)
        company_country: Mapped[str] = mapped_column(sa.String(2))
        company_region: Mapped[str] = mapped_column(sa.String(30))
"""


def test_keys_of_several_columns(project: Sandbox) -> None:
    """A row refers to a row that is there, whatever other combinations there are, with or without a model."""
    project.write("models.py", PAIRS)
    project.inv("make.migration", "create tables", "database.migrate")
    url = f"sqlite:///{project.root / 'app.db'}"
    execute(url, "INSERT INTO comps VALUES (2, 1), (1, 3)")
    execute(url, "INSERT INTO regions VALUES ('de', 'Bayern'), ('at', 'Wien')")
    said = project.inv("make.seeder", "company_of_a_tenant", "make.seeder", "branch").stdout
    assert (
        "Its rows refer to Comp, which no seeder makes yet: inv make.seeder comp, and then "
        'depends_on = ["CompSeeder"] in this one.\n'
        "Its rows refer to the table regions, which has no model: there has to be a row in it.\n"
        "Created database/seeders/branch_seeder.py\n"
    ) in said
    for _ in range(2):
        project.inv("database.seed")
        rows = execute(url, "SELECT comp_a, comp_b, country, region, tenant_number FROM companies ORDER BY id")
        assert rows == [(1, 3, "at", "Wien", 1), (1, 3, "at", "Wien", 2)]
        assert execute(url, "SELECT company_number, company_country, company_region FROM branches") == [
            (1, "at", "Wien")
        ]
    ruff(project)


NEEDS = """
    import sqlalchemy as sa
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


    class Base(DeclarativeBase):
        pass


    class Role(Base):
        __tablename__ = "roles"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(20), unique=True)


    class Team(Base):
        __tablename__ = "teams"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(20), unique=True)
        kind: Mapped[str] = mapped_column(sa.String(20))
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "team"}


    class Squad(Team):
        __mapper_args__ = {"polymorphic_identity": "squad"}


    class User(Base):
        __tablename__ = "users"
        id: Mapped[int] = mapped_column(primary_key=True)
        email: Mapped[str] = mapped_column(sa.String(20), unique=True)
        role_id: Mapped[int] = mapped_column(sa.ForeignKey("roles.id"))
        team_id: Mapped[int] = mapped_column(sa.ForeignKey("teams.id"))
        second_team_id: Mapped[int] = mapped_column(sa.ForeignKey("teams.id"))
        parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("users.id"))


    class Node(Base):
        __tablename__ = "nodes"
        id: Mapped[int] = mapped_column(primary_key=True)
        parent_id: Mapped[int] = mapped_column(sa.ForeignKey("nodes.id"))


    class Egg(Base):
        __tablename__ = "eggs"
        id: Mapped[int] = mapped_column(primary_key=True)
        chick_id: Mapped[int] = mapped_column(sa.ForeignKey("chicks.id"))


    class Chick(Base):
        __tablename__ = "chicks"
        id: Mapped[int] = mapped_column(primary_key=True)
        hen_id: Mapped[int] = mapped_column(sa.ForeignKey("hens.id"))


    class Hen(Base):
        __tablename__ = "hens"
        id: Mapped[int] = mapped_column(primary_key=True)
        egg_id: Mapped[int] = mapped_column(sa.ForeignKey("eggs.id"))
"""


def test_what_has_to_be_there_first(project: Sandbox) -> None:
    """What a row refers to and no seeder makes is told with the command that makes one, and what to write then."""
    project.write("models.py", NEEDS)
    needs = (
        "Its rows refer to Role and Team, which no seeder makes yet: inv make.seeder role make.seeder team, and then "
        'depends_on = ["RoleSeeder", "TeamSeeder"] in this one.\n'
    )
    assert project.inv("make.seeder", "user", "--pretend").stdout.endswith(f"{needs}Nothing was written.\n")
    assert project.inv("make.seeder", "role").stdout == "Created database/seeders/role_seeder.py\n"
    assert project.inv("make.seeder", "user").stdout == (
        "Created database/seeders/user_seeder.py\n"
        "Its rows refer to Team, which no seeder makes yet: inv make.seeder team, and then "
        'depends_on = ["RoleSeeder", "TeamSeeder"] in this one.\n'
    )
    (project.root / "database/seeders/user_seeder.py").unlink()
    said = project.inv("make.seeder", "squad", "make.seeder", "user").stdout
    assert said == "Created database/seeders/squad_seeder.py\nCreated database/seeders/user_seeder.py\n"
    assert 'depends_on = ["RoleSeeder", "SquadSeeder"]' in (project.root / "database/seeders/user_seeder.py").read_text(
        "utf-8"
    )


def test_what_no_seeder_can_begin(project: Sandbox) -> None:
    """Keys that are never NULL and lead back to where they are: what is left to do by hand is told."""
    project.write("models.py", NEEDS)
    assert project.inv("make.seeder", "node").stdout == (
        "Created database/seeders/node_seeder.py\n"
        "Its rows refer to Node itself, and parent_id may not be NULL: write the first one by hand, one that refers "
        "to itself.\n"
    )
    first = project.inv("make.seeder", "egg").stdout
    assert first == (
        "Created database/seeders/egg_seeder.py\n"
        "No seeder can go first: Egg -> Chick -> Hen -> Egg refer to each other by keys that may not be NULL. Make one "
        "of them nullable, or deferrable and write the first rows by hand.\n"
    )
    assert "Hen -> Egg -> Chick -> Hen" in project.inv("make.seeder", "hen").stdout
    assert "depends_on" not in (project.root / "database/seeders/hen_seeder.py").read_text("utf-8")
    ruff(project)


SHADOWS = """
    import datetime as dt
    import enum

    import sqlalchemy as sa
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


    class Base(DeclarativeBase):
        pass


    class date(enum.Enum):
        today = "today"


    class Session(Base):
        __tablename__ = "sessions"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(20), unique=True)


    class select(Base):
        __tablename__ = "selected"
        id: Mapped[int] = mapped_column(primary_key=True)
        db: Mapped[int] = mapped_column(sa.ForeignKey("sessions.id"))
        rows: Mapped[int] = mapped_column(sa.ForeignKey("sessions.id"))
        Session: Mapped[int] = mapped_column(sa.ForeignKey("sessions.id"))
        upsert: Mapped[int] = mapped_column(sa.ForeignKey("sessions.id"))
        day: Mapped[date]
        born: Mapped[dt.date] = mapped_column(unique=True)
        kind: Mapped[str] = mapped_column(sa.String(20))
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "select"}


    class insert(select):
        __tablename__ = "inserted"
        id: Mapped[int] = mapped_column(sa.ForeignKey("selected.id"), primary_key=True)
        known: Mapped[int] = mapped_column(sa.ForeignKey("sessions.id"))
        tuple: Mapped[int] = mapped_column(sa.ForeignKey("sessions.id"))
        __mapper_args__ = {"polymorphic_identity": "insert"}
"""


def test_names_that_mean_something_already(project: Sandbox) -> None:
    """Models and foreign keys may be called as what a seeder imports and uses; it still runs, twice, and is tidy."""
    project.write("models.py", SHADOWS)
    project.inv("make.migration", "create tables", "database.migrate")
    project.inv("make.seeder", "session", "make.seeder", "select", "database.seed", "database.seed")
    url = f"sqlite:///{project.root / 'app.db'}"
    assert execute(url, "SELECT db, rows, Session, upsert, born FROM selected ORDER BY id") == [
        (1, 1, 1, 1, "2026-01-01"), (1, 1, 1, 1, "2026-01-02"),
    ]  # fmt: skip
    execute(url, "DELETE FROM selected")
    project.inv("make.seeder", "insert", *["database.seed", "--class=insert"] * 2)
    assert execute(url, "SELECT known, tuple FROM inserted") == [(1, 1), (1, 1)]
    ruff(project)


TAGGED = """
    import sqlalchemy as sa
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


    class Base(DeclarativeBase):
        pass


    post_tags = sa.Table(
        "post_tags",
        Base.metadata,
        sa.Column("post_id", sa.ForeignKey("posts.id"), primary_key=True),
        sa.Column("tag_id", sa.ForeignKey("tags.id"), primary_key=True),
    )


    class Tag(Base):
        __tablename__ = "tags"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(20), unique=True)


    class Post(Base):
        __tablename__ = "posts"
        id: Mapped[int] = mapped_column(primary_key=True)
        title: Mapped[str] = mapped_column(sa.String(20))
        tags: Mapped[list[Tag]] = relationship(secondary=post_tags)
        readers: Mapped[list[Tag]] = relationship(
            secondary=sa.Table(
                "readers",
                Base.metadata,
                sa.Column("post", sa.ForeignKey("posts.id"), nullable=False),
                sa.Column("tag", sa.ForeignKey("tags.id"), nullable=False),
            )
        )
"""


@pytest.mark.parametrize("server", [None, "postgresql"])
def test_tables_without_a_class(request: pytest.FixtureRequest, project: Sandbox, server: str | None) -> None:
    """An association table gets a row that refers to its parents, once; also one that no variable holds."""
    project.write("models.py", TAGGED)
    url = request.getfixturevalue(server).fresh("postgresql+psycopg") if server else f"sqlite:///{project.root}/app.db"
    env = {"DATABASE_URL": url}
    project.inv("make.migration", "create all", "database.migrate", env=env)
    said = project.inv("make.seeder", "PostTags", "--pretend", env=env).stdout
    assert "Its rows refer to Post and Tag, which no seeder makes yet: inv make.seeder post make.seeder tag" in said
    made = [word for name in ("post", "tags", "post_tags", "ReadersSeeder") for word in ("make.seeder", name)]
    assert "No model" not in project.inv(*made, env=env).stdout
    text = (project.root / "database/seeders/post_tags_seeder.py").read_text("utf-8")
    assert 'depends_on = ["PostSeeder"]' in text
    assert "from models import Post, Tag, post_tags\n" in text
    assert 'upsert(db, post_tags, rows, key=["post_id", "tag_id"])' in text
    assert "class TagsSeeder:" in (project.root / "database/seeders/tags_seeder.py").read_text("utf-8")
    project.replace("database/seeders/post_tags_seeder.py", '["PostSeeder"]', '["PostSeeder", "TagsSeeder"]')
    project.replace("database/seeders/readers_seeder.py", '["PostSeeder"]', '["PostSeeder", "TagsSeeder"]')
    for _ in range(2):
        project.inv("database.seed", env=env)
        assert execute(url, "SELECT post_id, tag_id FROM post_tags") == [(1, 1)]
        assert len(execute(url, "SELECT post, tag FROM readers")) == 2
        assert [len(execute(url, f"SELECT id FROM {table}")) for table in ("posts", "tags")] == [2, 2]
    ruff(project)


def test_the_seeder_that_calls_the_others(project: Sandbox) -> None:
    """make.seeder database calls those that there are, each after what it depends on; a bare run then runs each once,
    and whoever is made later is told to be added."""
    project.write("models.py", TAGGED)
    empty = project.inv("make.seeder", "database", "--pretend").stdout
    assert '# self.call("UserSeeder", "PostSeeder")' in empty
    assert "There are no seeders yet that it could call" in empty
    project.inv("make.migration", "create all", "database.migrate", "make.seeder", "tag", "make.seeder", "post")
    project.inv("make.seeder", "post_tags")
    project.replace("database/seeders/post_seeder.py", "    @static", '    depends_on = ["TagSeeder"]\n\n    @static')
    assert project.inv("make.seeder", "database").stdout == "Created database/seeders/database_seeder.py\n"
    text = (project.root / "database/seeders/database_seeder.py").read_text("utf-8")
    assert (
        """
        self.call(
            "TagSeeder",
            "PostSeeder",
            "PostTagsSeeder",
        )
"""
        in text
    )
    ruff(project)
    said = project.inv("database.seed").stdout
    assert [line.split()[0] for line in said.splitlines() if line.endswith("DONE")] == [
        "TagSeeder", "PostSeeder", "PostTagsSeeder", "DatabaseSeeder",
    ]  # fmt: skip
    assert said.endswith("4 seeders ran.\n")
    assert "0 created" in project.inv("database.seed").stdout
    said = project.inv("make.seeder", "readers").stdout
    assert 'DatabaseSeeder does not call it: add "ReadersSeeder" in database/seeders/database_seeder.py.\n' in said


def test_it_calls_them_by_the_foreign_keys(project: Sandbox) -> None:
    """A model's seeder comes after those of the models that it refers to, whatever the files are called; what the
    seeders say themselves comes first."""
    project.write("models.py", """
        from sqlalchemy import Column, ForeignKey, Table
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


        class Base(DeclarativeBase):
            pass


        class Team(Base):
            __tablename__ = "teams"
            id: Mapped[int] = mapped_column(primary_key=True)
            boss_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))


        class Member(Base):
            __tablename__ = "members"
            id: Mapped[int] = mapped_column(primary_key=True)
            team_id: Mapped[int] = mapped_column(ForeignKey("teams.id"))
            parent_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))


        class Address(Base):
            __tablename__ = "addresses"
            id: Mapped[int] = mapped_column(primary_key=True)
            member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))


        badges = Table("all_badges", Base.metadata, Column("address_id", ForeignKey("addresses.id"), primary_key=True))
    """)  # fmt: skip
    for number, name in enumerate(("Address", "AllBadges", "Other", "Team", "Member")):
        depends_on = '    depends_on = ["OtherSeeder"]\n' if name == "Team" else ""
        project.write(
            f"database/seeders/m{number}.py",
            f"class {name}Seeder:\n{depends_on}    def run(self, db):\n        pass\n",
        )
    text = project.inv("make.seeder", "database", "--pretend").stdout
    called = [line.strip(' ",') for line in text.splitlines() if line.strip().startswith('"') and "Seeder" in line]
    assert called == ["OtherSeeder", "TeamSeeder", "MemberSeeder", "AddressSeeder", "AllBadgesSeeder"]


def test_one_file_under_many_names(project: Sandbox) -> None:
    """Each spelling is the same file; once it is there it is left as it is, with exit code 1."""
    made = project.inv("make.seeder", "user").stdout
    assert made == (
        "Created database/seeders/user_seeder.py\n"
        "No model or table of that name was found, so it has no sample rows; --model=NAME chooses one.\n"
    )
    file = project.write("database/seeders/user_seeder.py", "mine = True\n")
    for spelling in ("UserSeeder", "user_seeder"):
        refused = project.inv("make.seeder", spelling, code=1)
        assert refused.stderr == "database/seeders/user_seeder.py exists already; it was left as it is.\n"
    assert file.read_text() == "mine = True\n"


def test_a_seeder_without_a_model_runs_as_well(project: Sandbox) -> None:
    """Where no model has the name the file is a frame that runs and adds nothing; --pretend only shows it."""
    before = project.files()
    shown = project.inv("make.seeder", "order item", "--pretend").stdout
    assert "class OrderItemSeeder:" in shown
    assert shown.endswith("Nothing was written.\n")
    assert "class OrderItemSeeder:" in project.inv("--dry", "make.seeder", "order item").stdout
    assert project.files() == before
    project.write("app.db", "")
    assert "1 seeder ran." in project.inv("make.seeder", "order item", "database.seed").stdout
    ruff(project)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["../user"], "'../user' is not a valid name for a class"),
        (["--help"], "'--help' is not a name. For help: inv --help make.seeder"),
        (["user", "--model"], "--model needs a value"),
        (["user", "--model=Absent"], "There is no model or table Absent. Known: Animal, Car, Cat"),
    ],
)
def test_wrong_usage(project: Sandbox, arguments: list[str], complaint: str) -> None:
    """A name or a model that cannot be meant: exit code 2, the reason, and nothing written."""
    project.write("models.py", MODELS)
    before = project.files()
    refused = project.inv("make.seeder", *arguments, code=2)
    assert refused.stderr.startswith(complaint)
    assert refused.stdout == ""
    assert project.files() == before


def test_a_name_that_no_file_can_have(project: Sandbox) -> None:
    """200 letters of several bytes each are too long a file name: told in one line, nothing written."""
    before = project.files()
    refused = project.inv("make.seeder", "ж" * 190, code=1)
    assert refused.stderr.endswith("cannot be written: File name too long.\n")
    assert project.files() == before


def test_a_model_in_two_modules(project: Sandbox) -> None:
    """A name that two models have is not chosen between: both are named, and --model takes one with its module."""
    model = """
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


        class Base(DeclarativeBase):
            pass


        class User(Base):
            __tablename__ = "users"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str]
    """
    project.write("app/api/shop/models.py", model)
    project.write("app/api/blog/models.py", model)
    refused = project.inv("make.seeder", "user", code=2)
    assert refused.stderr == (
        "User could be any of app.api.blog.models.User, app.api.shop.models.User. Choose: --model=MODULE.NAME\n"
    )
    assert not (project.root / "database").exists()
    project.inv("make.seeder", "people", "--model=app.api.shop.models.User")
    text = (project.root / "database/seeders/people_seeder.py").read_text("utf-8")
    assert "from app.api.shop.models import User\n" in text
    assert "class PeopleSeeder:" in text


def test_models_that_cannot_be_used(project: Sandbox) -> None:
    """A model that cannot be imported, or does not fit the others, is told by name, and nothing is written."""
    project.write("models.py", "import absent_library\n")
    before = project.files()
    failed = project.inv("make.seeder", "user", code=1)
    assert failed.stderr == (
        "The models in models cannot be imported: models.py:1: ModuleNotFoundError: No module named 'absent_library'\n"
    )
    project.write("models.py", MODELS)
    project.replace("models.py", "Mapped[Team] = relationship()", 'Mapped["Nobody"] = relationship()')
    failed = project.inv("make.seeder", "user", code=1)
    assert failed.stderr.startswith("The models do not fit together: ")
    assert "Nobody" in failed.stderr
    project.write("models.py", MODELS)
    project.replace("models.py", 'sa.ForeignKey("users.id"), unique', 'sa.ForeignKey("absent.id"), unique')
    failed = project.inv("make.seeder", "profile", code=1)
    assert failed.stderr.startswith("profiles.user_id refers to the table absent, which is missing. ")
    assert "absent" in failed.stderr
    assert project.files() == before


@pytest.mark.parametrize("template", ["generic", "async"])
def test_the_models_that_env_py_names(project: Sandbox, alembic_init: Init, template: str) -> None:
    """Where no convention finds them, mapped with and without a base; no database is needed for it."""
    alembic_init(project, "postgresql+asyncpg://nobody@127.0.0.1:1/nothing", template=template)
    project.replace("migrations/env.py", "target_metadata = None", "from shop.orm import Base as target_base")
    project.replace(
        "migrations/env.py", "target_base", "target_base\nimport shop.domain\ntarget_metadata = target_base.metadata"
    )
    project.write(
        "shop/orm.py",
        """
        import sqlalchemy as sa
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


        class Base(DeclarativeBase):
            pass


        class Customer(Base):
            __tablename__ = "customers"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str] = mapped_column(sa.String(20), unique=True)


        orders = sa.Table("orders", Base.metadata, sa.Column("id", sa.Integer, primary_key=True))
        """,
    )
    project.write(
        "shop/domain.py",
        """
        from shop.orm import Base, orders


        class Order:
            pass


        Base.registry.map_imperatively(Order, orders)
        """,
    )
    said = project.inv("make.seeder", "customer", "make.seeder", "order")
    assert said.stdout == "Created database/seeders/customer_seeder.py\nCreated database/seeders/order_seeder.py\n"
    assert "from shop.domain import Order\n" in (project.root / "database/seeders/order_seeder.py").read_text()
    unknown = project.inv("make.seeder", "x", "--model=Nope", code=2)
    assert unknown.stderr == "There is no model or table Nope. Known: Customer, Order.\n"
