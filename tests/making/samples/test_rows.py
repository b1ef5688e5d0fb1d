"""Sample rows as source: what has to be given, in a form that formatters leave alone."""

from __future__ import annotations

import ast
import datetime as dt
import itertools
from typing import ClassVar

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fastman_tasks.making.samples.rows import Sample, sample
from fastman_tasks.making.samples.subject import Subject


class Base(DeclarativeBase):
    """The models of this module."""


class Parent(Base):
    """What others refer to."""

    __tablename__ = "parents"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(20))


_numbers = itertools.count()


def sampled(*columns: sa.Column[object] | sa.UniqueConstraint | sa.Index) -> Sample:
    """The sample of a new model whose table has an id and ``columns``."""
    table = sa.Table("things", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), *columns)
    return sample(Subject.of(Base.registry.map_imperatively(type(f"Thing{next(_numbers)}", (), {}), table)))


@pytest.mark.parametrize(
    ("options", "given"),
    [
        ({"nullable": False}, True),
        ({"nullable": True}, False),
        ({"nullable": False, "default": "x"}, False),
        ({"nullable": False, "default": lambda: "x"}, False),
        ({"nullable": False, "server_default": "x"}, False),
    ],
)
def test_what_is_required(options: dict[str, object], given: bool) -> None:
    """A row has what neither the database nor the model fills in, and the generated key never."""
    made = sampled(sa.Column("name", sa.String(20), nullable=False), sa.Column("other", sa.String(20), **options))
    assert [set(row) for row in made.rows] == [{"name", "other"} if given else {"name"}] * 2


def test_a_model_that_requires_nothing() -> None:
    """Three optional columns stand in, so that there is something to see; never a computed one or a foreign key."""
    made = sampled(
        sa.Column("twice", sa.Integer, sa.Computed("1 + 1")),
        sa.Column("parent_id", sa.ForeignKey(Parent.__table__.c.id)),
        *(sa.Column(name, sa.Integer) for name in "abcd"),
    )
    assert made.rows == [{"a": "1", "b": "1", "c": "1"}, {"a": "2", "b": "2", "c": "2"}]
    assert made.lookups == []


def test_how_rows_that_are_there_are_known() -> None:
    """By a unique column first, then by columns that are unique together, optional ones where no others are."""

    def columns() -> list[sa.Column[object]]:
        return [sa.Column(name, sa.Integer, nullable=False) for name in "abc"]

    assert sampled(*columns()).key == ()
    assert sampled(*columns(), sa.Column("u", sa.Integer, unique=True, nullable=False)).key == ("u",)
    assert sampled(*columns(), sa.UniqueConstraint("a", "b")).key == ("a", "b")
    assert sampled(*columns(), sa.UniqueConstraint("a", "b"), sa.Index("i", "c", unique=True)).key == ("c",)
    assert sampled(*columns(), sa.Column("o", sa.Integer), sa.UniqueConstraint("a", "o")).key == ("a", "o")


def test_what_is_not_unique_in_every_row_is_looked_up() -> None:
    """upsert() takes no index of expressions or of some rows; the rows are then known by a query."""
    name = sa.Column("name", sa.String(20), nullable=False)
    partial = sampled(name, sa.Index("i", name, unique=True, sqlite_where=name != "x"))
    assert (partial.key, partial.upserts) == (("name",), False)
    name = sa.Column("name", sa.String(20), nullable=False)
    lowered = sampled(name, sa.Index("i", sa.func.lower(name), unique=True))
    assert (lowered.key, lowered.upserts) == (("name",), False)


def test_foreign_keys_take_a_row_that_is_there() -> None:
    """The key is looked up, by its model where it has one; where it must be unique there is one row only."""
    made = sampled(sa.Column("parent_id", sa.ForeignKey(Parent.__table__.c.id), nullable=False))
    assert made.lookups == ["parent_id = db.scalars(select(Parent.id).limit(1)).one()"]
    assert made.rows == [{"parent_id": "parent_id"}] * 2
    one = sampled(sa.Column("parent_id", sa.ForeignKey(Parent.__table__.c.id), nullable=False, unique=True))
    assert len(one.rows) == 1

    plain = sa.Table("plain", sa.MetaData(), sa.Column("code", sa.String(9), primary_key=True))
    other = sampled(sa.Column("code", sa.ForeignKey(plain.c.code), nullable=False))
    assert other.lookups == [
        'code = db.scalars(select(column("code")).select_from(table("plain")).limit(1)).one()',
    ]
    assert "from sqlalchemy import column, insert, select, table" in other.names.import_lines


def test_two_foreign_keys_that_must_differ() -> None:
    """Where a constraint compares two keys to one table, the second takes another row."""
    keys = [sa.Column(name, sa.ForeignKey(Parent.__table__.c.id), nullable=False) for name in ("one", "other")]
    made = sampled(*keys, sa.CheckConstraint("one <> other"))
    assert made.lookups == [
        "one = db.scalars(select(Parent.id).limit(1)).one()",
        "other = db.scalars(select(Parent.id).order_by(Parent.id).offset(1).limit(1)).one()",
    ]
    assert made.warnings == []


@given(st.text(min_size=1, max_size=20))
def test_any_word_of_an_enumeration_is_python(word: str) -> None:
    """A row's text is valid source for exactly that text, whatever quotes and backslashes are in it."""
    made = sampled(sa.Column("word", sa.Enum(word, name="words"), nullable=False))
    assert ast.literal_eval(made.rows[0]["word"]) == word


@pytest.mark.parametrize("length", [1, 2, 3, 5, 8, 30])
def test_text_is_never_longer_than_its_column(length: int) -> None:
    """However short a column is, its two rows fit into it and differ."""
    made = sampled(sa.Column("email", sa.String(length), nullable=False))
    texts = [ast.literal_eval(row["email"]) for row in made.rows]
    assert all(len(text) <= length for text in texts)
    assert len(set(texts)) == 2


SHADOWS = ["db", "rows", "known", "row", "set", "select", "upsert", "Session", "Decimal", "date", "Parent", "class"]


def test_variables_have_names_of_their_own() -> None:
    """However a foreign key is called, its variable is none of the names that the file has already."""
    key = Parent.__table__.c.id
    columns = [sa.Column(name, sa.ForeignKey(key), nullable=False) for name in [*SHADOWS, "free", "in two"]]
    more = [sa.Column("price", sa.Numeric(5, 2), nullable=False), sa.Column("born", sa.Date, nullable=False)]
    made = sampled(*columns, *more, sa.Column("u", sa.Integer, unique=True, nullable=False))
    variables = {name: made.rows[0][name] for name in [*SHADOWS, "free", "in two"]}
    assert variables == {name: f"{name}_" for name in SHADOWS} | {"free": "free", "in two": "in_two"}
    assert made.lookups[0] == "db_ = db.scalars(select(Parent.id).limit(1)).one()"


@pytest.mark.parametrize(
    ("kind", "check", "expected"),
    [
        (sa.Boolean(), "n IN (0, 1)", ["True", "False"]),
        (sa.Boolean(), "n = 1", ["True", "True"]),
        (sa.Boolean(), "n = false", ["False", "False"]),
        (sa.Integer(), "n = 7", ["7", "7"]),
        (sa.String(9), "n = 'on'", ['"on"', '"on"']),
        (sa.Date(), "n <= '2000-02-29'", ["date(2000, 2, 29)", "date(2000, 2, 28)"]),
        (sa.Date(), "n > '2030-12-31'", ["date(2031, 1, 1)", "date(2031, 1, 2)"]),
        (sa.Date(), "n >= '9999-12-31'", ["date(9999, 12, 31)", "date(9999, 12, 31)"]),
        (sa.Date(), "n IN ('2000-01-01', '2001-01-01')", ["date(2000, 1, 1)", "date(2001, 1, 1)"]),
        (sa.DateTime(), "n < '2001-01-01'", ["datetime(2000, 12, 31, 0, 0)", "datetime(2000, 12, 30, 0, 0)"]),
        (sa.Date(), "n > 'tomorrow'", ["date(2026, 1, 1)", "date(2026, 1, 2)"]),
        (sa.Integer(), "n IN ('a', 'b')", ["1", "2"]),
    ],
)
def test_constraints_are_respected(kind: sa.types.TypeEngine[object], check: str, expected: list[str]) -> None:
    """Values are what a CHECK constraint allows, whatever their type; what is not understood changes nothing."""
    made = sampled(sa.Column("n", kind, sa.CheckConstraint(check), nullable=False))
    assert [row["n"] for row in made.rows] == expected


def test_rows_that_would_be_the_same() -> None:
    """Where a constraint leaves one value to a unique column there is one row."""
    made = sampled(sa.Column("n", sa.Integer, sa.CheckConstraint("n = 1"), unique=True, nullable=False))
    assert made.rows == [{"n": "1"}]


class Staff(Base):
    """What others inherit from; its name is unique in all of them."""

    __tablename__ = "staff"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(20))
    name: Mapped[str] = mapped_column(sa.String(20), unique=True)
    born: Mapped[dt.date]
    __mapper_args__: ClassVar[dict[str, str]] = {"polymorphic_on": "kind", "polymorphic_identity": "staff"}


for each in range(20):
    # Most of them are of no interest by themselves.
    type(f"Kind{each:02}", (Staff,), {"__mapper_args__": {"polymorphic_identity": str(each)}})


class Manager(Staff):
    """One with a table of its own."""

    __tablename__ = "managers"
    id: Mapped[int] = mapped_column(sa.ForeignKey("staff.id"), primary_key=True)
    badge: Mapped[str] = mapped_column(sa.String(20))
    __mapper_args__: ClassVar[dict[str, str]] = {"polymorphic_identity": "manager"}


def test_classes_that_inherit_have_rows_of_their_own() -> None:
    """No number comes twice in a hierarchy, dates stay dates, and known rows are looked for in all its classes."""
    classes = sorted(
        sa.inspect(Staff).self_and_descendants, key=lambda mapper: (mapper.class_ is not Staff, str(mapper))
    )
    rows = [row for mapper in classes for row in sample(Subject.of(mapper)).rows]
    assert [row["name"] for row in rows] == [f'"Name {number}"' for number in range(1, 45)]
    assert rows[43]["born"] == "date(2026, 2, 13)"
    made = sample(Subject.of(sa.inspect(Manager)))
    assert (made.key, made.upserts, made.known) == (("name",), False, ["Staff.name"])


def composite(*, tenant: bool, **options: object) -> Sample:
    """The sample of a model that refers to (tenant, number) of Account, and of Project where it has a second key."""
    metadata = sa.MetaData()
    both = [sa.Column(name, sa.Integer, primary_key=True) for name in ("tenant", "number")]
    accounts = sa.Table("accounts", metadata, *both)
    both = [sa.Column(name, sa.Integer, primary_key=True) for name in ("tenant", "number")]
    projects = sa.Table("projects", metadata, *both)
    targets = (("Account", accounts), ("Project", projects)) if tenant else ()
    for name, table in targets:
        # A file can only import what its module has.
        globals()[name] = type(name, (), {})
        Base.registry.map_imperatively(globals()[name], table)
    columns = [sa.Column("tenant", sa.Integer, nullable=False), sa.Column("account", sa.Integer, **options)]
    keys = [sa.ForeignKeyConstraint(["tenant", "account"], [accounts.c.tenant, accounts.c.number])]
    if tenant:
        columns.append(sa.Column("project", sa.Integer, nullable=False))
        keys.append(sa.ForeignKeyConstraint(["tenant", "project"], [projects.c.tenant, projects.c.number]))
    table = sa.Table("bills", metadata, sa.Column("id", sa.Integer, primary_key=True), *columns, *keys)
    return sample(Subject.of(Base.registry.map_imperatively(type(f"Bill{next(_numbers)}", (), {}), table)))


def test_a_key_of_several_columns_is_one_row() -> None:
    """Its columns are taken from one row; a second key that shares one of them takes a row that has the same."""
    made = composite(tenant=True, nullable=False)
    assert made.lookups == [
        "tenant, account = db.execute(",
        "    select(Account.tenant, Account.number).order_by(Account.tenant, Account.number).limit(1)",
        ").one()",
        "project = db.scalars(select(Project.number).where(Project.tenant == tenant).limit(1)).one()",
    ]
    assert made.rows == [{"tenant": "tenant", "account": "account", "project": "project"}] * 2


def test_a_model_that_cannot_be_imported() -> None:
    """One that is made in a function is as good as none: its table is asked."""
    table = sa.Table("hidden", sa.MetaData(), sa.Column("code", sa.Integer, primary_key=True))
    hidden = Base.registry.map_imperatively(type("Hidden", (), {}), table)
    made = sampled(sa.Column("code", sa.ForeignKey(table.c.code), nullable=False))
    assert hidden.local_table is table
    assert 'select_from(table("hidden"))' in made.lookups[0]


def test_a_default_that_may_be_there_once() -> None:
    """Each row names a value of its own where the default would come twice, or a constraint leaves one."""
    assert [row["code"] for row in sampled(sa.Column("code", sa.Integer, default=7, unique=True)).rows] == ["1", "2"]
    only = sa.Column("id", sa.Integer, primary_key=True, autoincrement=False, default=1)
    table = sa.Table("settings", sa.MetaData(), only, sa.Column("name", sa.String(9)), sa.CheckConstraint("id = 1"))
    made = sample(Subject.of(Base.registry.map_imperatively(type("Settings", (), {}), table)))
    assert (made.rows, made.key, made.warnings) == ([{"id": "1"}], ("id",), [])
    numbered = sa.Column("id", sa.Integer, primary_key=True)
    table = sa.Table("only", sa.MetaData(), numbered, sa.Column("name", sa.String(9)), sa.CheckConstraint("id = 1"))
    made = sample(Subject.of(Base.registry.map_imperatively(type("Only", (), {}), table)))
    assert (made.rows, made.key) == ([{"id": "1", "name": '"Name 1"'}], ("id",))


def test_columns_that_are_unique_with_a_constant() -> None:
    """Where the rest of a unique group is the same in every row, there is one row."""
    for constant in ({"default": "main"}, {"server_default": "main"}):
        parent = sa.Column("parent_id", sa.ForeignKey(Parent.__table__.c.id), nullable=False)
        kind = sa.Column("kind", sa.String(9), nullable=False, **constant)
        note = sa.Column("note", sa.String(9), nullable=False)
        assert len(sampled(parent, kind, note, sa.UniqueConstraint("parent_id", "kind")).rows) == 1


def test_a_key_of_several_columns_of_no_model() -> None:
    """Without a class the table is asked."""
    assert "".join(line.strip() for line in composite(tenant=False, nullable=False).lookups) == (
        'tenant, account = db.execute(select(column("tenant"), column("number")).select_from(table("accounts"))'
        '.order_by(column("tenant"), column("number")).limit(1)).one()'
    )


def test_a_key_of_which_a_column_stays_null() -> None:
    """The database does not check it, so the others are values like any; a default makes it count."""
    optional = composite(tenant=False, nullable=True)
    assert (optional.lookups, optional.rows[0]) == ([], {"tenant": "1"})
    assert composite(tenant=False, nullable=True, default=5).rows[0] == {"tenant": "tenant", "account": "account"}


def test_a_table_in_a_schema_of_no_model() -> None:
    """It is asked in its schema."""
    plain = sa.Table("plain", sa.MetaData(), sa.Column("code", sa.String(9), primary_key=True), schema="other")
    made = sampled(sa.Column("code", sa.ForeignKey(plain.c.code), nullable=False))
    assert 'select_from(table("plain", schema="other"))' in made.lookups[0]
