"""This project's own tasks; the collection is taken in as any project would."""
from invoke import Collection

from fastman_tasks import database, make, migrate

ns = Collection(database, make, migrate)
