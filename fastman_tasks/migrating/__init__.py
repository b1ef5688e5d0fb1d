"""Alembic: the project's environment, the database's state, plans and what they do."""
