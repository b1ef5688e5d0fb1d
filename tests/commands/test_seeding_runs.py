"""Seeding through the command line: one transaction, in order, and what is said of it."""

from __future__ import annotations

import json
import re
import signal
import time

import pytest

from command import Result, Sandbox
from processes import Running, wait_for
from seeds import ASYNC, EVERY, MARIADB, SYNC, add_seeder, add_shop, dump, new_url
from servers import execute


@pytest.fixture
def url(request: pytest.FixtureRequest, project: Sandbox, driver: str) -> str:
    """The URL of an empty database for ``driver``, of a project with the shop's models and migration."""
    add_shop(project)
    return new_url(request, project, driver)


@pytest.fixture
def shop(project: Sandbox) -> Sandbox:
    """The shop on SQLite, migrated."""
    add_shop(project)
    project.write(".env", "DATABASE_URL=sqlite:///shop.db")
    project.inv("database.migrate")
    return project


def database(shop: Sandbox) -> str:
    """The shop's SQLite URL."""
    return f"sqlite:///{shop.root}/shop.db"


def lines(result: Result) -> list[tuple[str, str]]:
    """What each seeder's line says: its name with the rows, and its last word."""
    return re.findall(r"^  (\S.*?) \.\.\.+ .*?(DONE|FAIL|SKIP)$", result.stdout, re.MULTILINE)


ROLES = """
    class RoleSeeder:
        @staticmethod
        def run(db):
            db.add_all([Role(name="admin"), Role(name="editor")])
            db.commit()
            db.add(Role(name="nobody"))
            db.rollback()
            db.execute(update(Role).where(Role.name == "guest").values(name="visitor"))
            # Nothing commits this one.
            db.add(Role(name="late"))
"""
USERS = """
    class UserSeeder:
        depends_on = ["RoleSeeder"]

        def run(self, db):
            role = db.scalars(select(Role.id).where(Role.name == "admin")).one()
            db.execute(insert(User), [{"email": f"u{n}@x.org", "role_id": role} for n in range(3)])
            db.execute(text("INSERT INTO users (email) VALUES ('raw@x.org')"))
            db.execute(delete(User).where(User.email == "u0@x.org"))
            db.commit()
"""
LAST = """
    class LastSeeder:
        depends_on = ["UserSeeder"]

        @classmethod
        def run(cls, db):
            db.add(User(email="u1@x.org"))
            db.commit()
"""


@pytest.mark.parametrize("driver", EVERY)
def test_all_or_nothing(project: Sandbox, url: str, driver: str) -> None:
    """A failing seeder takes back those before it, whatever they committed; --commit-each keeps them; --pretend keeps
    nothing and says the same; rows that were never committed are kept."""
    add_seeder(project, "role_seeder", ROLES)
    add_seeder(project, "a_user_seeder", USERS)
    add_seeder(project, "b_last_seeder", LAST)
    project.inv("database.migrate")
    before = dump(url)
    roles = "RoleSeeder  roles: 3 created, 1 updated"
    users = "UserSeeder  users: 4 created, 1 deleted"

    failed = project.inv("database.seed", code=1)

    assert dump(url) == before
    assert lines(failed) == [(roles, "DONE"), (users, "DONE"), ("LastSeeder", "FAIL")]
    assert "ran." not in failed.stdout
    first, statement, row, ran, kept = failed.stderr.splitlines()
    assert first.startswith("LastSeeder failed: database/seeders/b_last_seeder.py:13: ")
    assert re.search("unique|duplicate", first, re.IGNORECASE), "the database's own message"
    assert statement.startswith("  Statement: INSERT INTO users ")
    assert row.startswith("  Row: ") and "u1@x.org" in row
    assert (ran, kept) == ("These ran before it: RoleSeeder, UserSeeder.", "All changes were rolled back.")

    pretended = project.inv("database.seed", "--class=user", "--pretend")
    assert dump(url) == before
    assert lines(pretended) == [(roles, "DONE"), (users, "DONE")]
    assert pretended.stdout.endswith("\n2 seeders ran; all changes were rolled back.\n")

    failed = project.inv("database.seed", "--commit-each", code=1)
    assert failed.stderr.endswith(
        "Committed (--commit-each): RoleSeeder, UserSeeder. The failed seeder was rolled back.\n"
    )
    after = dump(url)
    assert {row[1] for row in after["roles"]} == {"visitor", "admin", "editor", "late"}
    assert sorted(row[1] for row in after["users"]) == ["raw@x.org", "u1@x.org", "u2@x.org"]


RETURNING = """
    class RoleSeeder:
        def run(self, db):
            db.add_all([Role(name=name) for name in "abc"])
            db.flush()
            assert db.scalar(insert(Role).values(name="d").returning(Role.name)) == "d"
            db.scalars(insert(Role).returning(Role.id), [{"name": "e"}, {"name": "f"}]).all()
            db.scalars(insert(Role).values([{"name": "g"}, {"name": "h"}]).returning(Role.id)).all()
            db.execute(text("INSERT INTO roles (name) VALUES ('i') RETURNING id")).all()
            db.bulk_save_objects([Role(name="j"), Role(name="k")])
            with db.begin_nested() as taken_back:
                db.scalars(insert(Role).values(name="l").returning(Role.id)).all()
                taken_back.rollback()
            db.scalars(delete(Role).where(Role.name.in_(["a", "b"])).returning(Role.id)).all()
            if db.get_bind().dialect.name != "mysql":
                longer = update(Role).where(Role.name.in_(["c", "d", "e"])).values(name=Role.name + "!")
                db.scalars(longer.returning(Role.id)).all()
"""


@pytest.mark.parametrize("driver", EVERY)
def test_what_returning_statements_wrote(project: Sandbox, url: str, driver: str) -> None:
    """Rows are counted as well where a statement returns them; those of a savepoint that was rolled back are not."""
    add_seeder(project, "role_seeder", RETURNING)
    done = project.inv("database.migrate", "database.seed")
    updated = "" if driver in MARIADB else "3 updated, "
    assert lines(done)[-1] == (f"RoleSeeder  roles: 11 created, {updated}2 deleted", "DONE")


@pytest.mark.parametrize("driver", ASYNC)
def test_async_and_sync_in_one_transaction(project: Sandbox, url: str, driver: str) -> None:
    """An async seeder has an AsyncSession in the run's transaction, calls others, and is rolled back with all."""
    add_seeder(project, "role_seeder", ROLES)
    add_seeder(
        project,
        "a_user_seeder",
        """
        class DatabaseSeeder:
            async def run(self, db):
                db.add(User(email="first@x.org"))
                await self.call("RoleSeeder")
                await db.rollback()
                role = (await db.scalars(select(Role).where(Role.name == "admin"))).one()
                await db.execute(insert(User), [{"email": f"{n}@x.org", "role_id": role.id} for n in range(3)])
                await db.commit()
                for n in self.progress(range(3, 5)):
                    db.add(User(email=f"{n}@x.org"))
                assert (await upsert(db, Role, [{"name": "admin"}, {"name": "new"}], key=["name"])).created == 1
                await self.call(LastSeeder)


        class LastSeeder:
            @staticmethod
            async def run(db):
                async for row in await db.stream(select(User.email)):
                    assert row.email != "4@x.org", "found it"
        """,
    )
    project.inv("database.migrate")
    before = dump(url)

    failed = project.inv("database.seed", code=1)
    assert dump(url) == before
    assert "LastSeeder failed: database/seeders/a_user_seeder.py:25: AssertionError: found it" in failed.stderr
    assert [word for _, word in lines(failed)] == ["DONE", "FAIL", "FAIL"]

    project.replace("database/seeders/a_user_seeder.py", '!= "4@x.org"', '!= "9@x.org"')
    done = project.inv("database.seed")
    assert lines(done) == [
        ("RoleSeeder  roles: 3 created, 1 updated", "DONE"),
        ("LastSeeder", "DONE"),
        ("DatabaseSeeder  users: 6 created; roles: 1 created, 1 unchanged", "DONE"),
    ]
    assert len(dump(url)["users"]) == 6


def test_an_async_seeder_that_forgets_to_await(project: Sandbox) -> None:
    """It is an error: the seeder that was to be called, or the statement, would not run."""
    add_shop(project)
    project.write(".env", "DATABASE_URL=sqlite+aiosqlite:///shop.db")
    add_seeder(project, "role_seeder", ROLES)
    body = 'class DatabaseSeeder:\n    async def run(self, db):\n        self.call("RoleSeeder")\n'
    add_seeder(project, "database_seeder", body)
    failed = project.inv("database.migrate", "database.seed", code=1)
    assert failed.stderr == (
        "DatabaseSeeder failed: database/seeders/database_seeder.py: coroutine 'self.call' was never awaited, so it "
        "did nothing (database_seeder.py, line 9). Write: await …\nAll changes were rolled back.\n"
    )
    project.replace("database/seeders/database_seeder.py", 'self.call("RoleSeeder")', "db.execute(delete(Role))")
    assert "'AsyncSession.execute' was never awaited" in project.inv("database.seed", code=1).stderr
    project.replace("database/seeders/database_seeder.py", "db.execute", "await db.execute")
    assert lines(project.inv("database.seed")) == [("DatabaseSeeder  roles: 1 deleted", "DONE")]


TASKS = """
    import asyncio


    async def add(db, name):
        await db.execute(insert(Role).values(name=name))
        if name == "bad":
            raise ValueError("as told")


    class RoleSeeder:
        async def run(self, db):
            await db.execute(select(Role))
            START
"""
STARTED = {
    'asyncio.create_task(asyncio.sleep(60), name="nap")': (
        "It started nap, sleep() (tasks.py, line 665) and did not await it, so the rest of the work was not done."
    ),
    'asyncio.create_task(add(db, "late"))': "It started add() (role_seeder.py, line 10) and did not await it",
    'asyncio.create_task(add(db, "bad")); await asyncio.sleep(0.1)': (
        "The task add() (role_seeder.py, line 10) failed with ValueError: as told and was never awaited."
    ),
    'await asyncio.create_task(add(db, "kept"))': None,
}


@pytest.mark.parametrize("start", STARTED)
def test_an_async_seeder_that_starts_a_task(project: Sandbox, start: str) -> None:
    """One that is awaited is fine; one that goes on, or failed unnoticed, is named and fails the run."""
    add_shop(project)
    project.write(".env", "DATABASE_URL=sqlite+aiosqlite:///shop.db")
    add_seeder(project, "role_seeder", TASKS.replace("START", start))
    project.inv("database.migrate")
    before = dump(f"sqlite:///{project.root}/shop.db")
    said = STARTED[start]
    done = project.inv("database.seed", code=1 if said else 0)
    after = dump(f"sqlite:///{project.root}/shop.db")
    if said:
        assert re.sub(r"tasks.py, line \d+", "tasks.py, line 665", done.stderr).startswith(
            f"RoleSeeder failed: database/seeders/role_seeder.py: {said}"
        )
        assert len(done.stderr.splitlines()) == 2
        assert after == before
    else:
        assert len(after["roles"]) == 2


def test_calls_at_the_same_time(project: Sandbox) -> None:
    """They would share one transaction, so the second is refused."""
    add_shop(project)
    project.write(".env", "DATABASE_URL=sqlite+aiosqlite:///shop.db")
    add_seeder(
        project,
        "database_seeder",
        """
        import asyncio


        class DatabaseSeeder:
            async def run(self, db):
                await asyncio.gather(self.call("OneSeeder"), self.call("TwoSeeder"))


        class OneSeeder:
            async def run(self, db):
                await db.execute(insert(Role), [{"name": "one"}])
                await asyncio.sleep(0.1)


        class TwoSeeder(OneSeeder):
            pass
        """,
    )
    project.replace(
        "database/seeders/database_seeder.py", "TwoSeeder(OneSeeder):\n    pass", "TwoSeeder:\n    run = OneSeeder.run"
    )
    failed = project.inv("database.migrate", "database.seed", code=1)
    assert "It called others while OneSeeder was running; await each call before the next." in failed.stderr
    assert failed.stderr.endswith("All changes were rolled back.\n")


@pytest.mark.parametrize("driver", ["sqlite", "sqlite+aiosqlite"])
def test_a_project_with_sqlmodel(project: Sandbox, driver: str) -> None:
    """Its sessions have exec()."""
    add_shop(project)
    project.write(".env", f"DATABASE_URL={driver}:///shop.db")
    words = ("async ", "await ") if "aio" in driver else ("", "")
    body = "    {}def run(self, db):\n        assert ({}db.exec(sqlmodel.select(Role.name))).one()\n".format(*words)
    add_seeder(project, "role_seeder", f"import sqlmodel\n\nclass RoleSeeder:\n{body}")
    assert lines(project.inv("database.migrate", "database.seed"))[-1] == ("RoleSeeder", "DONE")


def test_a_failure_after_migrating(project: Sandbox) -> None:
    """What an error says in several lines is shown; what was migrated stays, and that is said."""
    add_shop(project)
    project.write(".env", "DATABASE_URL=sqlite:///shop.db")
    add_seeder(
        project,
        "role_seeder",
        "class RoleSeeder:\n    def run(self, db):\n        raise ValueError('two\\n of many')\n",
    )
    failed = project.inv("database.migrate", "--seed", code=1)
    assert failed.stderr == (
        "RoleSeeder failed: database/seeders/role_seeder.py:9: ValueError: two\n  of many\n"
        "All changes were rolled back.\nThe migrations stay applied.\nNext: inv database.seed\n"
    )
    assert "applied" not in project.inv("database.seed", code=1).stderr
    several = (
        "error = ValueError('both')\n        error.exceptions = [KeyError('a'), OSError('b')]\n        raise error"
    )
    project.replace("database/seeders/role_seeder.py", "raise ValueError('two\\n of many')", several)
    assert "ValueError: both\n  KeyError: 'a'\n  OSError: b\n" in project.inv("database.seed", code=1).stderr


@pytest.mark.parametrize("driver", SYNC)
def test_an_async_seeder_under_a_sync_url(project: Sandbox, url: str, driver: str) -> None:
    """It is named before anything runs."""
    add_seeder(project, "role_seeder", ROLES)
    add_seeder(project, "user_seeder", "class UserSeeder:\n    async def run(self, db): ...\n")
    project.inv("database.migrate")
    before = dump(url)
    failed = project.inv("database.seed", code=1)
    assert failed.stderr.startswith("UserSeeder (database/seeders/user_seeder.py:7) has an async run(db)")
    assert lines(failed) == []
    assert dump(url) == before


def test_the_order(shop: Sandbox) -> None:
    """Dependencies first, by name or class, ties by file, subfolders too; imported and base classes run no second time;
    --class runs what it names and what that depends on, in every spelling."""
    add_seeder(shop, "base", "class BaseSeeder:\n    def run(self, db):\n        assert type(self) is not BaseSeeder\n")
    add_seeder(
        shop,
        "a_seeder",
        """
        from database.seeders.base import BaseSeeder
        from database.seeders.shop.c_seeder import CSeeder

        class ASeeder(BaseSeeder):
            depends_on = [CSeeder, "DSeeder"]
        """,
    )
    add_seeder(shop, "b_seeder", "class BSeeder:\n    def run(self, db): ...\n")
    add_seeder(shop, "shop/c_seeder", "class CSeeder:\n    def run(self, db): ...\n")
    add_seeder(shop, "shop/order_line_seeder", "class OrderLineSeeder:\n    def run(self, db): ...\n")
    add_seeder(shop, "z_seeder", "class DSeeder:\n    def run(self, db): ...\n\nclass ESeeder(DSeeder): ...\n")
    shop.replace("database/seeders/z_seeder.py", "class ESeeder(DSeeder): ...", "")

    def names(*args: str) -> list[str]:
        return [name for name, _ in lines(shop.inv("database.seed", *args))]

    assert names() == ["CSeeder", "DSeeder", "ASeeder", "BSeeder", "OrderLineSeeder"]
    assert names("--class=ASeeder") == ["CSeeder", "DSeeder", "ASeeder"]
    assert names("--class=order_line") == names("--class=OrderLine") == ["OrderLineSeeder"]
    assert names("--class=order_line_seeder,b") == ["BSeeder", "OrderLineSeeder"]
    assert names("--class=database/seeders/b_seeder.py") == ["BSeeder"]

    add_seeder(
        shop,
        "database_seeder",
        """
        from database.seeders.b_seeder import BSeeder


        class DatabaseSeeder:
            def run(self, db):
                self.call(BSeeder, "ASeeder")
                self.call([BSeeder])
        """,
    )
    assert names() == ["BSeeder", "CSeeder", "DSeeder", "ASeeder", "DatabaseSeeder"], "as they are called"
    assert names("--class=b,c") == ["BSeeder", "CSeeder"]


def test_a_call_that_fails_is_no_secret(shop: Sandbox) -> None:
    """A seeder that catches the error of one that it called cannot make the run go on."""
    add_seeder(
        shop,
        "database_seeder",
        """
        class DatabaseSeeder:
            def run(self, db):
                db.add(Role(name="kept?"))
                try:
                    self.call(BrokenSeeder)
                except Exception:
                    pass


        class BrokenSeeder:
            def run(self, db):
                raise OSError("no disk")
        """,
    )
    before = dump(database(shop))
    failed = shop.inv("database.seed", code=1)
    assert failed.stderr == (
        "BrokenSeeder failed: database/seeders/database_seeder.py:18: OSError: no disk\nAll changes were rolled back.\n"
    )
    assert dump(database(shop)) == before

    failed = shop.inv("database.seed", "--commit-each", code=1)
    assert "All changes were rolled back." in failed.stderr
    shop.replace("database/seeders/database_seeder.py", 'raise OSError("no disk")', "self.call('DatabaseSeeder')")
    failed = shop.inv("database.seed", code=1)
    assert "BrokenSeeder failed" in failed.stderr
    assert "It calls itself: DatabaseSeeder -> BrokenSeeder -> DatabaseSeeder." in failed.stderr


def test_environments(shop: Sandbox) -> None:
    """A seeder for other environments is skipped, which is said; an ENVIRONMENT that is not set is development."""
    add_seeder(
        shop,
        "role_seeder",
        """
        class RoleSeeder:
            environments = {"Development", "testing"}

            @staticmethod
            def run(db):
                db.add(Role(name="sample"))
        """,
    )
    done = shop.inv("database.seed", "--pretend")
    assert lines(done) == [("RoleSeeder  roles: 1 created", "DONE")]
    before = dump(database(shop))
    done = shop.inv("database.seed", "--force", env={"ENVIRONMENT": "production"})
    assert lines(done) == [("RoleSeeder  only for development, testing; this is production", "SKIP")]
    assert done.stdout.endswith("\n0 seeders ran, 1 skipped.\n")
    assert dump(database(shop)) == before

    refused = shop.inv("database.seed", "--class=role", env={"ENVIRONMENT": "production"}, code=5)
    assert "inv database.seed --class=role --force" in refused.stderr


def test_pending_migrations(project: Sandbox) -> None:
    """They are listed, nothing is seeded, --force or not; database.migrate --seed does both."""
    add_shop(project)
    project.write(".env", "DATABASE_URL=sqlite:///shop.db")
    add_seeder(project, "role_seeder", ROLES)
    url = database(project)
    for flag in ("--force", "--pretend"):
        refused = project.inv("database.seed", flag, code=1)
        assert refused.stderr == (
            "These migrations are pending, so nothing was seeded:\n  2026_01_01_000000_create_shop\n"
            "Run inv database.migrate first, or do both: inv database.migrate --seed\n"
        )
        assert not (project.root / "shop.db").exists()

    done = project.inv("database.migrate", "--seed")
    assert "1 migration applied." in done.stdout
    assert lines(done)[1:] == [("RoleSeeder  roles: 3 created, 1 updated", "DONE")]
    assert len(dump(url)["roles"]) == 4

    project.add_migration("2026_01_02_000000_more", "2b2b", "1a1a")
    project.add_migration("2026_01_03_000000_most", "3c3c", "2b2b")
    before = dump(url)
    refused = project.inv("database.migrate", "--to=2b2b", "--seed", code=1)
    assert "pending, so nothing was seeded:\n  2026_01_03_000000_most\n" in refused.stderr
    assert dump(url) == before, "it was found before anything was migrated"


def test_json(shop: Sandbox) -> None:
    """--json prints one value and nothing else, after a failure too, and asks nothing."""
    add_seeder(shop, "role_seeder", ROLES)
    done = json.loads(shop.inv("database.seed", "--json", "--pretend").stdout)
    seconds = done["steps"][0].pop("seconds")
    assert 0 < seconds < 5
    assert done == {
        "command": "database.seed",
        "database": "sqlite:///shop.db",
        "environment": None,
        "steps": [
            {
                "action": "seed",
                "name": "RoleSeeder",
                "revision": None,
                "message": None,
                "head": False,
                "file": "database/seeders/role_seeder.py",
                "state": "done",
                "rows": {"roles": {"created": 3, "updated": 1, "deleted": 0, "unchanged": 0}},
                "sql": [],
                "findings": [],
                "note": None,
                "history": None,
            }
        ],
        "losses": [],
        "error": None,
    }
    shop.replace(
        "database/seeders/role_seeder.py",
        "# Nothing",
        "print('in between')\n        raise KeyError('colour')  # Nothing",
    )
    failed = shop.inv("database.seed", "--json", code=1)
    value = json.loads(failed.stdout)
    assert value["steps"][0]["state"] == "failed"
    assert f"in between\n{value['error']['message']}\n" == failed.stderr
    assert value["error"]["code"] == 1
    assert "KeyError: 'colour'" in value["error"]["message"]
    refused = shop.inv("database.seed", "--json", env={"ENVIRONMENT": "live"}, code=5)
    error = json.loads(refused.stdout)["error"]
    assert error["message"] + "\n" == refused.stderr
    assert error["next"] == "inv database.seed --force --json"


def test_random_seed(shop: Sandbox) -> None:
    """The same number gives the same rows on another database; another number gives others."""
    add_seeder(
        shop,
        "user_seeder",
        """
        import dataclasses
        import random

        from faker import Faker
        from polyfactory.factories import DataclassFactory

        fake = Faker()


        @dataclasses.dataclass
        class Person:
            name: str


        class PersonFactory(DataclassFactory[Person]):
            __model__ = Person


        class UserSeeder:
            at_import = random.random()

            def run(self, db):
                for _ in range(3):
                    name = f"{random.random()} {self.at_import} {fake.name()} {PersonFactory.build().name}"
                    db.execute(text("INSERT INTO notes (body) VALUES (:name)"), {"name": name})
        """,
    )
    (shop.root / "database/migrations/versions/2026_01_01_000000_create_shop.py").unlink()
    shop.add_migration("1_notes", "1a1a", None, 'op.execute("CREATE TABLE notes (body TEXT)")')
    found = []
    for number, name in (("42", "one.db"), ("42", "two.db"), ("7", "three.db")):
        env = {"DATABASE_URL": f"sqlite:///{name}"}
        shop.inv("database.migrate", "database.seed", f"--random-seed={number}", env=env)
        found.append(dump(f"sqlite:///{shop.root}/{name}")["notes"])
    assert len(found[0]) == 3
    assert found[0] == found[1]
    assert not set(found[0]) & set(found[2])


WRONG = {
    "--class=": "--class needs a value",
    "--class=a,,b": "has a comma without a name",
    "--random-seed=x": "--random-seed=x is not a whole number",
    "--random-seed": "--random-seed needs a value",
}


def test_wrong_usage(shop: Sandbox) -> None:
    """A flag without a value, or with one that makes no sense, is code 2 and touches nothing."""
    add_seeder(shop, "role_seeder", ROLES)
    before = dump(database(shop))
    for flag, said in WRONG.items():
        assert said in shop.inv("database.seed", flag, code=2).stderr
    both = shop.inv("database.seed", "--pretend", "--commit-each", code=2)
    assert both.stderr == "--pretend and --commit-each are mutually exclusive.\n"
    unknown = shop.inv("database.seed", "--class=rol", code=2)
    assert unknown.stderr == "There is no seeder rol. Did you mean RoleSeeder? Known: RoleSeeder.\n"
    assert dump(database(shop)) == before


SLOW = """
    import time
    from pathlib import Path


    class FirstSeeder:
        def run(self, db):
            db.add(Role(name="first"))
            db.commit()


    class SlowSeeder:
        depends_on = ["FirstSeeder"]

        def run(self, db):
            db.add_all([Role(name=f"r{n}") for n in range(100)])
            db.commit()
            Path("ready").touch()
            time.sleep(30)
"""


def interrupted(project: Sandbox, number: signal.Signals, *flags: str) -> Result:
    """Send ``number`` to a run of the slow seeder when it is in the middle; how it ended."""
    running = Running(project, "database.seed", *flags)
    ready = project.root / "ready"
    wait_for(ready)
    ready.unlink()
    if number is signal.SIGKILL:
        return Result(running.kill(), "", "")
    running.send(number)
    return running.finish(code=None)


@pytest.mark.thorough
@pytest.mark.parametrize("driver", EVERY)
def test_interrupted(project: Sandbox, url: str, driver: str) -> None:
    """Ctrl-C and SIGTERM are failures with a report; SIGKILL in the middle leaves nothing either, and no lock."""
    add_seeder(project, "slow_seeder", SLOW)
    if driver in ASYNC:
        project.replace("database/seeders/slow_seeder.py", "        time.sleep(30)", "        await asyncio.sleep(30)")
        slow = "\n".join(
            ("class SlowSeeder:", '    depends_on = ["FirstSeeder"]', "", "    async def run(self, db):"),
        )
        project.replace(
            "database/seeders/slow_seeder.py",
            slow.replace("async def", "def"),
            slow.replace("class", "import asyncio\n\n\nclass"),
        )
        project.replace(
            "database/seeders/slow_seeder.py", "(100)])\n        db.commit()", "(100)])\n        await db.commit()"
        )
    project.inv("database.migrate")
    before = dump(url)

    ended = interrupted(project, signal.SIGINT)
    assert (ended.code, ended.stderr) == (
        1,
        "SlowSeeder was interrupted.\nThese ran before it: FirstSeeder.\nAll changes were rolled back.\n",
    )
    assert dump(url) == before

    assert interrupted(project, signal.SIGKILL).code == -signal.SIGKILL
    for _ in range(100):
        # A server needs a moment to notice that the client is gone.
        if dump(url) == before:
            break
        time.sleep(0.05)
    assert dump(url) == before

    ended = interrupted(project, signal.SIGTERM, "--commit-each")
    assert ended.code == 1
    assert ended.stderr.endswith("Committed (--commit-each): FirstSeeder. The failed seeder was rolled back.\n")
    assert dump(url) == {**before, "roles": dump(url)["roles"]}
    assert [row[0] for row in execute(url, "SELECT name FROM roles ORDER BY name")] == ["first", "guest"]


def test_a_progress_bar(shop: Sandbox) -> None:
    """On a terminal a run of more than a second shows how far self.progress has come; elsewhere nothing is drawn."""
    add_seeder(
        shop,
        "role_seeder",
        """
        import time


        class RoleSeeder:
            def run(self, db):
                for n in self.progress(range(16)):
                    time.sleep(0.1)
        """,
    )
    shown = shop.terminal("database.seed")
    assert re.search(r"RoleSeeder 1\d of 16", shown)
    assert re.search(r"RoleSeeder \.\.\.+ .* 1\.\d s  .*DONE", shown)
    assert " of 16" not in shop.inv("database.seed").stdout


IT_ENDED = "It ended the run's transaction. Use db.commit() and db.rollback(), and DELETE instead of TRUNCATE."
ENDED = {
    "db.connection().commit()": IT_ENDED,
    "db.execute(text('COMMIT'))": IT_ENDED,
    "db.execute(text('COMMIT')); raise ValueError('no')": "ValueError: no",
    "db.execute(text('/* all */ TRUNCATE users'))": IT_ENDED,
}


@pytest.mark.parametrize("driver", EVERY)
def test_a_transaction_that_is_ended(project: Sandbox, url: str, driver: str) -> None:
    """What no runner can roll back is not said to be, whoever ended the transaction, and however it was noticed."""
    for statement, said in ENDED.items():
        if "TRUNCATE" in statement and driver not in MARIADB:
            continue
        add_seeder(
            project,
            "role_seeder",
            f"""
            class RoleSeeder:
                def run(self, db):
                    db.add(Role(name="kept"))
                    db.flush()
                    {statement}
            """,
        )
        failed = project.inv("database.migrate", "database.seed", code=1)
        assert failed.stderr.startswith("RoleSeeder failed: database/seeders/role_seeder.py"), statement
        assert f": {said}\n" in failed.stderr, statement
        assert "before that may have been committed." in failed.stderr
        assert "Nothing of this run" not in failed.stderr
        execute(url, "DELETE FROM roles WHERE name = 'kept'")


@pytest.mark.parametrize("driver", EVERY)
def test_a_connection_that_is_closed(project: Sandbox, url: str, driver: str) -> None:
    """It is named, and what was written is rolled back."""
    body = "        db.execute(insert(Role).values(name='x'))\n        db.connection().close()\n"
    add_seeder(project, "role_seeder", f"class RoleSeeder:\n    def run(self, db):\n{body}")
    project.inv("database.migrate")
    before = dump(url)
    failed = project.inv("database.seed", code=1)
    assert failed.stderr.startswith("RoleSeeder failed: database/seeders/role_seeder.py")
    assert "It closed the run's connection; " in failed.stderr
    assert failed.stderr.endswith("All changes were rolled back.\n")
    assert dump(url) == before


def test_a_commit_that_fails(request: pytest.FixtureRequest, project: Sandbox) -> None:
    """A constraint that is only checked at the end fails the run when all seeders have finished."""
    add_shop(project)
    url = new_url(request, project, "postgresql+psycopg")
    add_seeder(project, "role_seeder", ROLES)
    project.inv("database.migrate")
    execute(url, "CREATE TABLE deferred (id INT REFERENCES roles DEFERRABLE INITIALLY DEFERRED)")
    project.replace(
        "database/seeders/role_seeder.py", "db.rollback()", 'db.execute(text("INSERT INTO deferred VALUES (99)"))'
    )
    before = dump(url)
    failed = project.inv("database.seed", code=1)
    assert failed.stderr.startswith("The commit failed: ")
    assert "violates foreign key" in failed.stderr
    assert failed.stderr.endswith("These ran before it: RoleSeeder.\nAll changes were rolled back.\n")
    assert "ran." not in failed.stdout
    assert dump(url) == before
