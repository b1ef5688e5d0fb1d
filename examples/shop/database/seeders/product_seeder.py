from decimal import Decimal

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from app.features.catalog.models import Product


class ProductSeeder:
    """Sample rows of Product."""

    @staticmethod
    def run(db: Session) -> None:
        rows = [
            {"sku": "CUP-01", "name": "Espresso cup", "price": Decimal("8.50"), "pieces": 40},
            {"sku": "POT-01", "name": "Moka pot", "price": Decimal("32.00"), "pieces": 12},
        ]
        known = set(db.scalars(select(Product.sku)))
        rows = [row for row in rows if row["sku"] not in known]
        if rows:
            db.execute(insert(Product), rows)
        db.commit()
