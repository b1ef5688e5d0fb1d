"""The project's revisions, as their files describe them: no Alembic, no database."""
