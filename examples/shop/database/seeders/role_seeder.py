from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from app.features.user.models import Role


class RoleSeeder:
    """Sample rows of Role."""

    @staticmethod
    def run(db: Session) -> None:
        rows = [
            {"name": "admin"},
            {"name": "customer"},
        ]
        known = set(db.scalars(select(Role.name)))
        rows = [row for row in rows if row["name"] not in known]
        if rows:
            db.execute(insert(Role), rows)
        db.commit()
