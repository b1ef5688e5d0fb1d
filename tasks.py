"""This project's own tasks; the collection is taken in as any project would."""

from invoke import Collection, Context, task

from fastman_tasks import database, make, migrate


@task
def lint(c: Context) -> None:
    """Check style, formatting and the direction of imports."""
    c.run("ruff check .")
    c.run("ruff format --check .")
    c.run("lint-imports")


@task
def types(c: Context) -> None:
    """Check the types."""
    c.run("mypy")


@task
def test(c: Context) -> None:
    """Run the tests."""
    c.run("pytest")


ns = Collection(lint, types, test, make, database, migrate)
