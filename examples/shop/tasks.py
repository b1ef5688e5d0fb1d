"""The shop's tasks: one of its own, beside the database commands."""

from invoke import Collection, task

from fastman_tasks import database, make, migrate


@task
def stock(c):
    """Print what the shop has in stock."""
    # Imported here, so that inv --list need not wait for SQLAlchemy.
    from sqlalchemy import select

    from app.features.catalog.models import Product
    from fastman_tasks.project import Project

    products = select(Product.name, Product.pieces).order_by(Product.name)
    with Project.open() as project:
        for name, pieces in project.database.run(lambda connection: connection.execute(products).all()):
            print(f"{pieces:>5}  {name}")


ns = Collection(stock, make, database, migrate)
