from sqlalchemy import select
from sqlalchemy.orm import Session

from app.features.user.models import Role, User
from fastman_tasks.seeding import upsert


class UserSeeder:
    """Sample rows of User."""

    depends_on = ("RoleSeeder",)

    @staticmethod
    def run(db: Session) -> None:
        roles = dict(db.execute(select(Role.name, Role.id)).tuples().all())
        rows = [
            {"name": "Ada", "email": "ada@example.com", "role_id": roles["admin"]},
            {"name": "Grace", "email": "grace@example.com", "role_id": roles["customer"]},
        ]
        upsert(db, User, rows, key=["email"])
        db.commit()
