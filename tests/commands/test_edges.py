"""Everything that a user can type, decline or leave broken: exit code and message, and what is left alone."""

from __future__ import annotations

import json
import re

import pytest

from command import Sandbox
from servers import execute, tables

pytestmark = pytest.mark.thorough

# Three migrations; each test's first line says how many are applied.
NAMES = ("2026_01_01_000000_create_users", "2026_01_02_000000_create_posts", "2026_01_03_000000_create_tags")
IDS = ("1a1a", "2b2b", "3c3c")


@pytest.fixture
def shop(project: Sandbox) -> Sandbox:
    """A project with three migrations and no database yet."""
    project.add_environment()
    project.write(".env", "DATABASE_URL=sqlite:///shop.db")
    after = None
    for name, revision in zip(NAMES, IDS, strict=True):
        table = name.rpartition("_")[2]
        up = f'op.create_table("{table}", sa.Column("id", sa.Integer, primary_key=True))'
        project.add_migration(name, revision, after, up, f'op.drop_table("{table}")')
        after = revision
    return project


def apply(project: Sandbox, number: int) -> None:
    """Put the database where it is after the first ``number`` migrations."""
    execute(url(project), "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    for name in NAMES[:number]:
        execute(url(project), f"CREATE TABLE {name.rpartition('_')[2]} (id INTEGER NOT NULL PRIMARY KEY)")
    if number:
        execute(url(project), f"INSERT INTO alembic_version VALUES ('{IDS[number - 1]}')")


def url(project: Sandbox) -> str:
    """The database of ``project``."""
    return f"sqlite:///{project.root / 'shop.db'}"


def data(project: Sandbox) -> bytes:
    """The database, to the byte."""
    return (project.root / "shop.db").read_bytes()


def test_steps_and_targets_that_make_no_sense(shop: Sandbox) -> None:
    """A number or a revision that cannot be meant: exit code 2, the value named, nothing touched."""
    apply(shop, 2)
    before = data(shop)
    for argument, complaint in {
        "--steps=abc": "--steps=abc is not a whole number.\n",
        "--to=nowhere": "--to=nowhere",
        "--to=3c3c": "--to=3c3c is not applied, so the database cannot be rolled back to it. See inv migrate.status\n",
    }.items():
        refused = shop.inv("migrate.rollback", argument, "--force", code=2)
        assert refused.stderr.startswith(complaint)
    assert data(shop) == before


def test_a_revision_by_its_file(shop: Sandbox) -> None:
    """Its name, with or without .py, or a part that no other one has; otherwise those that may be meant are named."""
    said = shop.inv(
        *(
            "database.migrate",
            "--to=create_posts",
            "migrate.rollback",
            "--to=2026_01_01_000000_create_users",
            "--force",
        ),
        *("database.migrate", "--to=2026_01_03_000000_create_tags.py", "migrate.status", "--check"),
    ).stdout
    assert "2 migrations applied." in said
    assert "1 migration rolled back." in said
    assert "3 applied, 0 pending." in said
    assert shop.inv("migrate.rollback", "--to=create_", "--force", code=2).stderr == (
        "--to=create_ matches several migrations:\n" + "".join(f"  {name}\n" for name in NAMES)
    )
    refused = shop.inv("migrate.rollback", "--to=2026_01_01_000000_create_user5", "--force", code=2).stderr
    assert f"Did you mean:\n  {NAMES[0]}  1a1a\n" in refused
    for near in ("create_userz", "Create Userz.py"):
        refused = shop.inv("database.migrate", f"--to={near}", code=2).stderr
        assert f"Did you mean:\n  {NAMES[0]}  1a1a\n" in refused


def test_more_steps_than_are_applied(shop: Sandbox) -> None:
    """What there is is rolled back, newest first, how many there were is said, and it is no failure."""
    apply(shop, 2)
    said = shop.inv("migrate.rollback", "--steps=5", "--force").stdout
    assert re.findall(r"  (\S+) \.+ .*DONE", said) == [NAMES[1], NAMES[0]]
    assert said.endswith("2 migrations rolled back.\n2 of 5 were applied.\n")
    assert tables(url(shop)) == {"alembic_version"}
    shop.inv("database.migrate", "--to=1a1a")
    for name in ("redo", "refresh"):
        assert shop.inv(f"migrate.{name}", "--steps=5", "--force").stdout.endswith("\n1 of 5 was applied.\n")
    shop.replace(f"database/migrations/versions/{NAMES[2]}.py", 'op.drop_table("tags")', "raise NotImplementedError")
    for name, flags in {"rollback": "--steps=N or --to=REVISION", "refresh": "--steps=N", "redo": "--steps=N"}.items():
        refused = shop.inv(f"migrate.{name}", "--force", code=1).stderr
        assert f"Write their downgrade(), or roll back fewer: {flags}.\n" in refused


def test_nothing_to_do(shop: Sandbox) -> None:
    """Nothing to migrate or to roll back is one line and exit code 0: no file, no version table, all applied."""
    assert shop.inv("migrate.rollback", "migrate.reset").stdout.count("Nothing to roll back.\n") == 2
    assert not (shop.root / "shop.db").exists()

    execute(url(shop), "CREATE TABLE other (id INTEGER)")
    before = data(shop)
    assert shop.inv("migrate.rollback", "migrate.reset").stdout.count("Nothing to roll back.\n") == 2
    assert data(shop) == before

    apply(shop, 3)
    before = data(shop)
    assert shop.inv("database.migrate").stdout.endswith("Nothing to migrate.\n")
    assert data(shop) == before


def test_no_environment_at_all(project: Sandbox) -> None:
    """Without migrations a deploy must not look migrated: exit code 1, and how to make the first one; nothing made."""
    before = project.files()
    for command in ("database.migrate", "migrate.status"):
        failed = project.inv(command, code=1)
        assert failed.stderr == (
            "This project has no migrations yet (no alembic.ini, no [tool.alembic]). "
            'Make the first one: inv make.migration "create users table"\n'
        )
    assert project.files() == before


def test_a_class_without_a_value(shop: Sandbox) -> None:
    """--class without a name never means every seeder: exit code 2, and no seeder has run."""
    apply(shop, 3)
    shop.write(
        "database/seeders/a_seeder.py", "class ASeeder:\n    def run(self, db):\n        open('ran', 'w').close()"
    )
    for arguments in (["--class="], ["--class", "--pretend"]):
        refused = shop.inv("database.seed", *arguments, code=2)
        assert refused.stderr.startswith("--class needs a value")
    assert not (shop.root / "ran").exists()
    shop.inv("database.seed")
    assert (shop.root / "ran").exists(), "the seeder itself runs"


def test_the_same_command_twice_in_one_line(shop: Sandbox) -> None:
    """It runs twice: rolling back one step, and one more."""
    apply(shop, 3)
    said = shop.inv("migrate.rollback", "--force", "migrate.rollback", "--force", "migrate.status").stdout
    assert said.count("1 migration rolled back.") == 2
    assert "1 applied, 2 pending." in said


def test_two_files_with_one_id(shop: Sandbox) -> None:
    """Which of them Alembic would run is chance: both are named, and nothing is done."""
    apply(shop, 1)
    shop.add_migration("0002_copied", "2b2b", "1a1a", 'op.execute("CREATE TABLE copied (a INT)")')
    before = data(shop)
    for command in ("migrate.status", "database.migrate"):
        refused = shop.inv(command, code=1)
        assert refused.stderr.startswith("Two version files have the revision 2b2b:\n")
        assert "  database/migrations/versions/0002_copied.py\n" in refused.stderr
    assert data(shop) == before


def test_a_revision_that_no_file_has(shop: Sandbox) -> None:
    """Status shows it as missing; everything else stops, names it and the ways out, and touches nothing."""
    apply(shop, 3)
    execute(url(shop), "UPDATE alembic_version SET version_num = 'dead'")
    before = data(shop)

    status = shop.inv("migrate.status", "--check", code=3).stdout
    assert re.search(r"^  missing +no file has this revision +dead$", status, re.MULTILINE)
    assert "\ndead: in no git branch\n" in status
    assert status.endswith("0 applied, 3 pending, 1 missing.\n")
    value = json.loads(shop.inv("migrate.status", "--json").stdout)
    missing = {"revision": "dead", "state": "missing", "file": None, "message": None, "head": False}
    assert missing.items() <= value["steps"][-1].items()

    for command in (["database.migrate"], ["migrate.rollback", "--force"], ["make.migration", "create carts table"]):
        stopped = shop.inv(*command, code=1)
        assert stopped.stderr.startswith(
            "The database has a revision that no file here has. Nothing was changed.\n  dead  "
        )
        assert "inv migrate.stamp REVISION" in stopped.stderr
        assert data(shop) == before
        assert len(list((shop.root / "database/migrations/versions").iterdir())) == 3


def test_no_terminal_to_ask_on(shop: Sandbox) -> None:
    """Where nobody can be asked, it is refused at once with the exact command that goes ahead; exit code 5."""
    apply(shop, 3)
    shop.write("database/seeders/a_seeder.py", "class ASeeder:\n    def run(self, db): ...\n")
    before = data(shop)
    production = {"ENVIRONMENT": "production"}
    for arguments, command in (
        (["migrate.rollback", "--to=1a1a"], "inv migrate.rollback --to=1a1a --force"),
        (["migrate.reset"], "inv migrate.reset --force"),
        (["database.seed", "--class", "ASeeder"], "inv database.seed --class=ASeeder --force"),
        (
            ["database.seed", "--commit-each", "--random-seed", "42"],
            "inv database.seed --commit-each --random-seed=42 --force",
        ),
    ):
        refused = shop.inv(*arguments, env=production, code=5)
        assert refused.stderr.endswith(
            f"There is no terminal to ask on, so nothing was changed. To go ahead: {command}\n"
        )
    assert data(shop) == before
    assert "2 migrations rolled back" in shop.inv("migrate.rollback", "--to=1a1a", "--force", env=production).stdout
    before = data(shop)
    refused = shop.inv("database.migrate", "--to=heads", "--seed", env=production, code=5)
    assert refused.stderr.endswith("To go ahead: inv database.migrate --to=heads --seed --force\n")
    assert data(shop) == before


def test_a_terminal_to_ask_on(shop: Sandbox) -> None:
    """The question names what will happen; only yes goes on. No answer, another word and Ctrl-D are no: exit code 5."""
    apply(shop, 3)
    before = data(shop)
    for answer in ("ja", "\x04"):
        said = shop.terminal(
            "migrate.rollback", answers=[("Roll back 1 migration on sqlite:///shop.db? [y/N]", answer)], code=5
        )
        assert NAMES[2] in said
        assert "Cancelled; nothing was changed." in said
        assert data(shop) == before
    said = shop.terminal("migrate.reset", answers=[("Roll back 3 migrations on sqlite:///shop.db? [y/N]", "Yes")])
    assert "3 migrations rolled back." in said
    assert tables(url(shop)) == {"alembic_version"}

    production = {"APP_ENV": "Live"}
    shop.write("database/seeders/a_seeder.py", "class ASeeder:\n    def run(self, db): ...\n")
    asked = [("Apply 3 migrations and run 1 seeder on sqlite:///shop.db? [y/N]", "y")]
    said = shop.terminal("database.migrate", "--seed", answers=asked, env=production)
    assert "3 migrations applied." in said
    assert "1 seeder ran." in said
    assert tables(url(shop)) == {"alembic_version", "users", "posts", "tags"}

    asked = [("Run 1 seeder on sqlite:///shop.db? [y/N]", "")]
    said = shop.terminal("database.migrate", "--seed", answers=asked, env=production, code=5)
    assert "ASeeder" not in said, "seeded without consent, as there was nothing to migrate"


@pytest.mark.parametrize(
    ("path", "text", "complaint"),
    [
        ("alembic.ini", "[alembic]\n", "alembic.ini has no script_location. Add the folder that holds env.py"),
        ("alembic.ini", "x = 1\n[alembic]\n", "alembic.ini:1: File contains no section headers."),
        ("alembic.ini", "[alembic]\nscript_location = %(no)s\n", "alembic.ini: script_location in [alembic] has"),
        (
            "database/migrations/versions/x.py",
            "revision = '9'\n\nop.(\n",
            "database/migrations/versions/x.py:3: Syntax",
        ),
        (
            "database/migrations/versions/x.py",
            "revision = '9'\ndown_revision = 'gone'\n",
            "The version files do not fit together: ",
        ),
        ("database/migrations/env.py", "x = 1\n1 / 0\n", "database/migrations/env.py:2: ZeroDivisionError"),
        ("pyproject.toml", "[tool\n", "pyproject.toml cannot be read: Expected"),
    ],
)
def test_a_broken_environment(shop: Sandbox, path: str, text: str, complaint: str) -> None:
    """What is broken is named, with its line where it has one; nothing is touched."""
    apply(shop, 1)
    before = data(shop)
    shop.write(path, text)
    failed = shop.inv("database.migrate", code=1)
    assert failed.stderr.startswith(complaint), failed.stderr
    assert "Unexpected" not in failed.stderr
    assert data(shop) == before


def test_status_for_programs(shop: Sandbox) -> None:
    """--json is JSON alone on stdout, in this shape; --pending leaves the applied ones out; --check is exit code 3."""
    apply(shop, 1)
    shop.write(".env", "DATABASE_URL=sqlite:///shop.db\nENVIRONMENT=staging")
    said = shop.inv("migrate.status", "--json", "--check", code=3)
    assert said.stderr == ""
    assert json.loads(said.stdout) == {
        "command": "migrate.status",
        "database": "sqlite:///shop.db",
        "environment": "staging",
        "steps": [
            {
                "action": "apply",
                "name": name,
                "revision": revision,
                "message": name.replace("_", " "),
                "head": revision == "3c3c",
                "file": f"database/migrations/versions/{name}.py",
                "state": "applied" if revision == "1a1a" else "pending",
                "seconds": None,
                "rows": {},
                "sql": [],
                "findings": [],
                "note": None,
                "history": None,
            }
            for name, revision in zip(NAMES, IDS, strict=True)
        ],
        "losses": [],
        "error": None,
    }
    pending = json.loads(shop.inv("migrate.status", "--json", "--pending").stdout)
    assert [entry["revision"] for entry in pending["steps"]] == ["2b2b", "3c3c"]

    text = shop.inv("migrate.status", "--pending", "--check", code=3).stdout
    assert text == (
        "sqlite:///shop.db (staging, from .env)\n\n"
        f"  pending  {NAMES[1]}  2b2b\n"
        f"  pending  {NAMES[2]}   3c3c  (head)\n"
        "\n1 applied, 2 pending.\n"
    )
    assert shop.inv("database.migrate", "migrate.status", "--check", "--pending").stdout.endswith(
        "3 applied, 0 pending.\n"
    )


def test_several_tasks_in_one_line(shop: Sandbox) -> None:
    """Each task sees what the one before it did; nothing is kept between them; the first that fails ends the line."""
    said = shop.inv(
        *("database.migrate", "--to=2b2b", "migrate.status", "migrate.rollback", "--force"),
        *("database.migrate", "migrate.status", "--check", "hello"),
    ).stdout
    assert "2 applied, 1 pending." in said
    assert "1 migration rolled back." in said
    assert "3 applied, 0 pending." in said
    assert said.endswith("hello from the project\n")

    stopped = shop.inv("migrate.rollback", "--steps=0", "migrate.reset", "--force", "hello", code=2)
    assert "hello" not in stopped.stdout
    assert tables(url(shop)) == {"alembic_version", "users", "posts", "tags"}


def test_pretend_shows_the_sql(shop: Sandbox) -> None:
    """--pretend and --dry print what each migration would run, in order, and change nothing; no question is asked."""
    apply(shop, 1)
    before = data(shop)
    up = shop.inv("database.migrate", "--pretend", env={"ENVIRONMENT": "production"}).stdout
    assert up.index("CREATE TABLE posts") < up.index("CREATE TABLE tags")
    assert "CREATE TABLE users" not in up
    down = shop.inv("--dry", "migrate.reset").stdout
    assert "DROP TABLE users" in down
    for said in (up, down):
        assert said.endswith("Nothing was changed.\n")
    assert data(shop) == before


def test_what_is_broken_is_never_a_traceback(shop: Sandbox) -> None:
    """A plain error is a line; INVOKE_DEBUG and --debug show the traceback, and neither shows a password."""
    shop.write(".env", "DATABASE_URL=postgresql://u:open%20sesame@127.0.0.1:1/shop")
    plain = shop.inv("migrate.status", code=1)
    assert plain.stderr.count("\n") == 1
    for arguments, env in ((["--debug", "migrate.status"], {}), (["migrate.status"], {"INVOKE_DEBUG": "1"})):
        # Invoke reads its variable when it is imported.
        shown = shop.run("invoke", *arguments, env=env, code=1, anew=True)
        assert "Traceback (most recent call last)" in shown.stderr
        assert "sesame" not in shown.stdout + shown.stderr


def test_a_file_that_is_no_database(shop: Sandbox) -> None:
    """It is named, with what to do, and left as it is."""
    (shop.root / "shop.db").write_bytes(b"no database" * 1000)
    before = data(shop)
    for command in ("migrate.status", "database.migrate"):
        refused = shop.inv(command, code=1)
        assert refused.stderr == (
            f"{url(shop)} is not a SQLite database. Move the file away, or correct DATABASE_URL.\n"
        )
    assert data(shop) == before


def test_json_is_alone_on_stdout(shop: Sandbox) -> None:
    """What env.py prints goes to stderr then."""
    file = shop.root / "database/migrations/env.py"
    file.write_text(f'print("hello from env.py")\n{file.read_text("utf-8")}', "utf-8")
    said = shop.inv("migrate.status", "--json")
    assert len(json.loads(said.stdout)["steps"]) == 3
    assert "hello from env.py" in said.stderr


FLAGS = {
    "make.migration": {"--empty", "--create", "--table", "--allow-drops", "--pretend"},
    "make.seeder": {"--model", "--pretend"},
    "database.migrate": {"--to", "--seed", "--pretend", "--force"},
    "database.seed": {"--class", "--commit-each", "--random-seed", "--pretend", "--force", "--json"},
    "migrate.rollback": {"--steps", "--to", "--pretend", "--force"},
    "migrate.reset": {"--pretend", "--force"},
    "migrate.status": {"--pending", "--check", "--json"},
}
WATCH = """
import atexit
import sys


def tell():
    heavy = [name for name in ("alembic", "sqlalchemy", "mako", "rich", "fastman_tasks.plans") if name in sys.modules]
    print("imported:", *heavy, file=sys.stderr)


atexit.register(tell)
"""


def test_help_for_everything_and_nothing_heavy(shop: Sandbox) -> None:
    """--list and --help tell each namespace, task and flag in words, and import none of the heavy libraries."""
    text = (shop.root / "tasks.py").read_text("utf-8")
    shop.write("tasks.py", WATCH + text)

    listed = shop.inv("--list", anew=True)
    assert listed.stderr == "imported:\n"
    for task in FLAGS:
        assert re.search(rf"^  {re.escape(task)} +[A-Z]", listed.stdout, re.MULTILINE), task
    assert re.search(r"^  hello +Say hello\.$", listed.stdout, re.MULTILINE)

    for task, flags in FLAGS.items():
        helped = shop.inv("--help", task, anew=True)
        assert helped.stderr == "imported:\n"
        options = helped.stdout.partition("Options:")[2]
        assert flags <= set(re.findall(r"^  (?:-\w.*, )?(--[\w-]+)\S* +[A-Z]\w", options, re.MULTILINE)), task

    assert "imported: alembic sqlalchemy mako fastman_tasks.plans\n" in shop.inv("migrate.status", anew=True).stderr, (
        "the watch sees nothing"
    )
    watch = WATCH.replace('"alembic", "sqlalchemy", "mako", "rich"', '"alembic", "fastman_tasks.seeding.seeders"')
    shop.write("tasks.py", watch + text)
    assert "imported: alembic fastman_tasks.plans\n" in shop.inv("database.migrate", anew=True).stderr, (
        "what seeds is not wanted here"
    )


def test_an_output_that_cannot_spell_a_name(shop: Sandbox) -> None:
    """A migration whose name the terminal's encoding lacks is applied like any other, and shown as well as can be."""
    shop.add_migration("2026_01_04_000000_größe_→", "4d4d", "3c3c", 'op.execute("CREATE TABLE sizes (a INT)")')
    plain = {"PYTHONIOENCODING": "ascii"}
    said = shop.inv("database.migrate", "migrate.status", env=plain, anew=True).stdout
    assert r"2026_01_04_000000_gr\xf6\xdfe_\u2192" in said
    assert "4 applied, 0 pending." in said
    value = json.loads(shop.inv("migrate.status", "--json", env=plain, anew=True).stdout)
    assert value["steps"][-1]["file"].endswith("größe_→.py")


def test_a_line_is_there_while_its_migration_runs(project: Sandbox) -> None:
    """On a terminal: the migration's name first, the rest once it has finished; a failure begins a line of its own."""
    project.add_environment()
    project.add_migration("1_asks", "1a", None, "assert input('Go on? ') == 'yes'")
    said = project.terminal("database.migrate", answers=[("1_asks ......", None), ("Go on? ", "no")], code=1)
    assert re.search(r"\n  1_asks \.+ +Go on\? no\n+1_asks failed: ", said)
    said = project.terminal("database.migrate", answers=[("Go on? ", "yes")])
    assert re.search(r"\n  1_asks \.+ +Go on\? yes\n +\d.* m?s  .*DONE", said)
