"""A positional argument that may be left out is read as the flag that it stands for."""

from __future__ import annotations

import pytest
from invoke import Collection

from fastman_tasks import database, make, migrate
from fastman_tasks.tasks.optional_positionals import spell_out

COLLECTION = Collection(database, make, migrate)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("migrate.rebase", "migrate.rebase"),
        ("migrate.rebase b2", "migrate.rebase --revision=b2"),
        ("migrate.rebase b2 --onto=c1", "migrate.rebase --revision=b2 --onto=c1"),
        ("migrate.rebase --onto c1 b2", "migrate.rebase --onto c1 --revision=b2"),
        ("migrate.rebase --force b2 b3", "migrate.rebase --force --revision=b2 b3"),
        ("migrate.rebase database.migrate", "migrate.rebase database.migrate"),
        ("migrate.rebase --onto migrate.heads b2", "migrate.rebase --onto migrate.heads --revision=b2"),
        ("migrate.show b2", "migrate.show b2"),
        ("wrong b2", "wrong b2"),
    ],
)
def test_words_by_themselves(typed: str, expected: str) -> None:
    """Only of a command that has such an argument, only the first word, and not the value of a flag."""
    assert " ".join(spell_out(typed.split(), COLLECTION)) == expected
