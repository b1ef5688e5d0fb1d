"""The order in which seeders are called: rows come after those that they refer to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fastman_tasks import names
from fastman_tasks.models.columns import mapper_of

if TYPE_CHECKING:
    from fastman_tasks.models.discovery import Models
    from fastman_tasks.seeding.discovery import Seeder


def arrange(seeders: Sequence[Seeder], models: Models) -> list[Seeder]:
    """``seeders``, each after those that it depends on, and after those of the models that its own refers to: what a
    seeder is called says which model or table it is for. Where they refer to each other, the one of the first file is
    last."""
    tables = _tables_by_seeder(models)
    makers: dict[str, list[str]] = {}
    for seeder in seeders:
        for table in tables.get(seeder.name, ()):
            makers.setdefault(table, []).append(seeder.name)
    keys = {
        table.key: {each.target_fullname.rpartition(".")[0] for each in table.foreign_keys} for table in models.tables
    }
    before = {
        seeder.name: {
            *seeder.depends_on,
            *(
                maker
                for table in tables.get(seeder.name, ())
                for parent in keys.get(table, set()) - tables[seeder.name]
                for maker in makers.get(parent, ())
            ),
        }
        for seeder in seeders
    }
    return _ordered(seeders, before)


def _parents(models: Models) -> dict[str, set[str]]:
    """The tables that each table refers to; by a key that may be NULL only where the other one needs no row of it."""
    required: dict[str, set[str]] = {}
    optional: dict[str, set[str]] = {}
    for table in models.tables:
        for each in table.foreign_keys:
            found = optional if each.parent.nullable else required
            found.setdefault(table.key, set()).add(each.target_fullname.rpartition(".")[0])

    def needs(table: str, other: str, seen: frozenset[str] = frozenset()) -> bool:
        return table == other or any(
            needs(each, other, seen | {table}) for each in required.get(table, set()) - seen - {table}
        )

    return {
        table.key: required.get(table.key, set())
        | {each for each in optional.get(table.key, set()) if not needs(each, table.key)}
        for table in models.tables
    }


def _tables_by_seeder(models: Models) -> dict[str, set[str]]:
    """The keys of the tables that a seeder of this name is for."""
    found = {f"{names.camel(table.name)}Seeder": {table.key} for table in models.tables}
    for class_ in models.mapped:
        mapper = mapper_of(class_)
        if mapper is not None:
            found[f"{class_.__name__}Seeder"] = {str(getattr(each, "key", each)) for each in mapper.tables}
    return found


def _ordered(seeders: Sequence[Seeder], before: Mapping[str, set[str]]) -> list[Seeder]:
    found: dict[str, Seeder] = {}
    open_: set[str] = set()

    def place(seeder: Seeder) -> None:
        if seeder.name in found or seeder.name in open_:
            return
        open_.add(seeder.name)
        for other in seeders:
            if other.name in before[seeder.name]:
                place(other)
        found[seeder.name] = seeder

    for seeder in seeders:
        place(seeder)
    return list(found.values())
