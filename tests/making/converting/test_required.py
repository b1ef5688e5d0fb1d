"""Columns that become required, and columns whose type changes, on tables that have rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from command import Sandbox
from fastman_tasks.errors import MigrationFailed, MigrationRefused, UsageError
from fastman_tasks.making.decisions import Decisions
from generated import Walk
from renamed import SERVERS, begun
from servers import execute

HEAD = """
import datetime
import decimal
import enum
import uuid

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Numeric, String
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Mood(enum.Enum):
    sad = 1
    glad = 2


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "order"
    id: Mapped[int] = mapped_column(primary_key=True)
"""


def order(*columns: str) -> str:
    """The model of an order with more ``columns``; the table's name has to be quoted."""
    return HEAD + "".join(f"    {column}\n" for column in columns)


@dataclass(frozen=True)
class Column:
    """The definition of a new column, what --backfill says, and how a database shows what that is."""

    definition: str
    backfill: tuple[str, ...]
    stored: tuple[str, ...]


COLUMNS = {
    "a number": Column("n: Mapped[int]", ("7",), ("7",)),
    "a negative number": Column("n: Mapped[int]", ("-7",), ("-7",)),
    "a text": Column("n: Mapped[str] = mapped_column(String(50))", ("it's :x, 100%% %\\",), ("it's :x, 100%% %\\",)),
    "an empty text": Column("n: Mapped[str] = mapped_column(String(50))", ("",), ("",)),
    "a text with =": Column("n: Mapped[str] = mapped_column(String(50))", ("a=b",), ("a=b",)),
    "a truth": Column("n: Mapped[bool]", ("yes",), ("True", "1")),
    "a date": Column("n: Mapped[datetime.date]", ("2024-02-29",), ("2024-02-29",)),
    "a decimal": Column("n: Mapped[decimal.Decimal] = mapped_column(Numeric(5, 2))", ("1.50",), ("1.50", "1.5")),
    "a UUID": Column(
        "n: Mapped[uuid.UUID]",
        ("00000000-0000-0000-0000-00000000000a",),
        ("00000000-0000-0000-0000-00000000000a", "0000000000000000000000000000000a"),
    ),
    "JSON": Column("n: Mapped[dict] = mapped_column(JSON)", ('{"a": [":x"]}',), ("{'a': [':x']}", '{"a": [":x"]}')),
    "the model's default": Column("n: Mapped[int] = mapped_column(default=3)", (), ("3",)),
    "the model's default, which is a text": Column(
        "n: Mapped[str] = mapped_column(String(9), default='x')", (), ("x",)
    ),
    "a column with a CHECK": Column("n: Mapped[int] = mapped_column(CheckConstraint('n > 0'))", ("order.n=1",), ("1",)),
    "a foreign key": Column("n: Mapped[int] = mapped_column(ForeignKey('order.id'))", ("n=2",), ("2",)),
}
QUICK = ("a text", "a column with a CHECK")


def exhaustive(name: str) -> Any:
    """A parameter that only the exhaustive run takes."""
    return pytest.param(name, marks=pytest.mark.exhaustive)


PARAMETERS = [each if each in QUICK else exhaustive(each) for each in COLUMNS]


def table(walk: Walk) -> str:
    """``order`` as the database wants it quoted."""
    return "`order`" if walk.url.startswith("mysql") else '"order"'


def stored(walk: Walk) -> list[tuple[int, str]]:
    """What the column has."""
    return [(id_, str(value)) for id_, value in execute(walk.url, f"SELECT id, n FROM {table(walk)} ORDER BY id")]


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("name", PARAMETERS)
def test_a_new_required_column(project: Sandbox, request: pytest.FixtureRequest, server: str, name: str) -> None:
    """Rows that are there get the value, up and, after down, up again; afterwards there is no difference."""
    column, walk = COLUMNS[name], begun(project, request, server, order())
    execute(walk.url, f"INSERT INTO {table(walk)} VALUES (1), (2)")
    made = walk.up_down_up(order(column.definition), decisions=Decisions(backfill=column.backfill))
    assert made.count("nullable=True") == made.count("nullable=False") == made.count("UPDATE ") == 1, made
    (_, one), (_, two) = stored(walk)
    assert one == two
    assert one in column.stored


@pytest.mark.parametrize("server", SERVERS)
def test_an_optional_column_that_becomes_required(
    project: Sandbox, request: pytest.FixtureRequest, server: str
) -> None:
    """Only the rows without a value get one."""
    walk = begun(project, request, server, order("n: Mapped[int | None]"))
    execute(walk.url, f"INSERT INTO {table(walk)} (id, n) VALUES (1, 5), (2, NULL)")
    with pytest.raises(MigrationRefused, match=r"^order\.n becomes required \(NOT NULL\), and 1 row has no"):
        walk.make(order("n: Mapped[int]"))
    walk.up_down_up(order("n: Mapped[int]"), decisions=Decisions(backfill=("0",)))
    assert stored(walk) == [(1, "5"), (2, "0")]


GONE = {
    "a number": ("n: Mapped[int]", "order.n: rolling back fills it with 0, as", "0"),
    "a text": ("n: Mapped[str] = mapped_column(String(9))", "order.n: rolling back fills it with '', as", ""),
    "a date": ("n: Mapped[datetime.date]", "order.n: rolling back fills it with '1970-01-01', as", "1970-01-01"),
    "JSON": ("n: Mapped[dict] = mapped_column(postgresql.JSONB)", "order.n: rolling back brings it back", "None"),
    "a unique column": ("n: Mapped[int] = mapped_column(unique=True)", "order.n: rolling back brings it back", "None"),
    "a column with a CHECK": (
        "n: Mapped[int] = mapped_column(CheckConstraint('n > 0'))", "order.n: rolling back brings it back", "None"
    ),
    "a foreign key": ("n: Mapped[int] = mapped_column(ForeignKey('order.id'))", "order.n: rolling back brings", "None"),
}  # fmt: skip


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("name", [name if name in ("a text", "a foreign key") else exhaustive(name) for name in GONE])
def test_a_required_column_that_is_dropped(
    project: Sandbox, request: pytest.FixtureRequest, server: str, name: str
) -> None:
    """It comes back when the table has rows: with what says nothing, or without NOT NULL where all would say something.

    What is done is said beforehand, and stands in the file.
    """
    definition, said, value = GONE[name]
    if name == "JSON" and server != "postgresql":
        pytest.skip("There it is a text.")
    walk = begun(project, request, server, order(definition))
    values = "'2026-01-01'" if name == "a date" else "'{}'" if name == "JSON" else "{0}"
    for number in (1, 2):
        execute(walk.url, f"INSERT INTO {table(walk)} (id, n) VALUES ({number}, {values.format(number)})")
    made = walk.make(order(), allow_drops=True)
    assert [note for note in walk.draft.said.notes if note.startswith(said)]
    assert str(made).count("# Its values are gone") == 1
    walk.migrate()
    walk.rollback()
    assert stored(walk) == [(1, value), (2, value)]
    walk.migrate()
    assert walk.make(order()) is None


#: A column that may become optional, what is in a row without a value when it is required again, and what is said.
OPTIONAL = {
    "a text": ("Mapped[str{}] = mapped_column(String(9))", "", "rolling back fills it with '', where it is NULL"),
    "a text with a default": (
        "Mapped[str{}] = mapped_column(String(9), server_default='x')", "x", "rolling back fills it with 'x"
    ),
    "a unique text": (
        "Mapped[str{}] = mapped_column(String(9), unique=True)", None, "rolling back fails while it is NULL in a row"
    ),
}  # fmt: skip


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("name", ["a text", "a text with a default", exhaustive("a unique text")])
def test_a_required_column_that_becomes_optional(
    project: Sandbox, request: pytest.FixtureRequest, server: str, name: str
) -> None:
    """Rows that have no value by the time it is rolled back get one; where none can be for all, that is said."""
    definition, value, said = OPTIONAL[name]
    before, after = (order(f"n: {definition.format(optional)}") for optional in ("", " | None"))
    walk = begun(project, request, server, before)
    assert walk.make(after) is not None
    (note,) = walk.draft.said.notes
    assert note.startswith(f"order.n: {said}")
    walk.migrate()
    execute(walk.url, f"INSERT INTO {table(walk)} (id, n) VALUES (1, NULL), (2, '7')")
    if value is None:
        with pytest.raises(MigrationFailed, match=r"order\.n becomes required"):
            walk.rollback()
        return
    walk.rollback()
    assert stored(walk) == [(1, value), (2, "7")]
    walk.migrate()
    assert walk.make(after) is None


def test_a_renamed_column_that_becomes_required(project: Sandbox, request: pytest.FixtureRequest) -> None:
    """What has no value is counted under the old name, and filled under the new one."""
    walk = begun(project, request, "sqlite", order("m: Mapped[int | None]"))
    execute(walk.url, 'INSERT INTO "order" (id, m) VALUES (1, 5), (2, NULL)')
    decisions = Decisions(("m:n",), backfill=("0",))
    walk.up_down_up(order("n: Mapped[int]"), decisions=decisions)
    assert stored(walk) == [(1, "5"), (2, "0")]


def test_without_rows_nothing_is_filled(project: Sandbox, request: pytest.FixtureRequest) -> None:
    """The file is what it always was."""
    walk = begun(project, request, "sqlite", order())
    made = walk.up_down_up(order("n: Mapped[int]"))
    assert "UPDATE" not in made
    assert "alter_column" not in made


def test_the_refusal_and_what_it_tells_to_type(project: Sandbox) -> None:
    """How many rows, and the command with the flag; that command does it, and says what the rows get."""
    project.write("models.py", order())
    project.inv("make.migration", "tables", "database.migrate")
    execute(f"sqlite:///{project.root / 'app.db'}", 'INSERT INTO "order" VALUES (1), (2)')
    project.write("models.py", order("n: Mapped[int]"))
    refused = project.inv("make.migration", "add n", code=1)
    assert refused.stderr == (
        "order.n becomes required (NOT NULL), and 2 rows have no value for it.\n"
        "Give such rows a value (--backfill), or the column a default in the models (default= or server_default=).\n"
        "Nothing was written.\n"
        "Next: inv make.migration 'add n' --backfill=VALUE\n"
    )
    assert "order.n: 2 rows get 7" in project.inv("make.migration", "add n", "--backfill=7").stdout


@pytest.mark.parametrize(
    ("backfill", "said"),
    [
        (("x", "y=1"), "--backfill=x does not say which column it is for."),
        (("n=x", "m=1"), "'x' is not a whole number (order.n)."),
        (("n=1", "m=longer"), "'longer' has 6 characters, the column accepts 3 (order.m)."),
        (("n=1", "n=2"), "--backfill=n=2 does not say which column it is for."),
        (
            ("n=1", "order.o=2"),
            "Which column becomes required:\n  --backfill=order.n=VALUE\n  --backfill=order.m=VALUE",
        ),
    ],
)
def test_a_backfill_that_makes_no_sense(
    project: Sandbox, request: pytest.FixtureRequest, backfill: tuple[str, ...], said: str
) -> None:
    """It is named, with what is right; nothing is written."""
    walk = begun(project, request, "sqlite", order())
    execute(walk.url, 'INSERT INTO "order" VALUES (1)')
    with pytest.raises(UsageError) as refused:
        walk.make(
            order("n: Mapped[int]", "m: Mapped[str] = mapped_column(String(3))"), decisions=Decisions(backfill=backfill)
        )
    assert said in str(refused.value)


def test_a_backfill_where_no_column_becomes_required(project: Sandbox, request: pytest.FixtureRequest) -> None:
    """It would do nothing."""
    walk = begun(project, request, "sqlite", order())
    with pytest.raises(UsageError, match="--backfill=1: no column becomes required"):
        walk.make(order("n: Mapped[int | None]"), decisions=Decisions(backfill=("1",)))


def test_several_rows_of_a_unique_column(project: Sandbox, request: pytest.FixtureRequest) -> None:
    """They cannot all get one value."""
    walk = begun(project, request, "sqlite", order())
    execute(walk.url, 'INSERT INTO "order" VALUES (1), (2)')
    with pytest.raises(MigrationRefused, match=r"order\.n is unique, so 2 rows cannot all get 1"):
        walk.make(order("n: Mapped[int] = mapped_column(unique=True)"), decisions=Decisions(backfill=("1",)))


UUID = "00000000-0000-0000-0000-00000000000a"
TEXT = "n: Mapped[str | None] = mapped_column(String(50){})"


@pytest.mark.parametrize(
    ("definition", "value", "shown"),
    [
        ("n: Mapped[int | None]", "12", "12"),
        ("n: Mapped[decimal.Decimal | None] = mapped_column(Numeric(5, 2))", "1.50", "1.50"),
        pytest.param("n: Mapped[bool | None]", "true", "True", marks=pytest.mark.exhaustive),
        pytest.param("n: Mapped[datetime.date | None]", "2024-02-29", "2024-02-29", marks=pytest.mark.exhaustive),
        pytest.param(
            "n: Mapped[uuid.UUID | None]",
            str(UUID := "0" * 8 + "-0000" * 3 + "-" + "0" * 12),
            UUID,
            marks=pytest.mark.exhaustive,
        ),
    ],
)
def test_a_text_that_becomes_something_else(
    project: Sandbox, request: pytest.FixtureRequest, definition: str, value: str, shown: str
) -> None:
    """On PostgreSQL, which has to be told how, both ways."""
    walk = begun(project, request, "postgresql", order(TEXT.format("")))
    execute(walk.url, f"INSERT INTO \"order\" VALUES (1, '{value}'), (2, NULL)")
    made = walk.up_down_up(order(definition))
    assert "postgresql_using='n::" in made
    assert stored(walk) == [(1, shown), (2, "None")]
    assert "postgresql_using='n::VARCHAR" not in made
    back = walk.make(order(TEXT.format("")))
    assert "downgrade" in str(back)
    assert "postgresql_using='n::" in str(back).partition("def downgrade")[2]


def test_a_default_that_changes_with_the_type(project: Sandbox, request: pytest.FixtureRequest) -> None:
    """PostgreSQL would not convert it by itself."""
    walk = begun(project, request, "postgresql", order(TEXT.format(", server_default='0'")))
    execute(walk.url, "INSERT INTO \"order\" VALUES (1, '12')")
    walk.up_down_up(order("n: Mapped[int | None] = mapped_column(server_default='0')"))
    execute(walk.url, 'INSERT INTO "order" (id) VALUES (2)')
    assert stored(walk) == [(1, "12"), (2, "0")]


@pytest.mark.parametrize("server", SERVERS)
def test_values_that_do_not_convert(project: Sandbox, request: pytest.FixtureRequest, server: str) -> None:
    """They are counted beforehand; SQLite would lose them, so there they have to be allowed."""
    walk = begun(project, request, server, order(TEXT.format("")))
    execute(walk.url, f"INSERT INTO {table(walk)} VALUES (1, '12'), (2, 'abc'), (3, NULL), (4, ''), (5, ' -7 ')")
    said = (
        "order.n: 2 rows cannot be converted from VARCHAR(50) to INTEGER, such as 'abc'. Correct them before migrating."
    )
    if server == "sqlite":
        with pytest.raises(MigrationRefused, match="SQLite would make something else") as refused:
            walk.make(order("n: Mapped[int | None]"))
        assert said in str(refused.value)
        walk.make(order("n: Mapped[int | None]"), allow_drops=True)
    else:
        walk.make(order("n: Mapped[int | None]"))
    assert walk.draft.said.notes == (said,)


def test_a_conversion_that_there_is_not(project: Sandbox, request: pytest.FixtureRequest) -> None:
    """It is said when the migration is made."""
    walk = begun(project, request, "postgresql", order("n: Mapped[int | None]"))
    with pytest.raises(MigrationRefused, match=r"PostgreSQL cannot convert order\.n from INTEGER to DATE"):
        walk.make(order("n: Mapped[datetime.date | None]"))


TIGHTEN = "op.alter_column('order', 'n', existing_type=sa.Integer(), nullable=False)"
BATCH = "with op.batch_alter_table('order') as batch:\n    batch."
TO_NUMBER = "op.alter_column('order', 'n', existing_type=sa.String(50), type_=sa.Integer(){})"
NUMBER = "n: Mapped[int | None]"
NULLS = "order.n becomes required (NOT NULL), and 2 rows have no value for it."
NEW = "order.m becomes required (NOT NULL), and 3 rows have no value for it."


@pytest.mark.parametrize(
    ("server", "definition", "statement", "said"),
    [
        ("sqlite", NUMBER, f"{BATCH}alter_column('n', existing_type=sa.Integer(), nullable=False)", NULLS),
        ("postgresql", NUMBER, TIGHTEN, NULLS),
        ("mariadb", NUMBER, TIGHTEN, NULLS),
        ("sqlite", NUMBER, "op.add_column('order', sa.Column('m', sa.Integer(), nullable=False))", NEW),
        ("postgresql", NUMBER, "op.add_column('order', sa.Column('m', sa.Integer(), nullable=False))", NEW),
        (
            "postgresql",
            TEXT.format(""),
            TO_NUMBER.format(""),
            "PostgreSQL cannot convert order.n by itself: pass postgresql_using='n::INTEGER' to op.alter_column().",
        ),
        (
            "postgresql",
            TEXT.format(""),
            TO_NUMBER.format(", postgresql_using='n::integer'"),
            "A value of order.n cannot be converted.",
        ),
        ("mariadb", TEXT.format(""), TO_NUMBER.format(""), "A value of order.n cannot be converted."),
    ],
)
def test_the_report_of_a_failure_says_why(
    project: Sandbox, request: pytest.FixtureRequest, server: str, definition: str, statement: str, said: str
) -> None:
    """Which column, how many rows, and what to do; here in a migration that was written by hand."""
    walk = begun(project, request, server, order(definition))
    value = "5" if definition == NUMBER else "'x'"
    execute(walk.url, f"INSERT INTO {table(walk)} (id, n) VALUES (1, {value}), (2, NULL), (3, NULL)")
    first = next((project.root / "database/migrations/versions").glob("*.py")).read_text("utf-8")
    project.add_migration("9", "9a9a", first.partition("Revision ID: ")[2][:12], statement)
    with pytest.raises(MigrationFailed) as failed:
        walk.migrate()
    assert f"\n{said}" in str(failed.value)
