"""Names of constraints that the models leave unnamed: as PostgreSQL chooses them."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from fastman_tasks.making.constraints.check_differences import compare
from fastman_tasks.making.constraints.existing import Check
from fastman_tasks.making.constraints.names import (
    checks_of,
    columns_of,
    find_mentioned,
    free_name,
    is_nameable,
    object_name,
)
from servers import Server, execute

LONG = "a_name_that_is_longer_than_sixty_three_bytes_and_so_has_to_be_cut_somewhere"


def models() -> list[sa.Table]:
    """Tables whose constraints nobody has named, in the order in which they are created."""
    metadata = sa.MetaData()
    teams = sa.Table("teams", metadata, sa.Column("id", sa.Integer, primary_key=True))
    people = sa.Table(
        "people",
        metadata,
        sa.Column("id", sa.Integer, sa.CheckConstraint("id > 0"), primary_key=True),
        sa.Column("email", sa.String(50), unique=True),
        sa.Column("age", sa.Integer, sa.CheckConstraint("age < 200")),
        sa.Column("team_id", sa.ForeignKey("teams.id")),
        sa.Column("boss_id", sa.ForeignKey("people.id")),
        sa.UniqueConstraint("email", "age"),
        sa.CheckConstraint("age > 0"),
        sa.CheckConstraint("age > 1 AND email <> 'team_id'"),
        sa.CheckConstraint("email <> 'age, boss_id'"),
        sa.CheckConstraint("1 = 1"),
    )
    umlauts = sa.Table(
        "größen_und_maße_der_häuser_und_straßen",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("höhe_über_dem_meeresspiegel_äöüß", sa.Integer, unique=True),
        sa.Column("Upper Case", sa.Integer, sa.CheckConstraint('"Upper Case" > 0'), unique=True),
    )
    long = sa.Table(
        LONG[:60],
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(LONG[:63], sa.Integer, sa.ForeignKey("teams.id"), unique=True),
        sa.Column(LONG[:62], sa.Integer, sa.ForeignKey("teams.id"), unique=True),
        sa.UniqueConstraint(LONG[:63], LONG[:62]),
        sa.CheckConstraint(f"{LONG[:63]} > 0"),
        sa.CheckConstraint(f"{LONG[:63]} > 0 AND {LONG[:62]} > 1"),
    )
    # Of other tables, with names that come out the same.
    first = sa.Table(
        "a", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("b_c", sa.Integer, unique=True)
    )
    second = sa.Table(
        "a_b", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("c", sa.Integer, unique=True)
    )
    return [teams, people, umlauts, long, first, second]


def test_the_names_are_postgresqls_own(postgresql: Server) -> None:
    """Created without names, one by one, each constraint is called what the rule says."""
    url = postgresql.fresh("postgresql+psycopg")
    taken: set[str] = set()
    for table in models():
        constraints = [each for each in table.constraints if is_nameable(each)]
        columns = ", ".join(f'"{column.name}" {column.type}' for column in table.columns)
        keys = ", ".join(f'"{column.name}"' for column in table.primary_key.columns)
        execute(url, f'CREATE TABLE "{table.name}" ({columns}, PRIMARY KEY ({keys}))')
        checks = checks_of(table)
        for constraint in [*(each for each in constraints if each not in checks), *checks]:
            name = free_name(constraint, table.name, columns_of(constraint, table), taken)
            taken.add(name)
            before = constraint_names(url)
            execute(url, f'ALTER TABLE "{table.name}" ADD {definition(constraint)}'.replace("%", "%%"))
            assert constraint_names(url) - before == {name}


def definition(constraint: sa.Constraint) -> str:
    """A constraint as it stands in SQL, without a name."""
    columns = ", ".join(f'"{name}"' for name in columns_of(constraint))
    if isinstance(constraint, sa.CheckConstraint):
        return f"CHECK ({constraint.sqltext})"
    if isinstance(constraint, sa.ForeignKeyConstraint):
        return f"FOREIGN KEY ({columns}) REFERENCES {constraint.referred_table.name} (id)"
    return f"UNIQUE ({columns})"


def constraint_names(url: str) -> set[str]:
    """The names of all constraints that are in the database."""
    query = "SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace"
    return {str(name) for (name,) in execute(url, query)}


def test_a_name_is_cut_by_bytes() -> None:
    """63 of them; the longer part is cut first, and no character in the middle."""
    assert object_name("t" * 63, ["c"], "key") == f"{'t' * 57}_c_key"
    assert object_name("t", [], "check") == "t_check"
    assert len(object_name("ä" * 40, ["ö" * 40], "fkey").encode()) <= 63


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("age > 0", ["age"]),
        ("AGE > 0", ["age"]),
        ("\"name\" <> 'age'", ["name"]),
        ("`name` <> 'it''s age'", ["name"]),
        ("length(name) > age", ["name", "age"]),
        ("ages > 0", []),
    ],
)
def test_the_columns_of_a_condition(sql: str, expected: list[str]) -> None:
    """Words and quoted names count, what stands in quoted texts does not."""
    assert find_mentioned(sql, ["name", "age"]) == expected


@pytest.mark.parametrize(
    ("models", "database", "missing", "surplus"),
    [
        # The same text, however a server writes it down.
        (["age > 0"], [("t_age_check", "(age > 0)")], 0, 0),
        (["age > 0 AND name <> 'a b'"], [("x", "((age > 0) AND ((name)::text <> 'a b'::text))")], 0, 0),
        (["age > 0"], [("x", "`age` > 0")], 0, 0),
        # Another text: a server may have rewritten it.
        (["age IN (1, 2)"], [("t_age_check", "(age = ANY (ARRAY[1, 2]))")], 0, 0),
        (["age > 0", "age < 9"], [("t_age_check", "(age > 0)")], 1, 0),
        ([], [("x", "(age > 0)")], 0, 1),
        (["name <> 'A'"], [("x", "(age > 0)")], 1, 1),
    ],
)
def test_which_checks_differ(models: list[str], database: list[tuple[str, str]], missing: int, surplus: int) -> None:
    """By what they say; what cannot be told counts as equal."""
    table = sa.Table("t", sa.MetaData(), sa.Column("name", sa.String), sa.Column("age", sa.Integer))
    for sql in models:
        table.append_constraint(sa.CheckConstraint(sql))
    found = compare(table, [Check(*each) for each in database], verbatim=False)
    assert (len(found.missing), len(found.surplus)) == (missing, surplus)


def test_what_a_type_checks_is_no_difference() -> None:
    """The CHECKs of Boolean and Enum come and go with their columns; what MariaDB keeps in a column stays there."""
    table = sa.Table(
        "t",
        sa.MetaData(),
        sa.Column("state", sa.Enum("a", "b", native_enum=False, create_constraint=True)),
        sa.Column("is_open", sa.Boolean(create_constraint=True, name="open")),
    )
    existing = [Check(None, "state IN ('a', 'b')"), Check("open", "is_open IN (0, 1)")]
    found = compare(table, [*existing, Check("data", "json_valid(data)", is_fixed=True)], verbatim=True)
    assert (found.missing, found.surplus) == ((), ())
