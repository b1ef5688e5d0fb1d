"""What models can have, each thing in several forms: a change of a model is another form of one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

EVERY = frozenset({"sqlite", "postgresql", "mariadb"})
POSTGRESQL = frozenset({"postgresql"})
HEAD = """
import datetime
import decimal
import enum
import uuid

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Date,
    DateTime,
    Enum,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    Time,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention={convention})
"""
CONVENTION = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
#: A member of each enum that all its forms have, by the column.
MEMBERS = {"mood": "glad", "plan": "free", "rank": "low", "colour": "black", "state": "open", "kind": "user"}


@dataclass(frozen=True)
class Feature:
    """Forms of one thing at a ``place`` in the models: a table's columns or arguments, or the module.

    The first form is that of new models. ``backfill`` are values, as SQL, for columns that may have been NULL.
    """

    name: str
    place: str
    forms: tuple[str, ...]
    databases: frozenset[str] = EVERY
    backfill: Mapping[str, str] | None = None


def column(name: str, *forms: str, databases: frozenset[str] = EVERY, backfill: str | None = None) -> Feature:
    """A column of users, in several forms; where one is empty, there is no such column."""
    return Feature(
        name,
        "users",
        tuple(form and f"{name}: {form}" for form in forms),
        databases,
        {name: backfill} if backfill is not None else None,
    )


def argument(name: str, *forms: str, databases: frozenset[str] = EVERY) -> Feature:
    """A constraint or an index of users, in several forms."""
    return Feature(name, "arguments", forms, databases)


FEATURES = (
    # Types.
    column("bio", "Mapped[str | None] = mapped_column(String(50))", "Mapped[str | None] = mapped_column(Text)",
           "Mapped[str | None] = mapped_column(String(200))"),
    column("points", "Mapped[int | None]", "Mapped[int | None] = mapped_column(BigInteger)",
           "Mapped[decimal.Decimal | None] = mapped_column(Numeric(10, 2))", ""),
    column("code", "Mapped[str | None] = mapped_column(String(20))", "Mapped[int | None]"),
    column("born", "", "Mapped[datetime.date | None]", "Mapped[datetime.datetime | None]"),
    column("ratio", "", "Mapped[float | None]", "Mapped[float | None] = mapped_column(Float(53))"),
    column("picture", "", "Mapped[bytes | None] = mapped_column(LargeBinary)"),
    column("settings", "", "Mapped[dict | None] = mapped_column(JSON)"),
    column("token", "", "Mapped[uuid.UUID | None] = mapped_column(Uuid)"),
    column("wakes", "", "Mapped[datetime.time | None] = mapped_column(Time)"),
    column("labels", "", "Mapped[list | None] = mapped_column(ARRAY(String(20)))",
           "Mapped[list | None] = mapped_column(ARRAY(Integer))", databases=POSTGRESQL),
    column("document", "", "Mapped[dict | None] = mapped_column(postgresql.JSONB)", databases=POSTGRESQL),
    # NULL and defaults.
    column("city", "Mapped[str | None] = mapped_column(String(30))", "Mapped[str] = mapped_column(String(30))",
           backfill="nowhere"),
    column("country", "", "Mapped[str] = mapped_column(String(30), server_default='CH')",
           "Mapped[str] = mapped_column(String(30), server_default=\"it's :here, 100%\")",
           "Mapped[str | None] = mapped_column(String(30))", "Mapped[str] = mapped_column(String(30))",
           backfill="DE"),
    column("logins", "Mapped[int] = mapped_column(server_default=text('0'))",
           "Mapped[int] = mapped_column(server_default=text('1'))", "Mapped[int]"),
    column("is_active", "", "Mapped[bool] = mapped_column(server_default=text('true'))",
           "Mapped[bool | None] = mapped_column(Boolean(create_constraint=True, name='active'))", backfill="true"),
    column("created", "", "Mapped[datetime.datetime] = mapped_column(server_default=func.now())",
           "Mapped[datetime.datetime | None]", backfill="2026-01-01"),
    # Keys, constraints and indexes on a column.
    column("email", "Mapped[str] = mapped_column(String(50))", "Mapped[str] = mapped_column(String(50), unique=True)",
           "Mapped[str] = mapped_column(String(50), index=True)",
           "Mapped[str] = mapped_column(String(50), index=True, unique=True)"),
    column("age", "Mapped[int]", "Mapped[int] = mapped_column(CheckConstraint('age > 0', name='positive'))"),
    column("size", "Mapped[int | None] = mapped_column(CheckConstraint('size > 0', name='size'))",
           "Mapped[int | None] = mapped_column(CheckConstraint('size >= 0', name='size'))", "Mapped[int | None]"),
    column("team_id", "Mapped[int | None]", "Mapped[int | None] = mapped_column(ForeignKey('teams.id'))",
           "Mapped[int | None] = mapped_column(ForeignKey('teams.id', ondelete='CASCADE'))", "",
           "Mapped[int | None] = mapped_column(ForeignKey('teams.id'), index=True)"),
    column("boss_id", "", "Mapped[int | None] = mapped_column(ForeignKey('users.id', ondelete='SET NULL'))"),
    # Enums.
    column("mood", "Mapped[str | None] = mapped_column(Enum('glad', 'sad', name='mood'))",
           "Mapped[str | None] = mapped_column(Enum('glad', 'calm', 'sad', name='mood'))",
           "Mapped[str | None] = mapped_column(Enum('calm', 'glad', name='mood'))",
           "Mapped[str | None] = mapped_column(Enum('glad', 'sad', \"so'so\", name='mood', create_constraint=True))",
           "", "Mapped[str | None] = mapped_column(String(20))",
           "Mapped[str | None] = mapped_column(Enum('glad', 'a\\\\b', 'sad', name='mood'))"),
    column("plan", "", "Mapped[str | None] = mapped_column(Enum('free', 'paid', name='plan', native_enum=False))",
           "Mapped[str | None] = mapped_column("
           "Enum('free', 'paid', 'premium', name='plan', native_enum=False, create_constraint=True))",
           "Mapped[str | None] = mapped_column("
           "Enum('free', 'paid', name='plan', native_enum=False, create_constraint=True))"),
    column("rank", "", "Mapped[str] = mapped_column(Enum('low', 'high', name='rank'), server_default='low')",
           "Mapped[str] = mapped_column(Enum('low', 'high', 'top', name='rank'), server_default='low')"),
    # Computed, comments.
    column("doubled", "", "Mapped[int | None] = mapped_column(Computed('age * 2'))"),
    column("rest", "", "Mapped[int | None] = mapped_column(Computed('age % 7'))"),
    column("nick", "Mapped[str | None] = mapped_column(String(20))",
           "Mapped[str | None] = mapped_column(String(20), comment='what friends say')",
           "Mapped[str | None] = mapped_column(String(20), comment=\"the user's own, 100%\")"),
    # Arguments of the table.
    argument("two unique", "", "UniqueConstraint('nick', 'email')"),
    argument("two unique, named", "", "UniqueConstraint('nick', 'age', name='one_nick_an_age')"),
    argument("a check of two", "", "CheckConstraint('age < 500 OR logins < 500', name='sane')",
             "CheckConstraint(\"nick <> '%\\\\:x' AND age < 900\", name='sane')"),
    argument("an index of two", "", "Index('by_nick', 'nick', 'age')", "Index('by_nick', 'age', 'nick')",
             "Index('by_nick', 'nick', 'age', unique=True)"),
    argument("a partial index", "", "Index('grown', 'age', postgresql_where=text('age > 17'), "
             "sqlite_where=text('age > 17'))", "Index('grown', 'age', postgresql_where=text('age > 20'), "
             "sqlite_where=text('age > 20'))", "Index('grown', 'age', postgresql_where=text(\"nick LIKE 'a%'\"), "
             "sqlite_where=text(\"nick LIKE 'a%'\"))", databases=frozenset({"sqlite", "postgresql"})),
    argument("an index of an expression", "", "Index('lower_nick', text('lower(nick)'))",
             "Index('lower_nick', text('upper(nick)'))",
             "Index('lower_nick', text(\"replace(nick, '%', ' \\\\:x')\"))",
             databases=frozenset({"sqlite", "postgresql"})),
    Feature("the comment of users", "options", ("", "'comment': 'people'", "'comment': \"everybody's\"")),
    # Tables.
    Feature("tags", "module", ("", """
class Tag(Base):
    __tablename__ = "tags"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20), unique=True)


user_tags = Table(
    "user_tags",
    Base.metadata,
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("tag_id", ForeignKey("tags.id"), primary_key=True),
)
""")),
    Feature("inheritance", "module", ("", """
class Admin(User):
    __tablename__ = "admins"
    id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    level: Mapped[int]
""", """
class Admin(User):
    __mapper_args__ = {"polymorphic_identity": "admin"}
    level: Mapped[int | None]
""")),
    Feature("a cycle", "module", ("", """
class Parent(Base):
    __tablename__ = "parents"
    id: Mapped[int] = mapped_column(primary_key=True)
    favourite_id: Mapped[int | None] = mapped_column(ForeignKey("children.id", use_alter=True))


class Child(Base):
    __tablename__ = "children"
    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("parents.id"))
""")),
    Feature("a wider key", "module", ("", """
class Author(Base):
    __tablename__ = "authors"
    id: Mapped[int] = mapped_column(primary_key=True)


class Book(Base):
    __tablename__ = "books"
    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("authors.id"), unique=True)
""", """
class Author(Base):
    __tablename__ = "authors"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)


class Book(Base):
    __tablename__ = "books"
    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("authors.id"))
"""), frozenset({"postgresql", "mariadb"})),
    Feature("a table of a shared enum", "module", ("", """
class Cat(Base):
    __tablename__ = "cats"
    id: Mapped[int] = mapped_column(primary_key=True)
    colour: Mapped[str | None] = mapped_column(Enum("black", "white", name="colour"))


class Dog(Base):
    __tablename__ = "dogs"
    id: Mapped[int] = mapped_column(primary_key=True)
    colour: Mapped[str | None] = mapped_column(Enum("black", "white", name="colour"))
""", """
class Cat(Base):
    __tablename__ = "cats"
    id: Mapped[int] = mapped_column(primary_key=True)
    colour: Mapped[str | None] = mapped_column(Enum("black", "white", name="colour"))
""")),
    Feature("a schema", "module", ("", """
class Invoice(Base):
    __tablename__ = "invoices"
    __table_args__ = {"schema": "billing"}
    id: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str | None] = mapped_column(Enum("open", "paid", name="state", schema="billing"))
""", """
class Invoice(Base):
    __tablename__ = "invoices"
    __table_args__ = {"schema": "billing"}
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int | None] = mapped_column(unique=True)
    state: Mapped[str | None] = mapped_column(Enum("open", "paid", "void", name="state", schema="billing"))
"""), POSTGRESQL),
    Feature("an identity", "module", ("", """
class Ticket(Base):
    __tablename__ = "tickets"
    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
""", """
class Ticket(Base):
    __tablename__ = "tickets"
    id: Mapped[int] = mapped_column(Identity(start=100), primary_key=True)
"""), POSTGRESQL),
)  # fmt: skip


def changes(database: str) -> list[tuple[Feature, int, int]]:
    """Every change of a form into another one, on ``database``."""
    return [
        (feature, before, after)
        for feature in FEATURES
        if database in feature.databases
        for before in range(len(feature.forms))
        for after in range(len(feature.forms))
        if before != after
    ]


def render(state: Mapping[str, int], *, convention: bool = False) -> str:
    """models.py with each feature in the form that ``state`` says, by default its first; ``state`` has numbers."""

    def forms(place: str) -> list[str]:
        found = (each.forms[state.get(each.name, 0)] for each in FEATURES if each.place == place)
        return [form for form in found if form]

    columns = [*(f"    {form}" for form in forms("users"))]
    inherits = state.get("inheritance", 0)
    mapper = ['    kind: Mapped[str] = mapped_column(String(10), server_default="user")',
              '    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "user"}']  # fmt: skip
    arguments = [*forms("arguments"), f"{{{', '.join(forms('options'))}}}"]
    lines = [
        HEAD.replace("{convention}", repr(CONVENTION if convention else {"ix": CONVENTION["ix"]})),
        "",
        "class Team(Base):",
        '    __tablename__ = "teams"',
        "    id: Mapped[int] = mapped_column(primary_key=True)",
        "    name: Mapped[str] = mapped_column(String(50))",
        "",
        "",
        "class User(Base):",
        '    __tablename__ = "users"',
        f"    __table_args__ = ({', '.join(arguments)},)",
        "    id: Mapped[int] = mapped_column(primary_key=True)",
        *(mapper if inherits == 2 else []),
        *columns,
        "",
        *forms("module"),
    ]
    return "\n".join(lines) + "\n"
