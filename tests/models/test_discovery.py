"""Models: found by convention or by name, imported completely, and every MetaData among them."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from command import Sandbox
from fastman_tasks.errors import ModelsFailed
from fastman_tasks.models import discovery
from services import imports_undone

MODEL = """
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


    class Base(DeclarativeBase):
        pass


    class {name}(Base):
        __tablename__ = "{table}"
        id: Mapped[int] = mapped_column(primary_key=True)
"""


@pytest.fixture
def shop(project: Sandbox) -> Iterator[Sandbox]:
    """A project whose root and src/ are on sys.path, as Project.open() puts them there."""
    with imports_undone(project.root):
        sys.path[:0] = [str(project.root), str(project.root / "src")]
        yield project


def add_model(project: Sandbox, path: str, name: str) -> None:
    """A module ``path`` with a base of its own and the model ``name``; its folders become packages, but for src."""
    project.write(path, MODEL.format(name=name, table=name.lower()))
    for folder in (project.root / path).parents:
        if folder in (project.root, project.root / "src"):
            break
        (folder / "__init__.py").touch()


def loaded(project: Sandbox, *named: str) -> tuple[list[str], list[str]]:
    """The modules that were imported, and the tables that they define."""
    found = discovery.load(project.root, named)
    return [module.__name__ for module in found.modules], sorted(table.name for table in found.tables)


@pytest.mark.parametrize("base", ["", "src/"])
@pytest.mark.parametrize(
    ("path", "module"),
    [
        ("models.py", "models"),
        ("models/user.py", "models.user"),
        ("app/models.py", "app.models"),
        ("app/models/user.py", "app.models.user"),
        ("app/models/people/user.py", "app.models.people.user"),
        ("app/features/user/models.py", "app.features.user.models"),
        ("app/features/user/models/user.py", "app.features.user.models.user"),
        ("app/api/user/models.py", "app.api.user.models"),
        ("shop/models.py", "shop.models"),
        ("shop/features/user/models.py", "shop.features.user.models"),
        ("app/billing/models.py", "app.billing.models"),
        ("app/modules/billing/models/invoice.py", "app.modules.billing.models.invoice"),
        ("shop/a/b/c/models.py", "shop.a.b.c.models"),
        ("shop/database/models.py", "shop.database.models"),
    ],
)
def test_each_convention(shop: Sandbox, base: str, path: str, module: str) -> None:
    """A models module or package is found and imported with all that is in it, at the root and under src/."""
    add_model(shop, f"{base}{path}", "User")
    modules, tables = loaded(shop)
    assert module in modules
    assert tables == ["user"]


def test_the_application_s_folder_needs_no_init(shop: Sandbox) -> None:
    """app/, its features and a folder of models may be namespace packages."""
    shop.write("app/features/user/models.py", MODEL.format(name="User", table="users"))
    shop.write("app/models/order.py", MODEL.format(name="Order", table="orders"))
    assert loaded(shop) == (["app.models", "app.models.order", "app.features.user.models"], ["orders", "users"])


def test_src_itself_may_be_the_package(shop: Sandbox) -> None:
    """With src/__init__.py the application imports itself as src.…; under a second name its tables would clash."""
    add_model(shop, "src/features/user/models.py", "User")
    add_model(shop, "src/shop/models.py", "Order")
    shop.write("src/__init__.py", "")
    shop.write("src/models.py", "from src.features.user.models import Base, User\n")
    modules, tables = loaded(shop)
    assert modules == ["src.models", "src.features.user.models", "src.shop.models"]
    assert tables == ["order", "user"]


def test_what_is_not_the_application_is_left_alone(shop: Sandbox) -> None:
    """Nothing is imported from tests, migrations, scripts or tasks: they have models of their own, or side effects."""
    for folder in ("tests", "migrations", "scripts", "tasks", "docs", "examples"):
        shop.write(f"{folder}/models.py", "raise SystemExit('imported')")
        shop.write(f"{folder}/__init__.py", "raise SystemExit('imported')")
    shop.write("app/__init__.py", "")
    for folder in ("tests", "billing/tests", "migrations", "node_modules/x", ".venv/lib", "venv/lib/python3.11/x"):
        shop.write(f"app/{folder}/models.py", "raise SystemExit('imported')")
    shop.write("not-a-package/__init__.py", "")
    shop.write("not-a-package/models.py", "raise SystemExit('imported')")
    assert list(discovery.find(shop.root)) == []
    assert loaded(shop) == ([], [])


def test_modules_by_name(shop: Sandbox) -> None:
    """FASTMAN_MODELS replaces the conventions; a package stands for all of its modules, but is never run."""
    add_model(shop, "models.py", "Unwanted")
    add_model(shop, "shop/storage/tables.py", "User")
    add_model(shop, "shop/storage/more/orders.py", "Order")
    shop.write("shop/storage/__main__.py", "raise SystemExit('run')")
    assert loaded(shop, "shop.storage")[1] == ["order", "user"]
    assert loaded(shop, "shop.storage.tables")[1] == ["user"]


@pytest.mark.parametrize("base", ["", "src/"])
def test_modules_by_wildcards(shop: Sandbox, base: str) -> None:
    """In any part of the name, several of them too; what is not there is an error, not a dropped table."""
    add_model(shop, f"{base}shop/models.py", "Unwanted")
    add_model(shop, f"{base}shop/billing/tables.py", "Invoice")
    add_model(shop, f"{base}shop/users/tables/user.py", "User")
    add_model(shop, f"{base}shop/deep/er/tables.py", "Deep")
    assert loaded(shop, "shop.*.tables") == (
        ["shop.billing.tables", "shop.users.tables", "shop.users.tables.user"],
        ["invoice", "user"],
    )
    assert loaded(shop, "shop.b*")[1] == ["invoice"]
    assert loaded(shop, "shop.**.tables", "shop.models")[1] == ["deep", "invoice", "unwanted", "user"]
    assert loaded(shop, "sh*.billing.tables")[1] == ["invoice"]
    with pytest.raises(ModelsFailed, match=r"FASTMAN_MODELS: shop\.\*\.nope does not match any module or package\."):
        loaded(shop, "shop.*.nope")
    with pytest.raises(ModelsFailed, match="The models in nope cannot be imported"):
        loaded(shop, "nope.*")


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import absent_library", "shop/models.py:3: ModuleNotFoundError: No module named 'absent_library'"),
        ("def broken(:", "shop/models.py:3: SyntaxError"),
        ("raise SystemExit(0)", "shop/models.py:3: SystemExit"),
        ("1 / 0", "shop/models.py:3: ZeroDivisionError: division by zero"),
    ],
)
def test_an_import_that_fails_is_fatal(shop: Sandbox, code: str, told: str) -> None:
    """A module that cannot be imported, for any reason, is named with its line: its tables would look dropped."""
    shop.write("shop/__init__.py", "")
    shop.write("shop/models.py", f"x = 1\n\n{code}\n")
    with pytest.raises(ModelsFailed) as failed:
        discovery.load(shop.root, ())
    assert str(failed.value).startswith("The models in shop.models cannot be imported: ")
    assert told in str(failed.value)


def test_a_broken_module_inside_a_package_is_fatal(shop: Sandbox) -> None:
    """Neither in a package, nor in a package inside it, is a broken module passed over."""
    add_model(shop, "app/models/user.py", "User")
    shop.write("app/models/people/__init__.py", "")
    shop.write("app/models/people/staff.py", "import absent_library\n")
    with pytest.raises(ModelsFailed, match=r"app\.models\.people\.staff .*app/models/people/staff\.py:1"):
        discovery.load(shop.root, ())


def test_an_absent_module_by_name(shop: Sandbox) -> None:
    """A name in FASTMAN_MODELS that no module has is fatal as well."""
    with pytest.raises(ModelsFailed, match=r"The models in shop\.nothing cannot be imported: ModuleNotFoundError"):
        discovery.load(shop.root, ("shop.nothing",))


EVERY_BASE = """
    import sqlalchemy as sa
    from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, declarative_base, mapped_column, registry


    class Plain(DeclarativeBase):
        pass


    class User(Plain):
        __tablename__ = "plain"
        id: Mapped[int] = mapped_column(primary_key=True)


    class Dataclasses(MappedAsDataclass, DeclarativeBase):
        pass


    class Order(Dataclasses):
        __tablename__ = "dataclass"
        id: Mapped[int] = mapped_column(primary_key=True, init=False)


    Old = declarative_base()


    class Part(Old):
        __tablename__ = "old"
        id = sa.Column(sa.Integer, primary_key=True)


    mappers = registry()


    @mappers.mapped
    class Decorated:
        __tablename__ = "decorated"
        id: Mapped[int] = mapped_column(primary_key=True)


    class Imperative:
        pass


    mappers_too = registry()
    mappers_too.map_imperatively(
        Imperative, sa.Table("imperative", mappers_too.metadata, sa.Column("id", sa.Integer, primary_key=True))
    )

    core = sa.Table("core", sa.MetaData(), sa.Column("id", sa.Integer))
    metadata = sa.MetaData()
    sa.Table("unnamed", metadata, sa.Column("id", sa.Integer))
    empty = sa.MetaData()
"""


def test_every_kind_of_base_at_once(shop: Sandbox) -> None:
    """Bases of every kind, classes mapped without one, and plain tables: each MetaData is found once."""
    shop.write("models.py", EVERY_BASE)
    found = discovery.load(shop.root, ())
    assert sorted(table.name for table in found.tables) == [
        "core", "dataclass", "decorated", "imperative", "old", "plain", "unnamed",
    ]  # fmt: skip
    assert len(found.metadata) == 7
    assert [class_.__name__ for class_ in found.mapped] == ["User", "Order", "Part", "Decorated", "Imperative"]


def test_objects_that_refuse_to_be_looked_at(shop: Sandbox) -> None:
    """A models module may hold what fails outside a request, as Flask's current_app does."""
    add_model(shop, "models.py", "User")
    shop.write("models.py", (shop.root / "models.py").read_text("utf-8") + "\nfrom flask import current_app, request\n")
    assert loaded(shop) == (["models"], ["user"])
    assert [class_.__name__ for class_ in discovery.load(shop.root, ()).mapped] == ["User"]


def test_a_model_that_two_modules_share_counts_once(shop: Sandbox) -> None:
    """A model that is imported into a second module of models is one model, and its MetaData one."""
    add_model(shop, "app/features/user/models.py", "User")
    shop.write("app/features/cart/__init__.py", "")
    shop.write("app/features/cart/models.py", "from app.features.user.models import Base, User\n")
    found = discovery.load(shop.root, ())
    assert [class_.__name__ for class_ in found.mapped] == ["User"]
    assert len(found.metadata) == 1
