from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from app.features.user.models import Role, User


class UserSeeder:
    """Sample rows of User. Seeders run in the order of their files' names: the roles are there by now."""

    @staticmethod
    def run(db: Session) -> None:
        roles = dict(db.execute(select(Role.name, Role.id)).tuples().all())
        rows = [
            {"name": "Ada", "email": "ada@example.com", "role_id": roles["admin"]},
            {"name": "Grace", "email": "grace@example.com", "role_id": roles["customer"]},
        ]
        known = set(db.scalars(select(User.email)))
        rows = [row for row in rows if row["email"] not in known]
        if rows:
            db.execute(insert(User), rows)
        db.commit()
