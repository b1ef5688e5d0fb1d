"""Rows that a seeder needs and that are not there: the table, the seeder that fills it, and what to do are named."""

from __future__ import annotations

import pytest

from command import Sandbox
from seeds import ASYNC, EVERY, add_seeder, add_shop, dump, new_url
from servers import execute

# The parts that this combines have tests on the oldest versions.
pytestmark = pytest.mark.thorough

ROLES = """
    class RoleSeeder:
        def run(self, db):
            upsert(db, Role, [{"id": 3, "name": "admin"}], key=["id"])
"""
# What the seeder does -> what is said, with and without a RoleSeeder.
EMPTY = "The table roles is empty. "
MAKE = 'Next: inv make.seeder role, and depends_on = ["RoleSeeder"] in MemberSeeder.\n'
FILLS = 'RoleSeeder (database/seeders/role_seeder.py:7) fills it. Next: depends_on = ["RoleSeeder"] in MemberSeeder.\n'
LOOKS = {
    "db.scalars(select(Role.id).limit(1)).one()": EMPTY,
    "db.execute(select(Role.id, User.email).join(User, isouter=True)).one()": EMPTY,
    "db.scalars(select(Role)).first().name": EMPTY,
    "db.add(User(email='a@x.org', role_id=9)); db.commit()": EMPTY,
    "db.execute(insert(User), [{'email': 'a@x.org', 'role_id': 9}])": EMPTY,
    "db.execute(text(\"INSERT INTO users (email, role_id) VALUES ('a@x.org', 9)\"))": EMPTY,
    "upsert(db, User, [{'email': 'a@x.org', 'role_id': 9}], key=['email'])": EMPTY,
}


def add_member_seeder(project: Sandbox, body: str, depends_on: str = "") -> None:
    """The seeder that needs a role; on SQLite with the listener that most applications have."""
    project.write("models.py", (project.root / "models.py").read_text("utf-8") + ENFORCED)
    add_seeder(project, "member_seeder", f"class MemberSeeder:\n{depends_on}    def run(self, db):\n        {body}\n")


ENFORCED = """

from sqlalchemy import Engine, event


@event.listens_for(Engine, "connect")
def enforce(connection, record):
    if "sqlite" in type(connection).__module__:
        connection.execute("PRAGMA foreign_keys = ON")
"""


@pytest.mark.parametrize("driver", EVERY)
def test_a_parent_table_that_is_empty(request: pytest.FixtureRequest, project: Sandbox, driver: str) -> None:
    """Whether a query or a foreign key finds it out: the table, the seeder for it, and what to do are named."""
    add_shop(project)
    url = new_url(request, project, driver)
    project.inv("database.migrate")
    execute(url, "DELETE FROM roles")
    before = dump(url)
    for look, said in LOOKS.items() if driver in ("sqlite", "postgresql+psycopg") else list(LOOKS.items())[::3]:
        add_member_seeder(project, look)
        failed = project.inv("database.seed", code=1)
        assert f"\n{said}{MAKE}All changes were rolled back.\n" in failed.stderr, look
    add_seeder(project, "role_seeder", ROLES)
    failed = project.inv("database.seed", code=1)
    assert f"\n{EMPTY}{FILLS}All changes were rolled back.\n" in failed.stderr
    assert dump(url) == before


@pytest.mark.parametrize("driver", EVERY)
def test_a_parent_that_is_not_in_its_table(request: pytest.FixtureRequest, project: Sandbox, driver: str) -> None:
    """Of a table that has other rows, the key that is missing is named as well, where the statement has it."""
    add_shop(project)
    new_url(request, project, driver)
    project.inv("database.migrate")
    add_seeder(project, "role_seeder", ROLES)
    add_member_seeder(project, "db.add(User(email='a@x.org', role_id=9))", "    depends_on = ['RoleSeeder']\n")
    failed = project.inv("database.seed", code=1)
    filler = "RoleSeeder (database/seeders/role_seeder.py:7) should fill it, and MemberSeeder already depends on it."
    assert f"\nNo row of roles has id = 9. {filler}\nThese ran before it: RoleSeeder.\n" in failed.stderr
    add_member_seeder(project, "db.add(User(email='a@x.org')); db.flush(); db.add(User(email='a@x.org'))")
    assert "roles" not in project.inv("database.seed", code=1).stderr.partition("Row:")[2].partition("\n")[2]
    if driver in ASYNC:
        body = "class MemberSeeder:\n    async def run(self, db):\n        (await db.scalars(select(User.id))).one()\n"
        add_seeder(project, "member_seeder", body)
        said = 'The table users is empty. Next: inv make.seeder user, and depends_on = ["UserSeeder"] in MemberSeeder.'
        assert said in project.inv("database.seed", code=1).stderr
