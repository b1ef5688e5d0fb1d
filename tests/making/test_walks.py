"""Models change, one thing after another: each change is generated, applied with rows, rolled back, applied again."""

from __future__ import annotations

import datetime
import decimal
import importlib
import itertools
import os
import random
import uuid
import warnings
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from sqlalchemy.exc import SAWarning

import features
import whole
from command import Sandbox
from fastman_tasks.errors import MigrationRefused
from fastman_tasks.making.decisions import Decisions
from generated import Walk
from servers import connected
from services import opened

# How many walks a database takes in the exhaustive mode.
WALKS = int(os.environ.get("FASTMAN_TEST_WALKS", "500"))
LENGTH = 10
# How many changes the one walk has that a database takes otherwise.
SHORT = 5
SEED = int(os.environ.get("FASTMAN_TEST_SEED", "1"))
DRIVERS = {
    "sqlite": ("sqlite", "sqlite+aiosqlite"),
    "postgresql": ("postgresql+psycopg", "postgresql+asyncpg"),
    "mariadb": ("mysql+pymysql",),
}
_numbers = itertools.count()


class Models:
    """Models that change, in a project with a database of its own."""

    def __init__(self, project: Sandbox, url: str, *, convention: bool) -> None:
        self.state: dict[str, int] = {}
        self.url = url
        self._walk = Walk(project, url)
        self._project = project
        self._convention = convention

    @property
    def text(self) -> str:
        """The models, as they are now."""
        return features.render(self.state, convention=self._convention)

    def create(self) -> None:
        """Make the first migration, and apply it."""
        self._walk.make(self.text)
        self._walk.migrate()

    def change(self, feature: features.Feature, form: int) -> None:
        """Give ``feature`` another form, with rows in the tables: up, down and up again."""
        fill(self.url)
        before, rows = whole.read(self.url), whole.values(self.url)
        self.state[feature.name] = form
        made = self._make(feature)
        if made is None:
            return
        self._walk.migrate()
        there = whole.read(self.url)
        self._walk.rollback()
        assert whole.read(self.url) == before, made
        self._walk.migrate()
        assert whole.read(self.url) == there, made
        after = whole.values(self.url)
        # A column whose type has changed, and one that was dropped and is back, may hold something else.
        for column in rows.keys() & after.keys():
            assert [value for value in rows[column] if value not in after[column]] == [], (column, made)
        assert self._walk.make(self.text) is None, made

    def _make(self, feature: features.Feature) -> str | None:
        try:
            return self._walk.make(self.text, allow_drops=True)
        except MigrationRefused as refused:
            # As the message says.
            assert "--backfill" in str(refused) and feature.backfill, refused
        filled = tuple(f"{name}={value}" for name, value in feature.backfill.items())
        return self._walk.make(self.text, allow_drops=True, decisions=Decisions(no_renames=True, backfill=filled))

    def finish(self, other: str) -> None:
        """The database is what the models make of the empty one at ``other``; roll all back, and apply all."""
        there = whole.read(self.url)
        with opened(self._project), connected(other) as connection:
            # A schema stays when the models use it no more: someone else may.
            for (schema,) in there.get("schemas", ()):
                connection.execute(sa.schema.CreateSchema(schema, if_not_exists=True))
            metadata = importlib.import_module("models").Base.metadata
            if connection.dialect.name == "mysql":
                move_checks(metadata)
            metadata.create_all(connection)
        assert there == whole.read(other)
        self._walk.reset()
        left = {name: found for name, found in whole.read(self.url).items() if found}
        assert left.pop("schemas", [("public",)]) == [("public",)]
        assert not left
        self._walk.migrate()
        assert whole.read(self.url) == there


def move_checks(metadata: sa.MetaData) -> None:
    """Make the CHECKs of columns those of their tables: create_all writes their names where MariaDB takes none."""
    for table in metadata.tables.values():
        for column in table.columns:
            for check in list(column.constraints):
                column.constraints.discard(check)
                table.append_constraint(sa.CheckConstraint(check.sqltext, name=check.name))


def fill(url: str) -> None:
    """Add a row to each table that can have one more: every column filled in one, only what has to be in the next."""
    with connected(url) as connection, warnings.catch_warnings():
        # Of tables in a circle, and of indexes of expressions.
        warnings.simplefilter("ignore", SAWarning)
        metadata = sa.MetaData()
        for schema in [None, "billing"] if connection.dialect.name == "postgresql" else [None]:
            metadata.reflect(connection, schema=schema)
        for table in metadata.sorted_tables:
            if table.name not in ("alembic_version", "fastman_history"):
                number = (connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0) + 1
                connection.execute(table.insert().values(_row(connection, table, number)))


def _row(connection: sa.Connection, table: sa.Table, number: int) -> dict[str, Any]:
    row = {}
    for column in table.columns:
        if column.computed is not None or column.identity is not None:
            continue
        is_needed = not column.nullable and column.server_default is None
        if column.foreign_keys:
            key = next(iter(column.foreign_keys)).column
            row[column.name] = connection.scalar(sa.select(sa.func.max(key)))
        elif column.name == "id" or is_needed or number % 2:
            row[column.name] = _value(column, number)
    return row


def _value(column: sa.Column[Any], number: int) -> Any:
    # SQLite does not know that it is one.
    if column.name in features.MEMBERS:
        return features.MEMBERS[column.name]
    # MariaDB's is a TINYINT.
    if column.name.startswith("is_"):
        return True
    values: dict[type, Any] = {
        str: str(number),
        bytes: b"a",
        bool: True,
        int: number,
        float: number,
        decimal.Decimal: number,
        datetime.date: datetime.date(2000, 1, number),
        datetime.datetime: datetime.datetime(2000, 1, number),
        datetime.time: datetime.time(number),
        # JSON.
        object: {"a": number},
        dict: {"a": number},
        list: None,
        uuid.UUID: uuid.UUID(int=number),
    }
    return values[column.type.python_type]


@pytest.fixture(params=list(DRIVERS))
def database(request: pytest.FixtureRequest) -> str:
    """Each of the databases, by its name."""
    return str(request.param)


@pytest.fixture
def fresh(database: str, request: pytest.FixtureRequest, tmp_path: Any) -> Any:
    """A function that makes a new database for a driver."""
    if database == "sqlite":
        return lambda driver: f"{driver}:///{tmp_path / f'{next(_numbers)}.db'}"
    return request.getfixturevalue(database).fresh


def walk(
    database: str, fresh: Any, folder: Any, changes: list[tuple[str, int]], asynchronous: bool, named: bool
) -> None:
    """Change the models as ``changes`` say."""
    drivers = DRIVERS[database]
    driver = drivers[asynchronous % len(drivers)]
    models = Models(Sandbox(folder / f"shop {next(_numbers)}"), fresh(driver), convention=named)
    models.create()
    for name, form in changes:
        feature = next(each for each in features.FEATURES if each.name == name)
        if models.state.get(name, 0) != form:
            models.change(feature, form)
    models.finish(fresh(drivers[0]))


def steps(database: str) -> list[tuple[str, int]]:
    """Each feature in each form that it can get."""
    return sorted({(feature.name, after) for feature, _, after in features.changes(database)})


@pytest.mark.thorough
def test_a_walk(database: str, fresh: Any, tmp_path: Any) -> None:
    """Some changes in a row, of any kind; at the end the database is as if the models had made it."""
    chance = random.Random(SEED)
    print(f"FASTMAN_TEST_SEED={SEED}")
    walk(database, fresh, tmp_path, chance.sample(steps(database), SHORT), chance.random() < 0.5, chance.random() < 0.5)


@pytest.mark.exhaustive
@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("feature", features.FEATURES, ids=lambda feature: feature.name)
def test_each_change(database: str, fresh: Any, tmp_path: Any, feature: features.Feature, named: bool) -> None:
    """Each form of a feature changed to each other one."""
    for changed, before, after in features.changes(database):
        if changed is feature:
            walk(database, fresh, tmp_path, [(feature.name, before), (feature.name, after)], False, named)


@pytest.mark.exhaustive
def test_many_walks(database: str, fresh: Any, tmp_path: Any) -> None:
    """As many as FASTMAN_TEST_WALKS says."""

    @seed(SEED)
    @settings(max_examples=WALKS, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(st.lists(st.sampled_from(steps(database)), min_size=LENGTH, max_size=LENGTH), st.booleans(), st.booleans())
    def run(changes: list[tuple[str, int]], asynchronous: bool, named: bool) -> None:
        walk(database, fresh, tmp_path, changes, asynchronous, named)

    print(f"FASTMAN_TEST_SEED={SEED}")
    run()
