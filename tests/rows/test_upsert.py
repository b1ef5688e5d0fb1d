"""upsert(): rows that are new, changed and as they were, on every database."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from fastman_tasks.databases.database import Database
from fastman_tasks.databases.urls import parse
from fastman_tasks.errors import UpsertRefused
from fastman_tasks.models.columns import unique_groups
from fastman_tasks.rows.upsert import Upserted
from fastman_tasks.seeding import upsert
from seeds import EVERY, POSTGRESQL, SQLITE
from servers import Server, execute


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    __table_args__ = (
        sa.UniqueConstraint("first", "last"),
        sa.Index("ix_some", "age", unique=True, sqlite_where=sa.text("age > 1"), postgresql_where=sa.text("age > 1")),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column("e_mail", sa.String(50), unique=True)
    first: Mapped[str | None] = mapped_column(sa.String(50))
    last: Mapped[str | None] = mapped_column(sa.String(50))
    age: Mapped[int | None]
    data: Mapped[Any] = mapped_column(sa.JSON(none_as_null=True), nullable=True)
    kind: Mapped[str] = mapped_column(sa.String(10), default="plain")
    changes: Mapped[int] = mapped_column(default=0, onupdate=99)


class Tag(Base):
    """A name that is to be quoted, and an onupdate that is made of the row's other values."""

    __tablename__ = "Tags: all"

    id: Mapped[int] = mapped_column("Id", primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(50), unique=True)
    slug: Mapped[str | None] = mapped_column(
        sa.String(50), onupdate=lambda context: context.get_current_parameters()["name"].lower()
    )


class Animal(Base):
    __tablename__ = "animals"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(50), unique=True)
    kind: Mapped[str] = mapped_column(sa.String(10))
    __mapper_args__: ClassVar = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}


class Cat(Animal):
    __mapper_args__: ClassVar = {"polymorphic_identity": "cat"}


class Lion(Cat):
    __mapper_args__: ClassVar = {"polymorphic_identity": "lion"}


class Dog(Animal):
    __tablename__ = "dogs"

    id: Mapped[int] = mapped_column(sa.ForeignKey("animals.id"), primary_key=True)
    __mapper_args__: ClassVar = {"polymorphic_identity": "dog"}


class Part(Base):
    """Only what goes into arrays."""

    __tablename__ = "parts"

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column("the code", sa.String(5), unique=True)
    price: Mapped[Decimal | None] = mapped_column(sa.Numeric(10, 2))
    weight: Mapped[float | None]
    sold: Mapped[bool | None]
    made: Mapped[date | None]
    key: Mapped[uuid.UUID | None]


Work = Callable[[Session], Any]


class Stamp(Base):
    """Its onupdate is SQL whose parameter is written into the statement."""

    __tablename__ = "stamps"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(50))
    changed: Mapped[str] = mapped_column(
        sa.String(50), default="no", onupdate=sa.func.upper(sa.bindparam("word", "yes", literal_execute=True))
    )


class Place:
    """An empty database with the tables above."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._database = Database(parse(url))
        self._database.run(lambda connection: (Base.metadata.create_all(connection), connection.commit()))

    def run(self, work: Work) -> Any:
        """What ``work`` gives for a session that is committed."""

        def run(connection: sa.Connection) -> Any:
            with Session(bind=connection) as db:
                found = work(db)
                db.commit()
                return found

        return self._database.run(run)


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path, driver: str) -> Iterator[Place]:
    """A new database for ``driver``."""
    if driver in SQLITE:
        yield Place(f"{driver}:///{tmp_path}/shop.db")
    else:
        server: Server = request.getfixturevalue("postgresql" if driver in POSTGRESQL else "mariadb")
        yield Place(server.fresh(driver))


@pytest.mark.parametrize("driver", EVERY)
def test_created_updated_unchanged(place: Place) -> None:
    """Each is counted and happens as said; what a row does not name stays, defaults and onupdate apply."""
    ada = {"email": "ada@x.org", "age": 36, "data": {"a": [1, None]}}
    bob = {"email": "bob@x.org", "age": None, "data": None}
    assert place.run(lambda db: upsert(db, User, [ada, bob], key=["email"])) == Upserted(2, 0, 0)
    assert place.run(lambda db: upsert(db, User, iter([ada, bob]), key=["email"])) == Upserted(0, 0, 2)
    seen = "SELECT e_mail, first, age, kind, changes FROM users ORDER BY e_mail"
    assert execute(place.url, seen) == [("ada@x.org", None, 36, "plain", 0), ("bob@x.org", None, None, "plain", 0)]

    rows = [{**ada, "age": None}, {**bob, "data": {"b": 2}}, {"email": "eve@x.org", "kind": "new"}]
    assert place.run(lambda db: upsert(db, User, rows, key=["email"])) == Upserted(1, 2, 0)
    changed = 0 if "mysql" in place.url else 99
    assert execute(place.url, seen) == [
        ("ada@x.org", None, None, "plain", changed),
        ("bob@x.org", None, None, "plain", changed),
        ("eve@x.org", None, None, "new", 0),
    ]
    assert place.run(lambda db: upsert(db, User, [{"email": "ada@x.org"}], key=["email"])) == Upserted(0, 0, 1)
    assert place.run(lambda db: upsert(db, User, [], key=["email"])) == Upserted(0, 0, 0)
    assert place.run(lambda db: upsert(db, User, [{"id": 1, "email": "a@x.org"}], key=["id"])) == Upserted(0, 1, 0)
    pair = {"email": "f@x.org", "first": "F", "last": "L"}
    assert place.run(lambda db: upsert(db, User, [pair], key=["first", "last"])) == Upserted(1, 0, 0)
    cats = [{"name": "Tom"}]
    assert place.run(lambda db: upsert(db, Cat, cats, key=["name"])) == Upserted(1, 0, 0)
    assert place.run(lambda db: upsert(db, Cat, cats, key=["name"])) == Upserted(0, 0, 1)
    assert execute(place.url, "SELECT kind FROM animals") == [("cat",)]
    # A row that is there stays what it is.
    assert place.run(lambda db: upsert(db, Lion, [*cats, {"name": "Leo"}], key=["name"])) == Upserted(1, 0, 1)
    assert execute(place.url, "SELECT kind FROM animals ORDER BY id") == [("cat",), ("lion",)]


@pytest.mark.parametrize("driver", EVERY)
def test_ids_go_on(place: Place) -> None:
    """The next row without an id gets a free one."""
    rows = [{"id": n, "name": f"{n}", "slug": "x"} for n in (5, 3)]
    assert place.run(lambda db: upsert(db, Tag, rows, key=["id"])) == Upserted(2, 0, 0)
    for number in (6, 7):
        assert place.run(lambda db: (db.add(tag := Tag(name="new" * number)), db.flush(), tag.id)[2]) == number  # noqa: B023
        assert place.run(lambda db: upsert(db, Tag, rows[1:], key=["id"])) == Upserted(0, 0, 1)


@pytest.mark.parametrize("driver", POSTGRESQL)
def test_a_partitioned_table(place: Place) -> None:
    """Such a table does not tell which rows are new; they are counted all the same."""
    execute(place.url, 'DROP TABLE "Tags: all"')
    columns = '"Id" serial PRIMARY KEY, name varchar(50) NOT NULL, slug varchar(50)'
    execute(place.url, f'CREATE TABLE "Tags: all" ({columns}) PARTITION BY HASH ("Id")')
    for n in range(2):
        execute(place.url, f'CREATE TABLE t{n} PARTITION OF "Tags: all" FOR VALUES WITH (MODULUS 2, REMAINDER {n})')
    rows = [{"id": n, "name": f"{n}", "slug": "x"} for n in range(9)]
    assert place.run(lambda db: upsert(db, Tag, rows[:5], key=["id"])) == Upserted(5, 0, 0)
    rows[3]["name"] = "new"
    assert place.run(lambda db: upsert(db, Tag, rows, key=["id"])) == Upserted(4, 1, 4)


@pytest.mark.parametrize("driver", EVERY)
def test_many_rows(place: Place) -> None:
    """Rows of a generator, in several batches and of two shapes, and rows that were added before."""

    def rows(shift: int) -> Iterator[dict[str, Any]]:
        for n in range(2500):
            yield {"email": f"{n}@x.org", "first": f"f{n + shift * (n % 2)}"}
        yield {"email": "last@x.org"}

    def first(db: Session) -> Upserted:
        db.add(User(email="7@x.org", first="f7"))
        return upsert(db, User, rows(0), key=["email"])

    assert place.run(first) == Upserted(2500, 0, 1)
    assert place.run(lambda db: upsert(db, User, rows(1), key=["email"])) == Upserted(0, 1250, 1251)
    assert execute(place.url, "SELECT count(*) FROM users WHERE first = 'f8'") == [(2,)]


@pytest.mark.parametrize("driver", EVERY)
def test_every_plain_type(place: Place) -> None:
    """Each value is the same again, NULL too; numbers of several types go together; a text too long is refused."""
    full = {"price": Decimal("1.50"), "weight": 0.5, "sold": True, "made": date(2026, 1, 31), "key": uuid.UUID(int=7)}
    rows: list[dict[str, Any]] = [
        {"code": "a", **full},
        {"code": "b", **dict.fromkeys(full)},
        {"code": "c", **full, "sold": False},
    ]
    assert place.run(lambda db: upsert(db, Part, rows, key=["code"])) == Upserted(3, 0, 0)
    assert place.run(lambda db: upsert(db, Part, rows, key=["code"])) == Upserted(0, 0, 3)
    found = place.run(
        lambda db: [
            {name: getattr(part, name) for name in ("code", *full)} for part in db.scalars(sa.select(Part)).all()
        ]
    )
    assert sorted(found, key=lambda row: row["code"]) == rows
    mixed = [{"code": "a", "price": 2}, {"code": "b", "price": Decimal("2.5")}, {"code": "d", "price": None}]
    assert place.run(lambda db: upsert(db, Part, mixed, key=["code"])) == Upserted(1, 2, 0)
    assert execute(place.url, "SELECT sum(price) FROM parts") == [(6,)]
    if not place.url.startswith("sqlite"):
        with pytest.raises(sa.exc.DBAPIError, match="too long"):
            place.run(lambda db: upsert(db, Part, [{"code": "far too long"}], key=["code"]))


@pytest.mark.parametrize("driver", EVERY)
def test_an_onupdate_with_parameters_of_its_own(place: Place) -> None:
    """SQLAlchemy takes such a statement for one execution only."""
    rows = [{"id": 1, "name": "one"}, {"id": 2, "name": "two"}]
    assert place.run(lambda db: upsert(db, Stamp, rows, key=["id"])) == Upserted(2, 0, 0)
    rows[1]["name"] = "zwei"
    assert place.run(lambda db: upsert(db, Stamp, rows, key=["id"])) == Upserted(0, 1, 1)
    changed = "no" if "mysql" in place.url else "YES"
    assert execute(place.url, "SELECT changed FROM stamps ORDER BY id") == [("no",), (changed,)]


pairs = sa.Table(
    "pairs",
    Base.metadata,
    sa.Column("one", sa.Integer, primary_key=True),
    sa.Column("the other", sa.Integer, key="other", primary_key=True),
    sa.Column("note", sa.String(20)),
)


@pytest.mark.parametrize("driver", EVERY)
def test_a_table_without_a_class(place: Place) -> None:
    """An association table is written like the table of a class, by the keys of its columns."""
    rows = [{"one": 1, "other": number, "note": "a"} for number in (1, 2)]
    assert place.run(lambda db: upsert(db, pairs, rows, key=["one", "other"])) == Upserted(2, 0, 0)
    rows[0]["note"] = "b"
    assert place.run(lambda db: upsert(db, pairs, rows, key=["one", "other"])) == Upserted(0, 1, 1)
    with pytest.raises(UpsertRefused, match="pairs has no attribute the other"):
        place.run(lambda db: upsert(db, pairs, [{"the other": 1}], key=["one", "the other"]))


class Listed(DeclarativeBase):
    """Tables that only PostgreSQL takes."""


class Event(Listed):
    __tablename__ = "events"

    id: Mapped[int] = mapped_column(primary_key=True)
    steps: Mapped[list[Any] | None] = mapped_column(sa.ARRAY(sa.JSON))
    notes: Mapped[list[Any] | None] = mapped_column(ARRAY(JSONB))
    tags: Mapped[list[str] | None] = mapped_column(ARRAY(sa.String(9)))


@pytest.mark.parametrize("driver", POSTGRESQL)
def test_arrays_of_json(place: Place) -> None:
    """PostgreSQL cannot compare them; what is there as it is counts as unchanged all the same."""
    place.run(lambda db: Listed.metadata.create_all(db.connection()))
    rows = [
        {"id": 1, "steps": [{"a": 1}, [2], "x"], "notes": [{"b": None}], "tags": ["a", "b"]},
        {"id": 2, "steps": None, "notes": [], "tags": None},
    ]
    assert place.run(lambda db: upsert(db, Event, rows, key=["id"])) == Upserted(2, 0, 0)
    assert place.run(lambda db: upsert(db, Event, rows, key=["id"])) == Upserted(0, 0, 2)
    rows[0]["steps"], rows[1]["notes"] = [{"a": 2}], [7]
    assert place.run(lambda db: upsert(db, Event, rows, key=["id"])) == Upserted(0, 2, 0)
    kept = place.run(lambda db: db.execute(sa.select(Event.steps, Event.notes).order_by(Event.id)).all())
    assert [tuple(row) for row in kept] == [([{"a": 2}], [{"b": None}]), (None, [7])]


def test_an_index_of_an_expression_is_no_key() -> None:
    """ON CONFLICT does not take its column."""
    table = sa.Table("t", sa.MetaData(), sa.Column("a", sa.Integer, primary_key=True), sa.Column("b", sa.String(9)))
    sa.Index("ix", sa.func.lower(table.c.b), unique=True)
    assert unique_groups(table, exact=True) == [(table.c.a,)]
    assert unique_groups(table, exact=False) == [(table.c.a,), (table.c.b,)]


REFUSED = [
    (User, [{"email": "a"}], ["age"], "age is not unique in users"),
    (User, [{"email": "a"}], ["first"], "first is not unique"),
    (User, [{"email": "a"}], [], "An empty key is not unique"),
    (User, [{"email": "a"}], ["mail"], "User has no attribute mail. It has: id, email, first"),
    (User, [{"age": 1}], ["email"], "A row of User has no value for its key: email."),
    (User, [{"email": None}], ["email"], "NULL never equals"),
    (User, [{"email": "a", "color": 1}], ["email"], "User has no attribute color."),
    (User, [{"email": "a"}, {"email": "b"}, {"email": "a"}], ["email"], "User with email='a' appears twice"),
    (Dog, [{"name": "Rex"}], ["name"], "Dog is mapped to several"),
    (datetime, [], ["day"], "expects a mapped class or a Table"),
    (User, {"email": "a"}, ["email"], "expects the rows of User as a list, [{'email': …, …}], not {'email': 'a'}."),
    (User, User(email="a"), ["email"], "expects the rows of User as a list, [{'email': …, …}], not object of User."),
    (
        User,
        [User(email="a")],
        ["email"],
        "A row of User has to map attributes to values, {'email': …, …}; this is an object",
    ),
    (User, ["email"], ["email"], "this is an object of str."),
    (Tag, [{"id": 1, "name": "a"}], ["name"], "Tags: all.slug: its onupdate needs .* Include slug in each row"),
]


@pytest.mark.parametrize("driver", ["sqlite"])
@pytest.mark.parametrize(("model", "rows", "key", "said"), REFUSED)
def test_refused(place: Place, model: type, rows: Any, key: list[str], said: str) -> None:
    """What cannot be meant is named, and nothing is written."""
    with pytest.raises(UpsertRefused, match=re.sub(r"[(\[]", r"\\\g<0>", said)):
        place.run(lambda db: upsert(db, model, rows, key=key))
    assert execute(place.url, "SELECT count(*) FROM users") == [(0,)]
