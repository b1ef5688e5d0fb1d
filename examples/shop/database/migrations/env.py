"""Alembic runs this file for every command; settings and models are read by fastman-tasks."""

from fastman_tasks.runtime import run_migrations

run_migrations()
