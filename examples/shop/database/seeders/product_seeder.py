from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.features.catalog.models import Product
from fastman_tasks.seeding import load


class ProductSeeder:
    """The products of products.csv, where there are none yet."""

    @staticmethod
    def run(db: Session) -> None:
        if not db.scalar(select(func.count()).select_from(Product)):
            load(db, Product, "products.csv")
        db.commit()
