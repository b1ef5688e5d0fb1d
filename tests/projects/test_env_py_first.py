"""env.py runs before version files are looked at: it may say where they lie, and make them importable."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from command import Sandbox
from walk import Walked, add_chain, write_env, write_ini, write_mako

Walk = Callable[..., Walked]


def check_truth(walked: Walked) -> None:
    """What status said of the empty database, in words."""
    said = walked.said[0].stdout
    assert "No migrations yet" not in said
    assert "missing" not in said
    assert said.count("pending ") == 3


@pytest.mark.parametrize("driver", ["sqlite", "postgresql+asyncpg"])
def test_version_locations_that_env_py_sets(walk: Walk, driver: str) -> None:
    """``context.script.version_locations`` is a list of folders that only env.py knows; alembic.ini names none."""

    def write(project: Sandbox, url: str) -> None:
        write_ini(project, url)
        write_env(
            project,
            url,
            head="""
            from pathlib import Path
            here = Path(__file__).parent.parent
            context.script.version_locations = [str(here / "history" / year) for year in ("2024", "2025")]
            """,
        )
        add_chain(project, folders=("history/2024", "history/2024", "history/2025"))

    check_truth(walk(write, driver, fails=True))


def test_version_locations_beside_files_that_are_not_meant(walk: Walk) -> None:
    """What env.py chooses replaces the folder that Alembic would look in: old files there are no revisions."""

    def write(project: Sandbox, url: str) -> None:
        write_ini(project, url)
        head = 'context.script.version_locations = [str(__import__("pathlib").Path(__file__).parent / "current")]'
        write_env(project, head=head)
        add_chain(project, "migrations/current")
        project.add_migration("0000_old", "0000", None, "raise ValueError", folder="migrations/versions")

    check_truth(walk(write))


def test_a_folder_that_env_py_puts_on_sys_path(walk: Walk) -> None:
    """Version files import from a folder that is on sys.path because of env.py alone."""

    def write(project: Sandbox, url: str) -> None:
        write_ini(project, url)
        head = 'import sys\nfrom pathlib import Path\nsys.path.append(str(Path(__file__).parent / "library"))'
        write_env(project, head=head)
        add_chain(project)
        project.write("migrations/library/shop_columns.py", "NAME_LENGTH = 50\n")
        project.replace("migrations/versions/1a1a_create_users.py", "sa.String(50)", "sa.String(NAME_LENGTH)")
        project.replace(
            "migrations/versions/1a1a_create_users.py",
            "import sqlalchemy as sa\n",
            "import sqlalchemy as sa\nfrom shop_columns import NAME_LENGTH\n",
        )

    check_truth(walk(write))


def test_an_application_that_env_py_sets_up(walk: Walk) -> None:
    """Version files may count on what env.py has done with the application: here it has to be configured first."""

    def write(project: Sandbox, url: str) -> None:
        write_ini(project, url)
        write_env(project, head="import shop\nshop.configure(name_length=50)")
        add_chain(project)
        project.write(
            "shop/__init__.py",
            """
            _settings = {}


            def configure(**settings):
                _settings.update(settings)


            def setting(name):
                if not _settings:
                    raise RuntimeError("shop is not configured")
                return _settings[name]
            """,
        )
        project.replace("migrations/versions/1a1a_create_users.py", "sa.String(50)", "sa.String(NAME_LENGTH)")
        project.replace(
            "migrations/versions/1a1a_create_users.py",
            "import sqlalchemy as sa\n",
            'import sqlalchemy as sa\nimport shop\n\nNAME_LENGTH = shop.setting("name_length")\n',
        )

    check_truth(walk(write))


def test_every_command_runs_env_py_first(project: Sandbox) -> None:
    """Plans, previews and new migrations see the same revisions as status does."""
    write_ini(project, "sqlite:///shop.db")
    head = 'context.script.version_locations = [str(__import__("pathlib").Path(__file__).parent.parent / "history")]'
    write_env(project, head=head)
    add_chain(project, "history")
    said = project.inv("database.migrate", "--pretend", "database.migrate", "--to=2b2b")
    assert said.stdout.index("-- 1a1a_create_users") < said.stdout.index("-- 3c3c_create_tags")
    said = project.inv("migrate.rollback", "--pretend", "database.migrate", "migrate.reset", "--force")
    assert "-- 2b2b_create_posts" in said.stdout
    assert "3 migrations rolled back." in said.stdout
    # By its first characters, too: that needs the files.
    assert "2 migrations applied." in project.inv("database.migrate", "--to=2b").stdout

    write_mako(project)
    before = project.files()
    project.inv("database.migrate", "make.migration", "more", "--empty")
    [new] = {path for path in project.files() - before if path.endswith(".py")}
    assert new.startswith("history/")
    assert "Revises: 3c3c" in (project.root / new).read_text("utf-8")


@pytest.mark.parametrize("command", [("migrate.status",), ("database.migrate",), ("migrate.rollback", "--force")])
def test_nothing_is_imported_before_env_py(project: Sandbox, command: tuple[str, ...]) -> None:
    """When env.py begins, of the project's own only that is imported which plain alembic would have imported."""
    project.write("shop/__init__.py", "")
    project.write("shop/models.py", "from sqlalchemy import MetaData\n\nmetadata = MetaData()\n")
    project.write("models.py", "from sqlalchemy import MetaData\n\nmetadata = MetaData()\n")
    project.write("database/seeders/user_seeder.py", "class UserSeeder:\n    def run(self, db):\n        pass\n")
    write_ini(project, "sqlite:///shop.db")
    write_env(
        project,
        head="""
        import sys
        from pathlib import Path
        root = str(Path(__file__).parent.parent)
        own = sorted(
            name
            for name, module in list(sys.modules.items())
            if str(getattr(module, "__file__", None) or "").startswith(root)
        )
        with open("imported", "a") as file:
            print(*own, file=file)
        import shop.models
        """,
    )
    add_chain(project)
    project.alembic("current")
    plain = (project.root / "imported").read_text("utf-8").splitlines()
    (project.root / "imported").unlink()

    project.inv(*command)

    first = (project.root / "imported").read_text("utf-8").splitlines()[0]
    # Invoke has loaded the tasks; env.py itself has no name that lasts.
    assert set(first.split()) - {"tasks"} == set(plain[0].split())


def test_a_package_of_the_project_that_is_called_alembic(project: Sandbox) -> None:
    """``alembic init alembic`` with an ``__init__.py`` in it: the library is imported, not the folder."""
    write_ini(project, "sqlite:///shop.db")
    write_env(project)
    add_chain(project)
    (project.root / "migrations").rename(project.root / "alembic")
    project.replace("alembic.ini", "migrations", "alembic")
    project.write("alembic/__init__.py", "")
    done = project.inv("database.migrate", "migrate.status", "--check", anew=True).stdout
    assert "3 migrations applied." in done
    assert "3 applied, 0 pending." in done


def test_a_file_that_the_application_leaves_open(project: Sandbox) -> None:
    """Python writes it when the process ends, as under plain alembic; whatever is imported has functions, too."""
    project.write("shop.py", 'left = open("left", "w")\nleft.write("all of it")\n\n\ndef report():\n    return left\n')
    write_ini(project, "sqlite:///shop.db")
    write_env(project, head="import shop")
    add_chain(project)
    for command in ("migrate.status", "database.migrate"):
        project.inv(command, anew=True)
        assert (project.root / "left").read_text("utf-8") == "all of it"
        (project.root / "left").unlink()


def test_what_alembic_can_do_without_is_there_for_the_application(project: Sandbox) -> None:
    """Mako finds no Pygments when Alembic imports it; env.py does."""
    write_ini(project, "sqlite:///shop.db")
    head = "import sys\nprint('too early' if 'pygments' in sys.modules else 'not yet')"
    write_env(project, head=f"{head}\nimport pygments\nprint('found', pygments.__version__)")
    add_chain(project)
    for command in ("migrate.status", "database.migrate"):
        said = project.inv(command, anew=True).stdout
        assert "not yet\nfound " in said
