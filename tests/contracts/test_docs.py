"""The documents say what the code does: commands, flags, variables, exit codes; and what they show can be run."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import sqlalchemy as sa
from invoke import Collection, ParseError, Parser, Program

from command import Sandbox
from fastman_tasks import database, errors, make, migrate
from fastman_tasks.env_file import VARIABLES
from fastman_tasks.tasks.optional_positionals import spell_out
from seeds import dump
from servers import Server

# Texts are the same on every version.
pytestmark = pytest.mark.thorough

ROOT = Path(__file__).resolve().parent.parent.parent
#: What each document says, by its path.
DOCUMENTS = {
    path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("README*.md"))
}
README, COMMANDS, SETTINGS, SEEDING = (
    DOCUMENTS[name] for name in ("README.md", "docs/commands.md", "docs/settings.md", "docs/seeding.md")
)
COLLECTION = Collection(database, make, migrate)
FLAGS = {
    name: {argument.names[0]: argument for argument in COLLECTION[name].get_arguments()}
    for name in COLLECTION.task_names
}
RUN_IT, TEST_IT = (
    "python3 -m venv .venv && .venv/bin/pip install . && "
    "cd examples/shop && ../../.venv/bin/inv database.setup migrate.status",
    "python3 -m venv .venv && .venv/bin/pip install -e '.[test]' && .venv/bin/python -m pytest",
)
USER = """
    from sqlalchemy import String
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


    class Base(DeclarativeBase):
        pass


    class User(Base):
        __tablename__ = "users"

        id: Mapped[int] = mapped_column(primary_key=True)
        email: Mapped[str] = mapped_column(String(50), unique=True)
"""


def blocks(text: str, language: str) -> list[str]:
    """The code blocks of ``text`` in ``language``."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def without_blocks(text: str) -> str:
    """The prose of ``text``."""
    return re.sub(r"^```\w*\n.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def section(text: str, title: str) -> str:
    """What stands below the heading ``title`` of ``text``, up to the next heading of its level or above."""
    found = re.search(rf"^(#+) {re.escape(title)}\n", text, re.MULTILINE)
    assert found, f"There is no section {title}"
    return re.split(rf"^#{{1,{len(found[1])}}} ", text[found.end() :], maxsplit=1, flags=re.MULTILINE)[0]


def inline_code(text: str) -> list[str]:
    """What stands between backticks in the prose of ``text``, also where a line ends in it."""
    return [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", without_blocks(text))]


def shown_commands(text: str) -> Iterator[list[str]]:
    """The words after ``inv`` wherever ``text`` runs it, in a block or in a sentence; also a task with its flags."""
    lines = [
        line
        for block in blocks(text, "sh")
        for line in re.split(r"\n|&&|\|\|", block)
        if not line.lstrip().startswith("#")
    ]
    lines += [line[2:] for block in blocks(text, "console") for line in block.splitlines() if line.startswith("$ ")]
    lines += inline_code(text)
    for line in lines:
        if re.match(r"\s*(\S*/)?inv ", line):
            words = shlex.split(line.partition("inv ")[2], comments=True)
            yield [word for word in words if word != "…"]
        elif re.match(r"(database|make|migrate)\.\w+ --", line):
            yield shlex.split(line)


def parse(words: list[str], collection: Collection) -> None:
    """Read ``words`` as Invoke reads a command line; it raises ParseError for what it does not know or misses."""
    core = Parser(initial=Program().initial_context, ignore_unknown=True).parse_argv(words)
    of = core[0].args["help"].value
    assert not of or of in collection.task_names
    # A sentence about a flag may leave the message or the name out.
    rest = [*core.unparsed]
    if rest and rest[0] in ("make.migration", "make.seeder") and all(word.startswith("--") for word in rest[1:]):
        rest.insert(1, "name")
    Parser(contexts=collection.to_contexts()).parse_argv(spell_out(rest, collection))


def slugs(text: str) -> set[str]:
    """The anchors of the headings of ``text``, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", without_blocks(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def module(path: str) -> ModuleType:
    """The module in the file ``path`` of this checkout."""
    spec = importlib.util.spec_from_file_location("shown_module", ROOT / path)
    assert spec and spec.loader
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def as_shown(text: str) -> str:
    """``text`` without what differs from run to run: times, and the dots before them."""
    text = re.sub(r"\.{3,} +\d+ ms", "... N ms", text)
    return re.sub(r"\d{4}_\d\d_\d\d_\d{6}", "NOW", text).rstrip("\n")


def walk(project: Sandbox, text: str) -> list[str]:
    """Do in ``project`` what the console blocks of ``text`` show, and return the commands: ``cat`` shows a file that is
    written by hand, or that is there by then; ``inv`` prints what stands below it."""
    steps = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n?)*)", "\n".join(blocks(text, "console")), re.MULTILINE)
    for command, below in steps:
        program, *words = shlex.split(command)
        if program == "inv":
            result = project.run("invoke", *words, code=None)
            assert as_shown(result.stdout + result.stderr) == as_shown(below), command
        elif (file := project.root / words[0]).exists():
            assert file.read_text("utf-8").rstrip("\n") == below.rstrip("\n")
        else:
            project.write(words[0], f"{below.rstrip()}\n")
    return [command for command, _ in steps]


@pytest.fixture
def readme_project(project: Sandbox) -> Sandbox:
    """A project with the README's tasks.py and its .env."""
    project.write("tasks.py", blocks(README, "python")[0])
    project.write(".env", "DATABASE_URL=sqlite:///app.db")
    return project


@pytest.fixture
def shop(tmp_path: Path) -> Sandbox:
    """A copy of examples/shop, without a .env."""
    shop = Sandbox(tmp_path / "empty")
    shop.root = tmp_path / "shop"
    shutil.copytree(
        ROOT / "examples/shop", shop.root, ignore=shutil.ignore_patterns("*.db", ".env", "__pycache__", ".*_cache")
    )
    return shop


def test_the_first_screen_is_the_promise(readme_project: Sandbox) -> None:
    """Three lines of tasks.py, three commands that print what is shown, four reasons and what it runs on."""
    top = README.partition("\n## ")[0]
    [tasks] = blocks(top, "python")
    assert len(tasks.split("\n\n")) == 2 and len([line for line in tasks.splitlines() if line]) == 3
    readme_project.write("models.py", USER)
    assert len(walk(readme_project, top)) == 3
    assert len(re.findall(r"^- \*\*", top, re.MULTILINE)) == 4
    assert "It runs on" in top


@pytest.mark.parametrize("name", ["SQLAlchemy", "Alembic", "Invoke", "Python"])
def test_the_oldest_versions_are_those_of_the_package(name: str) -> None:
    """What the README says it runs on is what pyproject.toml asks for."""
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    wanted = re.search(rf'^(?:    "{name.lower()}|requires-{name.lower()} = ")>=([\d.]+)"', project, re.MULTILINE)
    said = re.search(rf"^It runs on .*\b{name} (\d[\d.]*\d)", README, re.MULTILINE)
    assert wanted and said and said[1] == wanted[1]


def test_the_two_commands_are_the_installation() -> None:
    """One line to run the example, one line to run the tests, in the first section; CI takes the first of each."""
    first = README.split("\n## ")[1]
    assert first.startswith("Installation\n")
    for line in (RUN_IT, TEST_IT):
        assert f"```sh\n{line}\n```" in first
        assert README.count(line.partition(" && ")[2].partition(" && ")[0] + " &&") == 1


@pytest.mark.parametrize("name", sorted(set(FLAGS) - {"migrate.run"}))
def test_each_command_has_a_section_with_each_of_its_flags(name: str) -> None:
    """A section a command, with one row for every flag that it has, and none for another."""
    found = re.search(rf"^## {re.escape(name)}( [A-Z]+)?\n(.*?)(?=^## )", COMMANDS, re.MULTILINE | re.DOTALL)
    assert found, f"{name} has no section"
    rows = re.findall(r"^\| `--([\w-]+)(=[A-Z]+)?` \|", found[2], re.MULTILINE)
    assert {flag for flag, _ in rows} == set(FLAGS[name]) and len(rows) == len(FLAGS[name])
    for flag, value in rows:
        assert bool(value) == (FLAGS[name][flag].kind is not bool), f"--{flag} of {name}"


def test_the_same_command_by_another_name() -> None:
    """``inv migrate`` has the flags of database.migrate."""
    kinds = {name: {flag: found.kind for flag, found in FLAGS[name].items()} for name in FLAGS}
    assert kinds["migrate.run"] == kinds["database.migrate"]


def test_no_other_command_has_a_section() -> None:
    """What docs/commands.md describes exists."""
    assert set(re.findall(r"^## (\w+\.\w+)", COMMANDS, re.MULTILINE)) == set(FLAGS)


def test_every_flag_has_a_help_text() -> None:
    """``inv --help`` says of each flag what it does."""
    assert [f"{name} --{flag}" for name, flags in FLAGS.items() for flag in flags if not flags[flag].help] == []


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_the_commands_that_are_shown_exist(name: str) -> None:
    """Each command line is one that Invoke can read: its tasks and flags exist, and have the values they need."""
    text = DOCUMENTS[name]
    # Contributors run this project's own tasks.
    collection = module("tasks.py").ns if name == "CONTRIBUTING.md" else COLLECTION
    for words in shown_commands(text):
        if not words or not re.match(r"[A-Z]\.", words[0]):
            parse(words, collection)
    for code in inline_code(text):
        if re.fullmatch(r"(database|make|migrate)\.[a-z]+", code):
            assert code in FLAGS, f"{code} in {name}"


def test_commands_are_found_in_the_documents() -> None:
    """In blocks, in sentences, and with flags that are none of Invoke's."""
    assert len([*shown_commands(README)]) >= 20
    assert ["--debug", "database.migrate", "--pretend"] in shown_commands(DOCUMENTS["docs/guarantees.md"])
    assert ["database.migrate", "--seed"] in shown_commands(COMMANDS)
    for wrong in (["database.migrate", "--wrong"], ["database.wrong"], ["migrate.status", "wrong"]):
        with pytest.raises(ParseError, match="wrong"):
            parse(wrong, COLLECTION)


@pytest.mark.parametrize("name", sorted(DOCUMENTS.keys() - {"CHANGELOG.md"}))
def test_the_flags_that_are_named_exist(name: str) -> None:
    """A flag by itself in a sentence is one of some command's, or Invoke's; the changelog also has misspelt ones."""
    known = {flag for flags in FLAGS.values() for flag in flags} | {*Program().initial_context.args}
    flags = [code[2:] for code in inline_code(DOCUMENTS[name]) if code.startswith("--")]
    assert [flag for flag in flags if re.split(r"[= ]", flag)[0] not in known] == []


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_relative_links_resolve(name: str) -> None:
    """Each link to a file of the checkout leads to one, and to a heading that it has."""
    for target in re.findall(r"\]\(([^)\s]+)\)", without_blocks(DOCUMENTS[name])):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / name).parent / path if path else ROOT / name
        assert file.exists(), f"{target} in {name}"
        assert not anchor or anchor in slugs(file.read_text("utf-8")), f"{target} in {name}"


def test_the_readme_links_to_every_page() -> None:
    """Nothing in docs/ is out of reach."""
    assert [name for name in DOCUMENTS if name.startswith("docs/") and f"]({name})" not in README] == []


def test_the_files_that_contributors_are_sent_to_exist() -> None:
    """From the root of the checkout, or in the package."""
    paths = [code for code in inline_code(DOCUMENTS["CONTRIBUTING.md"]) if re.fullmatch(r"[\w.]+(/[\w.]*)+", code)]
    assert len(paths) >= 10
    placeholder = "fastman_tasks/tasks/X.py"
    assert [p for p in paths if not ((ROOT / p).exists() or (ROOT / "fastman_tasks" / p).exists())] == [placeholder]


NAMED_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def test_each_guarantee_under_failures_names_its_tests() -> None:
    """Fourteen promises; the tests that are named exist."""
    _, _, section = DOCUMENTS["docs/guarantees.md"].partition("## When connections, disks and terminals fail\n")
    rows = [line for line in section.partition("\n## ")[0].splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 14
    assert [row for row in rows if not NAMED_TEST.search(row.rpartition(" | ")[2])] == []


def test_the_tests_that_are_named_exist() -> None:
    """In every document."""
    named = {found for text in DOCUMENTS.values() for found in NAMED_TEST.findall(text)}
    defined = {
        (file, each.name)
        for file in {file for file, _ in named}
        if (ROOT / file).is_file()
        for each in ast.walk(ast.parse((ROOT / file).read_text("utf-8")))
        if isinstance(each, ast.FunctionDef)
    }
    assert named - defined == set()
    assert named


def test_the_exit_codes_are_those_of_the_errors() -> None:
    """0 and 3 are no errors; every other code in the table is one of errors.py's, and none is left out."""
    documented = {int(code) for code in re.findall(r"^\| (\d) \|", section(COMMANDS, "Exit codes"), re.MULTILINE)}
    raised = {each.code for each in vars(errors).values() if isinstance(each, type) and issubclass(each, Exception)}
    assert documented == {0, 3} | raised


def test_the_variables_are_those_that_settings_reads() -> None:
    """The table in docs/settings.md has each variable with its other names."""
    rows = re.findall(r"^\| `([A-Z_]+)` \| (`[A-Z_]+`)? ?\|", SETTINGS, re.MULTILINE)
    assert {name: tuple(also.strip("`").split()) for name, also in rows} == VARIABLES


def test_env_example_has_each_variable_with_a_comment() -> None:
    """In the order of Settings, each after a comment of its own, which names the variable's other names."""
    text = (ROOT / ".env.example").read_text("utf-8")
    found = re.findall(r"((?:^#.*\n)+)^([A-Z_]+)=(.*)$", text, re.MULTILINE)
    assert [name for _, name, _ in found] == list(VARIABLES)
    assert len(re.findall(r"^[^#\n]", text, re.MULTILINE)) == len(VARIABLES)
    for comment, name, value in found:
        assert value == "", f"{name}: a copy of the file must change nothing"
        assert all(other in comment for other in VARIABLES[name])


def test_env_example_changes_nothing_when_it_is_copied(project: Sandbox) -> None:
    """As .env it leaves every default."""
    shutil.copy(ROOT / ".env.example", project.root / ".env")
    said = project.inv("database.seed", code=1)
    assert said.stderr.startswith("There are no seeders in database/seeders.")
    assert "by default: no DATABASE_URL is set" in said.stdout


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_the_python_that_is_shown_can_be_read(name: str) -> None:
    """Each block compiles."""
    for block in blocks(DOCUMENTS[name], "python"):
        ast.parse(block)


OWN = section(README, "From a task of your own")


@pytest.fixture
def own(project: Sandbox) -> Sandbox:
    """A project with the tasks of the README beside ours, and a migration."""
    *tasks, fixture = blocks(OWN, "python")
    assert len(tasks) == 4
    collection = "\n\nfrom invoke import Collection\n\nfrom fastman_tasks import database, make, migrate\n\n"
    names = "waiting, deploy, back, users, database, make, migrate"
    project.write("tasks.py", "\n\n".join(tasks) + f"{collection}ns = Collection({names})\n")
    project.write("test_shop.py", f"{fixture}\n\ndef test_url(database_url):\n    print(database_url)\n")
    return project


def test_what_is_pending(own: Sandbox) -> None:
    """It ends like a command when it cannot tell."""
    said = own.inv("waiting", code=1)
    assert said.stderr.startswith("This project has no migrations yet")
    own.add_environment()
    own.add_migration("create_users", "1a1a", None)
    assert own.inv("waiting").stdout == "create_users\n"


def test_an_observer(own: Sandbox) -> None:
    """It is told of each step, and the report has them."""
    own.add_environment()
    own.add_migration("create_users", "1a1a", None)
    url = f"sqlite:///{own.root}/shop.db"
    said = own.inv("deploy", env={"DATABASE_URL": url}).stdout
    assert said == "create_users: done\nApplied to sqlite:///shop.db: 1\n"


def test_consent_of_one_s_own(own: Sandbox) -> None:
    """It decides; elsewhere nothing is changed. A flag has its type, and --help tells of it."""
    own.add_environment()
    own.add_migration("create_users", "1a1a", None)
    for name, code in (("staging", 0), ("shop", 5)):
        env = {"DATABASE_URL": f"sqlite:///{name}.db"}
        own.inv("database.migrate", env=env)
        said = own.inv("back", "--steps=1", env=env, code=code)
        assert said.stderr == ("Roll back 1 migration on sqlite:///shop.db? Only on staging.\n" if code else "")
        assert f"{int(bool(code))} applied" in own.inv("migrate.status", env=env).stdout
    assert own.inv("back", "--steps=x", code=2).stderr == "--steps=x is not a whole number.\n"
    forbidden = {"DATABASE_URL": "sqlite:///staging.db", "FASTMAN_PROHIBIT_DESTRUCTIVE": "1"}
    own.inv("database.migrate", env=forbidden)
    assert "FASTMAN_PROHIBIT_DESTRUCTIVE is set" in own.inv("back", env=forbidden, code=5).stderr


def test_one_seeder(own: Sandbox) -> None:
    """It and what it depends on, once the migrations are applied."""
    own.add_environment()
    own.add_migration("create_users", "1a1a", None)
    own.write("database/seeders/user_seeder.py", "class UserSeeder:\n    def run(self, db):\n        print('seeded')\n")
    assert "These migrations are pending" in own.inv("users", code=1).stderr
    own.inv("database.migrate")
    assert own.inv("users").stdout == "seeded\n"


def test_a_fixture(own: Sandbox) -> None:
    """Each test gets a database with all migrations."""
    own.add_environment()
    own.add_migration("create_users", "1a1a", None)
    said = own.run("pytest", "-q", "-s", "-p", "no:cacheprovider", "test_shop.py").stdout
    assert "/test.db" in said and "1 passed" in said
    assert not (own.root / "shop.db").exists()


def test_invoke_s_configuration_as_it_is_shown(project: Sandbox) -> None:
    """``ns.configure`` names the database and the models."""
    [line] = [block for block in blocks(SETTINGS, "python") if block.startswith("ns.configure")]
    tasks = (project.root / "tasks.py").read_text("utf-8")
    project.write("tasks.py", f"{tasks}\n{line}")
    project.write("shop/__init__.py", "")
    project.write(
        "shop/tables.py",
        """
        import sqlalchemy as sa

        products = sa.Table("products", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True))
        """,
    )
    said = project.inv("make.migration", "create products table")
    assert "sqlite:///shop.db" in said.stdout
    assert "create table products" in said.stdout


def test_seeding_goes_as_it_is_shown(readme_project: Sandbox) -> None:
    """The walk-through of docs/seeding.md, command by command."""
    assert len(walk(readme_project, SEEDING)) >= 10


def test_a_project_with_alembic_goes_as_it_is_shown(readme_project: Sandbox) -> None:
    """Nothing but tasks.py is edited, and plain alembic continues to work."""
    (readme_project.root / ".env").unlink()
    readme_project.alembic("init", "migrations")
    readme_project.replace("alembic.ini", "driver://user:pass@localhost/dbname", "sqlite:///shop.db")
    readme_project.add_migration("9ee76fa3395f_create_users_table", "9ee76fa3395f", None, folder="migrations/versions")
    readme_project.alembic("upgrade", "head")
    before, _ = re.split(r"^\*\*With tables", section(README, "Adopting it in an existing project"), flags=re.M)
    assert walk(readme_project, before) == ["inv migrate.status"]
    assert "9ee76fa3395f (head)" in readme_project.alembic("current").stdout


def test_tables_of_create_all_go_as_it_is_shown(readme_project: Sandbox) -> None:
    """--baseline writes the migration, and there is nothing to migrate then."""
    readme_project.write("models.py", USER)
    engine = sa.create_engine(f"sqlite:///{readme_project.root}/app.db")
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE users (id INTEGER NOT NULL PRIMARY KEY, email VARCHAR(50) NOT NULL, UNIQUE (email))"
        )
    engine.dispose()
    _, after = re.split(r"^\*\*With tables", section(README, "Adopting it in an existing project"), flags=re.M)
    assert len(walk(readme_project, after)) == 1
    assert "1 applied, 0 pending." in readme_project.inv("migrate.status", "--check").stdout
    assert "No difference between models and database." in readme_project.inv("make.migration", "--check").stdout


def test_the_deploy_job_runs(shop: Sandbox) -> None:
    """Each command, one after the other, with the variables that it exports; and once more."""
    [block] = blocks(section(README, "A deploy job"), "sh")
    environ: dict[str, str] = {"DATABASE_URL": "sqlite:///recipe.db"}
    commands: list[list[str]] = []
    for line in block.splitlines():
        program, *words = shlex.split(line)
        if program == "export":
            environ.update(word.split("=", 1) for word in words)
        else:
            assert program == "inv"
            commands.append(words)
    assert len(commands) >= 2
    for words in commands + commands:
        shop.inv(*words, env=environ)


def test_the_hook_and_the_check_in_ci_run(shop: Sandbox, postgresql: Server) -> None:
    """A commit of a changed migration is refused; the job prints it beside the file."""

    def git(*words: str, code: int = 0) -> str:
        bin = str(Path(sys.executable).parent)
        environ = shop.environ({"PATH": f"{bin}{os.pathsep}{os.environ['PATH']}"})
        who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false")
        done = subprocess.run(["git", *who, *words], cwd=shop.root, env=environ, capture_output=True, text=True)
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    git("init", "-q", "-b", "main")
    git("add", "-A")
    git("commit", "-qm", "first")
    git("update-ref", "refs/remotes/origin/main", "HEAD")
    [hook] = blocks(section(README, "Before each commit"), "sh")
    file = shop.write(".git/hooks/pre-commit", hook)
    file.chmod(0o755)
    (shop.root / "more.txt").touch()
    git("add", "-A")
    git("commit", "-qm", "second")
    migration = min((shop.root / "database/migrations/versions").glob("*.py"))
    changed = re.sub(r"(def upgrade\(\).*\n)", r"\1    op.execute('SELECT 1')\n", migration.read_text("utf-8"))
    migration.write_text(changed, "utf-8")
    git("add", "-A")
    assert f"upgrade() of {migration.stem} does something else" in git("commit", "-qm", "third", code=1)
    [job] = blocks(section(README, "A check in CI"), "yaml")
    commands = re.findall(r"- run: inv (.*)", job)
    assert len(commands) == 1 and "DATABASE_URL: postgresql+psycopg://" in job
    postgresql.allow_scratch()
    environ = {"DATABASE_URL": postgresql.fresh("postgresql+psycopg")}
    said = shop.inv(*shlex.split(commands[0]), env=environ, code=3).stdout
    assert f"::error file={migration.relative_to(shop.root).as_posix()},line=" in said
    git("checkout", "-q", "HEAD", "--", ".")
    said = shop.inv(*shlex.split(commands[0]), env=environ).stdout
    assert [line.split()[0] for line in said.splitlines()] == ["passed"] * 4
    # Each command is the same.
    [hooks] = blocks(section(README, "Before each commit"), "yaml")
    assert f"entry: {hook.partition('exec ')[2].strip()}\n" in hooks


def test_the_deploy_job_refuses_what_is_said(shop: Sandbox) -> None:
    """No database is assumed in production, and without --force nobody can be asked."""
    production = {"ENVIRONMENT": "production"}
    assert "no DATABASE_URL" in shop.inv("database.migrate", "--force", env=production, code=1).stderr
    production["DATABASE_URL"] = "sqlite:///recipe.db"
    assert "--force" in shop.inv("database.migrate", env=production, code=5).stderr


def test_the_shop_runs_as_the_readme_says(shop: Sandbox) -> None:
    """examples/shop: migrated, seeded twice, its own task beside, and back to nothing."""
    command = RUN_IT.rpartition("inv ")[2].split()
    said = shop.inv(*command).stdout
    assert "3 migrations applied." in said
    assert "3 seeders ran." in said
    assert "3 applied, 0 pending." in said
    before = dump(f"sqlite:///{shop.root}/app.db")
    again = shop.inv("database.seed").stdout
    assert again.endswith("3 seeders ran.\n")
    assert "roles: 0 created, 2 unchanged" in again and "users: 0 created, 2 unchanged" in again
    assert dump(f"sqlite:///{shop.root}/app.db") == before
    assert shop.inv("stock").stdout == "   40  Espresso cup\n   12  Moka pot\n"
    assert "No difference between models and database" in shop.inv("make.migration", "nothing").stdout
    assert shop.inv("migrate.reset", "--force").stdout.endswith("3 migrations rolled back.\n")
