"""Where Alembic is told what to do: several folders and heads, packages, sections, -x, alembic.ini elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from command import Sandbox
from servers import execute
from walk import Walked, add_chain, contents, headers, read_states, write_env, write_ini

Walk = Callable[..., Walked]


def add_table(project: Sandbox, revision: str, after: str | None, folder: str, **more: Any) -> None:
    """Write a migration that makes a table of the revision's name."""
    up = f'op.create_table("t_{revision}", sa.Column("id", sa.Integer, primary_key=True))'
    project.add_migration(revision, revision, after, up, f'op.drop_table("t_{revision}")', folder=folder, **more)


def write_expand_and_contract(project: Sandbox, url: str) -> None:
    """A base with two branches, each in a folder of its own, as OpenStack's projects have them; without labels."""
    folders = [f"migrations/{name}" for name in ("base", "expand", "contract")]
    write_ini(project, url, more=["version_locations = " + os.pathsep.join(f"%(here)s/{name}" for name in folders)])
    write_env(project, url)
    add_table(project, "base0", None, folders[0])
    add_table(project, "e1", "base0", folders[1])
    add_table(project, "c1", "base0", folders[2], depends_on="e1")
    add_table(project, "e2", "e1", folders[1])
    add_table(project, "c2", "c1", folders[2])


@pytest.mark.parametrize("driver", ["sqlite", "postgresql+psycopg"])
def test_heads_in_folders_of_their_own(walk: Walk, driver: str) -> None:
    """Heads without labels are meant to stay apart where each lies in a version folder of its own."""
    ids = frozenset({"base0", "e1", "e2", "c1", "c2"})
    half = frozenset({"base0", "e1"})
    walk(
        write_expand_and_contract,
        driver,
        revisions=ids,
        middle="e1",
        half=half,
        back="base0",
        rest=frozenset({"base0"}),
    )


def test_heads_that_share_no_ancestor(walk: Walk) -> None:
    """Two histories without labels that have nothing in common, in one folder, are both migrated."""

    def write(project: Sandbox, url: str) -> None:
        write_ini(project, url)
        write_env(project, url)
        for revision, after in (("a1", None), ("b1", None), ("a2", "a1"), ("b2", "b1")):
            add_table(project, revision, after, "migrations/versions")

    ids = frozenset({"a1", "a2", "b1", "b2"})
    half = frozenset({"b1"})
    walk(write, revisions=ids, middle="b1", half=half, back="base", rest=frozenset())


@pytest.mark.parametrize("where", ["one folder", "one of several folders"])
def test_heads_by_accident(project: Sandbox, where: str) -> None:
    """Two heads without labels on one parent, in the same folder, are refused: nobody knows which one is meant."""
    folder = "migrations/base"
    more = {"one folder": "", "one of several folders": f"{os.pathsep}%(here)s/migrations/other"}[where]
    write_ini(project, "sqlite:///shop.db", more=[f"version_locations = %(here)s/{folder}{more}"])
    write_env(project)
    (project.root / "migrations/other").mkdir()
    add_table(project, "base0", None, folder)
    add_table(project, "a1", "base0", folder)
    add_table(project, "b1", "base0", folder)
    before = contents(project)
    refused = project.inv("database.migrate", code=1)
    assert "a1" in refused.stderr
    assert "b1" in refused.stderr
    assert "--to=heads" in refused.stderr
    assert contents(project) == before
    assert set(read_states(project.inv("migrate.status", "--json")).values()) == {"pending"}


def test_several_version_folders(walk: Walk) -> None:
    """One history may lie in several folders."""

    def write(project: Sandbox, url: str) -> None:
        locations = os.pathsep.join(f"%(here)s/{name}" for name in ("old history", "migrations/versions"))
        write_ini(project, url, more=[f"version_locations = {locations}"])
        write_env(project, url)
        add_chain(project, folders=("old history", "old history", "migrations/versions"))

    walk(write)


def test_version_folders_within_each_other(walk: Walk) -> None:
    """``recursive_version_locations`` finds files in folders below."""

    def write(project: Sandbox, url: str) -> None:
        write_ini(project, url, more=["recursive_version_locations = true"])
        write_env(project, url)
        versions = "migrations/versions"
        add_chain(project, folders=(versions, f"{versions}/2024/spring", f"{versions}/2025"))

    walk(write)


def test_a_package_as_script_location(walk: Walk) -> None:
    """``script_location = shop.database:alembic`` is a folder within a package that ``prepend_sys_path`` leads to."""
    place = "src"

    def write(project: Sandbox, url: str) -> None:
        write_ini(project, url, location="shop.database:alembic")
        project.replace("alembic.ini", "prepend_sys_path = .", f"prepend_sys_path = {place}")
        for package in ("shop", "shop/database"):
            project.write(f"{place}/{package}/__init__.py", "")
        write_env(project, url, folder=f"{place}/shop/database/alembic")
        add_chain(project, f"{place}/shop/database/alembic/versions")

    walk(write)


def test_a_section_of_its_own(walk: Walk) -> None:
    """``FASTMAN_ALEMBIC_NAME=billing`` is ``alembic --name billing``; the other section's database is not touched."""

    def write(project: Sandbox, url: str) -> None:
        write_ini(project, "sqlite:///main.db", location="%(here)s/main migrations")
        write_env(project, folder="main migrations")
        add_table(project, "m1", None, "main migrations/versions")
        write_ini(project, url, section="billing", location="%(here)s/billing")
        write_env(project, folder="billing")
        add_chain(project, "billing/versions")

    walked = walk(write, plain=("alembic", "--name", "billing"), ours={"FASTMAN_ALEMBIC_NAME": "billing"})

    said = walked.ours.inv("migrate.status", "--json")
    assert read_states(said) == {"m1": "pending"}
    assert not (walked.ours.root / "main.db").exists()


def test_a_section_in_env_files(project: Sandbox) -> None:
    """The section may be named in .env, too; one that is not there is an error that names it."""
    write_ini(project, "sqlite:///main.db", section="billing", location="%(here)s/billing")
    write_env(project, folder="billing")
    add_chain(project, "billing/versions")
    project.write(".env", "FASTMAN_ALEMBIC_NAME=billing")
    before = contents(project)
    assert headers(project.inv("migrate.status")) == ["sqlite:///main.db"]
    refused = project.inv("database.migrate", env={"FASTMAN_ALEMBIC_NAME": "nosuch"}, code=1)
    assert "nosuch" in refused.stderr
    assert contents(project) == before


X = """
values = context.get_x_argument(as_dictionary=True)
tenant, mode = values["tenant"], values["mode"]
"""


def test_arguments_for_env_py(walk: Walk) -> None:
    """``FASTMAN_ALEMBIC_X="tenant=a,mode=b"`` is ``alembic -x tenant=a -x mode=b``, for every command."""

    def write(project: Sandbox, url: str) -> None:
        write_ini(project, url)
        write_env(project, url, head=X, options=', version_table=f"{tenant}_{mode}_version"')
        add_chain(project)

    walked = walk(
        write, plain=("alembic", "-x", "tenant=a", "-x", "mode=b"), ours={"FASTMAN_ALEMBIC_X": "tenant=a,mode=b"}
    )
    assert execute(f"sqlite:///{walked.ours.root}/shop.db", "SELECT * FROM a_b_version") == [("3c3c",)]


def write_elsewhere(project: Sandbox, url: str) -> None:
    """A project whose alembic.ini does not lie where anybody would look."""
    write_ini(project, url, path="config/alembic.ini", location="%(here)s/../migrations")
    write_env(project)
    add_chain(project)


def test_a_configuration_elsewhere(walk: Walk) -> None:
    """``ALEMBIC_CONFIG=config/alembic.ini`` is ``alembic -c config/alembic.ini``."""
    walk(
        write_elsewhere,
        plain=("alembic", "-c", "config/alembic.ini"),
        ours={"ALEMBIC_CONFIG": "config/alembic.ini"},
    )


def test_a_configuration_elsewhere_that_env_files_name(project: Sandbox) -> None:
    """ALEMBIC_CONFIG may stand in .env; as all paths, it is taken from the project's root."""
    write_elsewhere(project, "sqlite:///shop.db")
    project.write(".env", "ALEMBIC_CONFIG=config/alembic.ini")
    said = project.inv("database.migrate", "migrate.status", "--check", "--json", cwd="migrations")
    assert set(read_states(said).values()) == {"applied"}
    assert (project.root / "shop.db").exists()


def test_a_configuration_that_is_not_there(project: Sandbox) -> None:
    """An ALEMBIC_CONFIG without a file is an error that names it, and no reason to take another one."""
    write_ini(project, "sqlite:///shop.db")
    write_env(project)
    add_chain(project)
    before = contents(project)
    refused = project.inv("database.migrate", env={"ALEMBIC_CONFIG": "config/nosuch.ini"}, code=1)
    assert "config/nosuch.ini" in refused.stderr
    assert contents(project) == before
