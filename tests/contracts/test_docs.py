"""The documents say what the code does: commands, flags, variables, exit codes; and what they show can be run."""

from __future__ import annotations

import ast
import re
import shlex
import shutil
from pathlib import Path

import pytest
from invoke import Collection

from command import Sandbox
from fastman_tasks import database, errors, make, migrate
from fastman_tasks.settings import VARIABLES
from seeds import dump

ROOT = Path(__file__).resolve().parent.parent.parent
README = (ROOT / "README.md").read_text("utf-8")
COLLECTION = Collection(database, make, migrate)
FLAGS = {
    name: {argument.names[0]: argument for argument in COLLECTION[name].get_arguments()}
    for name in COLLECTION.task_names
}
RUN_IT, TEST_IT = (
    "python3 -m venv .venv && .venv/bin/pip install . && "
    "cd examples/shop && ../../.venv/bin/inv database.migrate --seed migrate.status",
    "python3 -m venv .venv && .venv/bin/pip install -e '.[test]' && .venv/bin/python -m pytest",
)


def blocks(language: str) -> list[str]:
    """The README's code blocks in ``language``."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def shown_commands() -> list[list[str]]:
    """The words after ``inv`` wherever a block runs it."""
    lines = [
        line for block in blocks("sh") for line in re.split(r"\n|&&|\|\|", block) if not line.lstrip().startswith("#")
    ]
    lines += [line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")]
    return [shlex.split(line.partition("inv ")[2]) for line in lines if re.match(r"\s*(\S*/)?inv ", line)]


def test_the_two_commands_stand_at_the_top() -> None:
    """One line to run the example, one line to run the tests, before the first section."""
    top = README.partition("\n## ")[0]
    assert f"```sh\n{RUN_IT}\n```" in top
    assert f"```sh\n{TEST_IT}\n```" in top


@pytest.mark.parametrize("name", sorted(FLAGS))
def test_each_command_has_a_section_with_each_of_its_flags(name: str) -> None:
    """A section a command, with one row for every flag that it has, and none for another."""
    found = re.search(rf"^### {re.escape(name)}( [A-Z]+)?\n(.*?)(?=^##)", README, re.MULTILINE | re.DOTALL)
    assert found, f"{name} has no section"
    rows = re.findall(r"^\| `--([\w-]+)(=[A-Z]+)?` \|", found[2], re.MULTILINE)
    assert {flag for flag, _ in rows} == set(FLAGS[name])
    for flag, value in rows:
        assert bool(value) == (FLAGS[name][flag].kind is not bool), f"--{flag} of {name}"


def test_every_flag_has_a_help_text() -> None:
    """``inv --help`` says of each flag what it does."""
    assert [f"{name} --{flag}" for name, flags in FLAGS.items() for flag in flags if not flags[flag].help] == []


def test_the_commands_that_are_shown_exist() -> None:
    """Each task and flag in the README's blocks is one of the collection's, or of Invoke's for the whole line."""
    commands = shown_commands()
    assert len(commands) >= 8
    for words in commands:
        flags: dict[str, object] = {}
        for word in words:
            if word.startswith("--"):
                assert word[2:].partition("=")[0] in flags, f"{word} in inv {shlex.join(words)}"
            elif re.fullmatch(r"\w+\.\w+", word):
                assert word in FLAGS, f"{word} in inv {shlex.join(words)}"
                flags = FLAGS[word]


def test_the_exit_codes_are_those_of_the_errors() -> None:
    """0 and 3 are no errors; every other code in the table is one of errors.py's, and none is left out."""
    documented = {int(code) for code in re.findall(r"^\| (\d) \|", README, re.MULTILINE)}
    kinds = [each for each in vars(errors).values() if isinstance(each, type)]
    raised = {error.code for error in kinds if issubclass(error, errors.FastmanError)}
    assert documented == {0, 3} | raised


def test_the_variables_are_those_that_settings_reads() -> None:
    """The README's table has each variable with its other names."""
    rows = re.findall(r"^\| `([A-Z_]+)` \| (`[A-Z_]+`)? ?\|", README, re.MULTILINE)
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


def test_the_python_that_is_shown_runs(project: Sandbox) -> None:
    """The own task of the README lists what is pending, and ends like a command when it cannot."""
    *others, own_task = blocks("python")
    for block in others:
        ast.parse(block)
    project.write("tasks.py", own_task)
    said = project.inv("waiting", code=1)
    assert said.stderr.startswith("This project has no migrations yet")
    project.add_environment()
    project.add_migration("create_users", "1a1a", None)
    assert project.inv("waiting").stdout == "create_users\n"


def test_invoke_s_configuration_as_it_is_shown(project: Sandbox) -> None:
    """``ns.configure`` names the database and the models."""
    [line] = [block for block in blocks("python") if block.startswith("ns.configure")]
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


def as_shown(text: str) -> str:
    """``text`` without what differs from run to run: times, and the dots before them."""
    text = re.sub(r"\.{3,} +\d+ ms", "... N ms", text)
    return re.sub(r"\d{4}_\d\d_\d\d_\d{6}", "NOW", text).rstrip("\n")


def test_seeding_goes_as_it_is_shown(project: Sandbox) -> None:
    """The walk-through of Seeding, command by command: ``cat`` shows a file that is written by hand, or that is there
    by then; ``inv`` prints what stands below it."""
    tasks = next(block for block in blocks("python") if "ns = Collection(database, make, migrate)" in block)
    project.write("tasks.py", tasks)
    project.write(".env", "DATABASE_URL=sqlite:///app.db")
    section = README.partition("\n## Seeding\n")[2].partition("\n## ")[0]
    shown = "\n".join(re.findall(r"^```console\n(.*?)^```$", section, re.MULTILINE | re.DOTALL))
    steps = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n?)*)", shown, re.MULTILINE)
    assert len(steps) >= 10
    for command, below in steps:
        program, *words = shlex.split(command)
        if program == "inv":
            result = project.run("invoke", *words, code=None)
            assert as_shown(result.stdout + result.stderr) == as_shown(below), command
        elif (file := project.root / words[0]).exists():
            assert file.read_text("utf-8").rstrip("\n") == below.rstrip("\n")
        else:
            project.write(words[0], f"{below.rstrip()}\n")


def test_the_shop_runs_as_the_readme_says(tmp_path: Path) -> None:
    """examples/shop, without a .env: migrated, seeded twice, its own task beside, and back to nothing."""
    shop = Sandbox(tmp_path / "empty")
    shop.root = tmp_path / "shop"
    shutil.copytree(
        ROOT / "examples/shop", shop.root, ignore=shutil.ignore_patterns("*.db", ".env", "__pycache__", ".*_cache")
    )
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
