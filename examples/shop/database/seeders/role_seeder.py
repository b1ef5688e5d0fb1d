from sqlalchemy.orm import Session

from app.features.user.models import Role
from fastman_tasks.seeding import upsert


class RoleSeeder:
    """Sample rows of Role."""

    @staticmethod
    def run(db: Session) -> None:
        upsert(db, Role, [{"name": "admin"}, {"name": "customer"}], key=["name"])
        db.commit()
