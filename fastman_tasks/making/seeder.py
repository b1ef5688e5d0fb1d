"""Write new seeders: with sample rows where there is a model or a table of that name, or one that calls the others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fastman_tasks import names
from fastman_tasks.errors import FileNotWritten, ModelsFailed, NoSeeders
from fastman_tasks.making import files
from fastman_tasks.sources import describe_error, display_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastman_tasks.making.samples.rows import Sample
    from fastman_tasks.migrating.environment import Environment
    from fastman_tasks.models.discovery import Models
    from fastman_tasks.names import SeederName
    from fastman_tasks.settings import Settings


@dataclass(frozen=True)
class SeederDraft:
    """A new seeder: its file, its text, the name of the model or table that it has rows for (None where there is
    none), and what is to be said of it: what has to be done before it can run on an empty database, say."""

    file: Path
    text: str
    model: str | None
    notes: tuple[str, ...] = ()


class SeederWriter:
    """Writes new seeders of the project that ``settings`` are read from; ``environment`` opens its Alembic environment,
    where it has one."""

    def __init__(self, settings: Settings, environment: Callable[[], Environment]) -> None:
        self._settings = settings
        self._environment = environment

    def write(self, typed: str, *, model: str | None = None, pretend: bool = False) -> SeederDraft:
        """Write the seeder that ``typed`` names (``user``, ``UserSeeder``, …) for the model or table of that name, or
        ``model``; for ``database`` the DatabaseSeeder, which calls those that there are.

        Raises UsageError for a name that cannot be one and for an unknown or ambiguous ``model``; ModelsFailed;
        SeederFailed where the seeders to call cannot be imported; FileNotWritten where the file exists already. With
        ``pretend`` nothing is written.
        """
        from fastman_tasks.seeding.order import ENTRY_POINT

        name = names.seeder_name(typed)
        file = self._settings.seeders / f"{name.module}.py"
        if file.exists():
            raise FileNotWritten(f"{display_path(file, self._settings.root)} exists already; it was left as it is.")
        is_entry_point = name.class_ == ENTRY_POINT and not model
        draft = self._entry_point(file) if is_entry_point else self._with_rows(name, file, model)
        if not pretend:
            files.write(draft.text, file)
        return draft

    def _entry_point(self, file: Path) -> SeederDraft:
        from fastman_tasks.seeding import discovery as seeders
        from fastman_tasks.seeding.order import SeedOrder

        try:
            order = SeedOrder(seeders.find(self._settings.seeders, self._settings.root))
        except NoSeeders:
            note = "There are no seeders yet that it could call; see the comment in it."
            return SeederDraft(file, files.render("database_seeder.py", seeders=()), None, (note,))
        if self._has_models:
            from fastman_tasks.making.samples import calls as seeder_calls

            # What the seeders say comes first, should the keys say something else.
            order = SeedOrder(seeder_calls.arrange(order.seeders, self._models()))
        calls = [each.name for each in order.sort(order.seeders)]
        return SeederDraft(file, files.render("database_seeder.py", seeders=calls), None)

    def _with_rows(self, name: SeederName, file: Path, model: str | None) -> SeederDraft:
        sample = self._sample(model or name.subject, required=model is not None, taken=name.class_)
        depends_on: list[str] = []
        notes: tuple[str, ...] = ()
        if sample is None:
            notes = ("No model or table of that name was found, so it has no sample rows; --model=NAME chooses one.",)
        else:
            depends_on, notes = self._parents(sample, name.class_)
            notes += tuple(sample.warnings)
        text = files.render(
            "seeder.py",
            name=name,
            sample=sample,
            imports=sample.names.import_lines if sample else ["from sqlalchemy.orm import Session"],
            depends_on=depends_on,
            summary=f"Sample rows of {sample.subject.name}." if sample else f"What {name.class_} adds to the database.",
        )
        return SeederDraft(
            file, text, sample.subject.name if sample else None, (*notes, *self._entry_point_notes(name))
        )

    def _entry_point_notes(self, name: SeederName) -> list[str]:
        """What to say where the DatabaseSeeder, which alone is run, does not call the new one."""
        for file in self._settings.seeders.rglob("database_seeder.py"):
            if name.class_ not in file.read_text("utf-8", errors="replace"):
                where = display_path(file, self._settings.root)
                return [f'DatabaseSeeder does not call it: add "{name.class_}" in {where}.']
        return []

    def _parents(self, sample: Sample, own: str) -> tuple[list[str], tuple[str, ...]]:
        """The seeders of the models that the sample rows refer to, and what is to be said of those that cannot be
        named: there are none yet, or no seeder can go first."""
        from fastman_tasks.models.references import find_circle

        modules = {file.stem for file in self._settings.seeders.rglob("*_seeder.py")}
        found: list[str] = []
        missing: dict[str, SeederName] = {}
        notes: list[str] = []
        for reference in sample.references:
            parent = reference.parent
            if parent is None:
                table = reference.table.description
                notes.append(f"Its rows refer to the table {table}, which has no model: there has to be a row in it.")
            elif sample.subject.mapper is not None and (way := find_circle(sample.subject.mapper, reference)):
                columns = [each.name for each in reference.columns]
                notes.append(_by_hand([each.class_.__name__ for each in way], columns))
            else:
                # A row of a class that inherits is one of the model, too.
                seeders = [names.seeder_name(each.class_.__name__) for each in parent.self_and_descendants]
                known = [each.class_ for each in seeders if each.module in modules and each.class_ != own]
                found += known[:1]
                if not known:
                    missing[parent.class_.__name__] = seeders[0]
        found = list(dict.fromkeys(found))
        if missing:
            notes.insert(0, _to_make(found, missing))
        return found, tuple(dict.fromkeys(notes))

    def _sample(self, wanted: str, *, required: bool, taken: str) -> Sample | None:
        # Without a model to look up, neither the models nor SQLAlchemy's ORM need to be imported.
        if not (self._has_models or required):
            return None
        from fastman_tasks.models import discovery as models

        settings = self._settings
        from sqlalchemy.exc import SQLAlchemyError

        from fastman_tasks.making.samples import subject as sample_subject
        from fastman_tasks.making.samples.rows import sample

        subject = sample_subject.find(self._models(), wanted, required=required)
        if subject is None:
            return None
        try:
            # A relationship to a class that is not there comes to light when the mappers are first put together.
            for mapper in (subject.mapper, *subject.mappers):
                if mapper is not None:
                    mapper.registry.configure(cascade=True)
            # So does a foreign key to a table that is not there.
            with models.complete_tables(settings.models):
                return sample(subject, [taken])
        except SQLAlchemyError as error:
            raise ModelsFailed(f"The models do not fit together: {describe_error(error)}") from error

    @property
    def _has_environment(self) -> bool:
        from fastman_tasks.migrating import config

        return config.find(self._settings) is not None

    @property
    def _has_models(self) -> bool:
        """Whether there may be models."""
        from fastman_tasks.models import discovery as models

        settings = self._settings
        return bool(settings.models) or self._has_environment or any(models.find(settings.root))

    def _models(self) -> Models:
        from fastman_tasks.models import discovery as models

        if not self._settings.models and self._has_environment:
            from fastman_tasks.migrating import target_metadata

            if metadata := target_metadata.read(self._environment()):
                return models.from_metadata(metadata)
        return models.load(self._settings.root, self._settings.models)


def _to_make(found: list[str], missing: dict[str, SeederName]) -> str:
    """How to make the ``missing`` seeders, by model, and what to depend on then."""
    commands = " ".join(f"make.seeder {each.module.removesuffix('_seeder')}" for each in missing.values())
    seeders = ", ".join(f'"{each}"' for each in [*found, *(each.class_ for each in missing.values())])
    return (
        f"Its rows refer to {' and '.join(missing)}, which no seeder makes yet: inv {commands}, and then "
        f"depends_on = [{seeders}] in this one."
    )


def _by_hand(models: list[str], columns: list[str]) -> str:
    """What to do where rows refer to themselves, by way of ``models``."""
    if len(models) == 2:
        return (
            f"Its rows refer to {models[0]} itself, and {', '.join(columns)} may not be NULL: write the first one by "
            "hand, one that refers to itself."
        )
    return (
        f"No seeder can go first: {' -> '.join(models)} refer to each other by keys that may not be NULL. Make one of "
        "them nullable, or deferrable and write the first rows by hand."
    )
