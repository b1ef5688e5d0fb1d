"""What is built can be installed elsewhere, and brings everything that the commands need."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

from command import Sandbox
from fastman_tasks.making.files import TEMPLATES

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).resolve().parent.parent.parent
PYPROJECT = (ROOT / "pyproject.toml").read_text("utf-8")
EXTRAS = ("aiosqlite", "asyncpg", "flask", "flask_migrate", "greenlet", "psycopg", "pymysql", "sqlmodel")
MODELS = """
    from sqlalchemy import String
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


    class Base(DeclarativeBase):
        pass


    class User(Base):
        __tablename__ = "users"

        id: Mapped[int] = mapped_column(primary_key=True)
        email: Mapped[str] = mapped_column(String(255), unique=True)
"""


class Installed(Sandbox):
    """A project whose commands run in an environment of its own."""

    python: Path

    def run_python(self, *words: str, code: int = 0) -> str:
        """Run this environment's Python, which has to end with ``code``; return what it printed."""
        done = subprocess.run(
            [self.python, *words],
            cwd=self.root,
            env=self.environ(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
        )
        assert done.returncode == code, f"{words} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel and the sdist; as ``python -m build`` does, the wheel is built from what the sdist holds."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    [wheel], [sdist] = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, sdist


@pytest.fixture(scope="module")
def installed(built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """An empty project, and a new environment with the wheel in it.

    The libraries it depends on are read from where these tests have them, after the environment's own packages; what
    only the extras bring is hidden. This checkout is not among them: an editable install is reached by a .pth file,
    which only counts at home.
    """
    folder = tmp_path_factory.mktemp("elsewhere")
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    project = Installed(folder / "project")
    project.python = folder / "venv/bin/python"
    packages = project.run_python("-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    # --isolated: whatever pip's variables say, PIP_USER for one.
    pip = [sys.executable, "-m", "pip", "--isolated", "install", "--quiet", "--no-index", "--no-deps", "--no-compile"]
    # --ignore-installed: pip sees this environment's own packages too, and would take them for the new one's.
    done = subprocess.run(
        [*pip, "--ignore-installed", "--target", packages, built[0]], stdin=subprocess.DEVNULL, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()
    libraries = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    hidden = f"import sys; sys.modules.update(dict.fromkeys({EXTRAS}))"
    (Path(packages) / "libraries.pth").write_text("\n".join([*sorted(libraries), hidden]), "utf-8")
    return project


def test_the_wheel_holds_the_package_and_its_templates(built: tuple[Path, Path]) -> None:
    """Every module, py.typed, every template and the plug-in; nothing else but the metadata with the licence."""
    package = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "fastman_tasks").rglob("*")
        if path.suffix == ".py" or path.name == "py.typed"
    }
    templates = {f"fastman_tasks/templates/{path.name}" for path in TEMPLATES.iterdir() if path.suffix == ".mako"}
    assert len(templates) >= 4
    with zipfile.ZipFile(built[0]) as wheel:
        names = set(wheel.namelist())
    metadata = {name for name in names if name.startswith("fastman_tasks-")}
    assert names - metadata == package | templates | {"fastman_alembic.py"}
    expected = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}
    assert {name.partition("/")[2] for name in metadata} == expected


def test_the_sdist_holds_what_the_documents_speak_of(built: tuple[Path, Path]) -> None:
    """The source, the tests, the example and the documents; no database, no settings, no caches."""
    with tarfile.open(built[1]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = ("README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "tasks.py", ".env.example", "pyproject.toml")
    for name in (*wanted, "templates/env.py.mako", "examples/shop/tasks.py", "tests/conftest.py"):
        assert name in names
    foreign = re.compile(r"\.(db|pyc|egg-info|log)$|(^|/)\.env$|__pycache__|_cache|\.hypothesis|\.venv")
    assert [name for name in sorted(names) if foreign.search(name)] == []


def test_the_metadata_names_the_dependencies(built: tuple[Path, Path]) -> None:
    """The wheel asks for what pyproject.toml lists, by extra, and says which Python it needs."""
    metadata = _metadata(built[0])
    assert metadata["Name"] == "fastman-tasks"
    assert metadata["Requires-Python"] == ">=3.10"
    assert metadata["License-Expression"] == "MIT"
    assert {"postgresql", "mysql", "async"} <= set(metadata.get_all("Provides-Extra", []))
    required = metadata.get_all("Requires-Dist", [])
    needed = {re.split(r"[<>=;\[ ]", each)[0] for each in required if "extra ==" not in each}
    assert needed == {"alembic", "filelock", "invoke", "mako", "python-dotenv", "rich", "sqlalchemy", "tomli"}
    # The second test run of .ci/run takes each lower bound for the version to install.
    for each in required:
        assert ">=" in each or each.startswith(("fastman-tasks", "sqlalchemy[asyncio]")), each


def _metadata(file: Path) -> Message:
    with zipfile.ZipFile(file) as wheel:
        [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
        return Parser().parsestr(wheel.read(name).decode())


def test_the_seven_commands_of_an_installed_wheel(installed: Installed) -> None:
    """In a project with nothing but a model, with the packaged templates, without this checkout."""
    where = installed.run_python(
        "-c", "import fastman_tasks.making.files as s, sys; print(s.__file__, s.TEMPLATES, *sys.path, sep='\\n')"
    )
    file, templates, *path = where.splitlines()
    assert Path(file).is_relative_to(installed.python.parent.parent)
    assert Path(templates) == Path(file).parent.parent / "templates"
    assert str(ROOT) not in path

    def inv(*words: str, code: int = 0) -> str:
        said = installed.run_python("-m", "invoke", *words, code=code)
        assert "Traceback" not in said
        return said

    installed.write("models.py", MODELS)
    assert "Created alembic.ini" in inv("make.migration", "create users table")
    assert "Created database/seeders/user_seeder.py" in inv("make.seeder", "user")
    assert "0 applied, 1 pending." in inv("migrate.status", "--check", code=3)
    assert "1 migration applied." in inv("database.migrate")
    assert "1 seeder ran." in inv("database.seed")
    assert "1 applied, 0 pending." in inv("migrate.status", "--check")
    assert "1 migration rolled back." in inv("migrate.rollback", "--force")
    assert "1 migration applied." in inv("database.migrate")
    assert "1 migration rolled back." in inv("migrate.reset", "--force")
    assert [entry["state"] for entry in json.loads(inv("migrate.status", "--json"))["steps"]] == ["pending"]


@pytest.mark.thorough
def test_alembic_finds_the_plug_in_of_an_installed_wheel(installed: Installed) -> None:
    """By the entry point of the wheel; the package itself is not imported for it."""
    code = (
        "import sys, alembic, fastman_alembic as plugin;"
        "print(plugin.is_set_up, plugin.__file__, 'fastman_tasks' in sys.modules, sep='\\n')"
    )
    is_set_up, file, is_imported = installed.run_python("-c", code).splitlines()
    assert (is_set_up, is_imported) == ("True", "False")
    assert Path(file).is_relative_to(installed.python.parent.parent)


@pytest.mark.parametrize(
    ("url", "extra"),
    [
        ("postgresql://localhost/shop", "postgresql"),
        ("mysql://localhost/shop", "mysql"),
        ("postgresql+asyncpg://localhost/shop", "async"),
        ("sqlite+aiosqlite:///empty.db", "async"),
    ],
)
def test_without_its_extra_a_driver_is_named(installed: Installed, url: str, extra: str) -> None:
    """One line with the command that installs it."""
    installed.write("database/seeders/none_seeder.py", "class NoneSeeder:\n    def run(self, db): ...")
    installed.write("empty.db", "")
    installed.write(".env", f"DATABASE_URL={url}")
    try:
        said = installed.run_python("-m", "invoke", "database.seed", code=1)
    finally:
        (installed.root / ".env").unlink()
    assert re.search(rf'^The driver \w+ is not installed\b.*pip install "fastman-tasks\[{extra}\]"\n\Z', said, re.M), (
        said
    )


def test_a_wheel_from_a_tree_with_litter_is_the_same(built: tuple[Path, Path], tmp_path: Path) -> None:
    """Databases, settings and caches that lie about are not packed."""
    tree = tmp_path / "tree"
    for name in ("fastman_tasks", "templates"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("fastman_alembic.py", "pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, tree)
    for name in ("fastman_tasks/app.db", "templates/.env", "app.db", ".env", "fastman_tasks/__pycache__/x.pyc"):
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).write_text("litter")
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", tmp_path, tree]
    subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=120)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as littered, zipfile.ZipFile(built[0]) as clean:
        assert set(littered.namelist()) == set(clean.namelist())
