"""The layout holds: one door a library, arrows one way, services that neither print nor ask nor exit."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import fastman_tasks

PACKAGE = Path(fastman_tasks.__file__).parent
MODULES = {file.relative_to(PACKAGE).as_posix(): ast.parse(file.read_text("utf-8")) for file in PACKAGE.rglob("*.py")}
TASKS = {name for name in MODULES if name.startswith("tasks/")}
SERVICES = {name for name in MODULES if name not in TASKS and name != "__init__.py"}
DOORS = {
    "dotenv": ("env_file.py",),
    "rich": ("tasks/console.py",),
    "mako": ("making/files.py",),
    "flask": ("migrating/flask.py",),
    "filelock": ("databases/lock.py",),
    "faker": ("seeding/random_seed.py",),
    "polyfactory": ("seeding/random_seed.py",),
    "alembic": ("making/", "migrating/", "runtime.py"),
}


def imported(module: ast.Module) -> Iterator[str]:
    """The dotted name of everything that ``module`` imports, inside functions too: ``from a import b`` is a.b."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def importers(package: str) -> set[str]:
    """The modules that import ``package`` or something in it."""
    return {
        name
        for name, module in MODULES.items()
        if any(f"{each}.".startswith(f"{package}.") for each in imported(module))
    }


@pytest.mark.parametrize("library", sorted(DOORS))
def test_one_door_a_library(library: str) -> None:
    """Each library is imported where it is expected, and nowhere else."""
    found = importers(library)
    assert found
    assert [name for name in found if not name.startswith(DOORS[library])] == []


def test_invoke_is_imported_in_tasks_only() -> None:
    """The services could serve another command line."""
    assert importers("invoke") <= TASKS


def test_nothing_below_imports_the_tasks() -> None:
    """Only the package itself, which exports them, does."""
    assert importers("fastman_tasks.tasks") - TASKS == {"__init__.py"}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_neither_prints_nor_asks_nor_exits(name: str) -> None:
    """It returns values and raises FastmanError."""
    for node in ast.walk(MODULES[name]):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in {"print", "input", "exit", "quit", "sys.exit", "os._exit"}, f"line {node.lineno}"
        if isinstance(node, ast.Attribute):
            assert ast.unparse(node) not in {"sys.stdout", "sys.stderr", "sys.stdin"}, f"line {node.lineno}"


def test_the_environment_is_never_written() -> None:
    """os.environ is only read. env_file.py exports .env, flask.py does as ``flask`` does, isolation.py names a scratch
    database; all of them take it back."""
    for name in sorted(set(MODULES) - {"env_file.py", "migrating/flask.py", "migrating/isolation.py"}):
        for node in ast.walk(MODULES[name]):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                writers = {"os.putenv", "os.environ.update", "os.environ.setdefault", "os.environ.pop"}
                assert called not in writers, f"{name}, line {node.lineno}"
            if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
                assert ast.unparse(node.value) != "os.environ", f"{name}, line {node.lineno}"


HEAVY = ("alembic", "dotenv", "flask", "mako", "rich", "sqlalchemy")
IMPORTS = {
    "import fastman_tasks": (*HEAVY, "invoke"),
    "from fastman_tasks import Observer, force, named, refuse": (*HEAVY, "invoke"),
    "import fastman_tasks.errors": (*HEAVY, "invoke"),
    "import fastman_tasks.seeding": (*HEAVY, "invoke"),
    "from fastman_tasks import database, make, migrate, project_task": HEAVY,
}


@pytest.mark.parametrize("line", IMPORTS)
def test_importing_imports_no_heavy_library(line: str) -> None:
    """``inv --list`` and completion wait for none of them."""
    code = f"import sys; {line}; print([name for name in {IMPORTS[line]} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "line",
    [
        "from fastman_tasks import database, make, migrate",
        "from fastman_tasks import Observer, Project, actions, force, named, project_task, refuse",
        "from fastman_tasks.seeding import Upserted, load, upsert",
        "from fastman_tasks.runtime import run_migrations",
        "from fastman_tasks.project import Project",
        "from fastman_tasks.errors import FastmanError",
    ],
)
def test_what_projects_import(line: str) -> None:
    """These import paths stay."""
    exec(line)


def test_what_is_exported_can_be_imported() -> None:
    """Each name of ``__all__`` is there, and no other one is."""
    for name in fastman_tasks.__all__:
        assert getattr(fastman_tasks, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = fastman_tasks.nothing


def test_the_package_exports_its_modules_and_no_collection() -> None:
    """A ``ns`` or ``namespace`` in a tasks.py is the whole collection for Invoke; the project's tasks would be lost."""
    assert {"database", "make", "migrate"} <= set(fastman_tasks.__all__)
    for name in MODULES:
        dotted = f"fastman_tasks.{name.removesuffix('.py').replace('/', '.')}".removesuffix(".__init__")
        __import__(dotted)
        assert not {"ns", "namespace"} & set(vars(sys.modules[dotted])), dotted


PRIVATE = {
    ("databases/connecting.py", "_read_timeout"),
    ("databases/sockets.py", "_transport"),
    ("databases/sockets.py", "_sock"),
    ("migrating/scripts.py", "_revision_map"),
    ("migrating/scripts.py", "_normalized_down_revisions"),
    ("migrating/registrations.py", "_to_impl"),
    ("migrating/registrations.py", "_registry"),
    ("making/constraints/named_operations.py", "_namespace_metadata"),
    ("making/constraints/names.py", "_creation_order"),
    ("making/constraints/names.py", "_type_bound"),
    ("databases/places.py", "_addr"),
    ("seeding/discovery.py", "_is_protocol"),
    ("tasks/boundary.py", "_project_prefix"),
}


def private_names(module: ast.Module) -> Iterator[str]:
    """The private names of others that ``module`` uses: not of itself, its class or a value of its own classes."""
    own = {node.attr for node in ast.walk(module) if isinstance(node, ast.Attribute) and is_self(node.value)}
    own |= {node.name for node in ast.walk(module) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    for node in ast.walk(module):
        if isinstance(node, ast.Attribute) and node.attr not in own:
            yield node.attr
        if (
            isinstance(node, ast.Call)
            and ast.unparse(node.func) == "getattr"
            and isinstance(node.args[1], ast.Constant)
        ):
            yield str(node.args[1].value)


def is_self(node: ast.expr) -> bool:
    """Whether ``node`` is the object of a method."""
    return isinstance(node, ast.Name) and node.id in {"self", "cls"}


def test_private_names_of_libraries_are_those_of_the_list() -> None:
    """Each is used in one module, and CONTRIBUTING has it."""
    found = {
        (name, used)
        for name, module in MODULES.items()
        for used in private_names(module)
        # os._exit() is documented.
        if used.startswith("_") and not used.startswith("__") and used != "_exit"
    }
    assert found == PRIVATE
    text = (PACKAGE.parent / "CONTRIBUTING.md").read_text("utf-8")
    assert [used for _, used in PRIVATE if used not in text and used != "_to_impl"] == []


def test_no_module_is_longer_than_250_lines() -> None:
    """One idea each."""
    long = {file.name for file in PACKAGE.rglob("*.py") if len(file.read_text("utf-8").splitlines()) > 250}
    assert long == set()
