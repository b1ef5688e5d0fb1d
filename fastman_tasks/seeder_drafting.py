"""Write new seeders, with sample rows where a model of that name exists."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fastman_tasks import names, skeletons
from fastman_tasks.errors import FileNotWritten, ModelsFailed, UsageError
from fastman_tasks.sources import described, shown

if TYPE_CHECKING:
    from fastman_tasks.models import Models
    from fastman_tasks.project import Project
    from fastman_tasks.samples import Sample


@dataclass(frozen=True)
class SeederDraft:
    """A new seeder: its file, its text, and the model's name, None where no model is known."""

    file: Path
    text: str
    model: str | None


def draft_seeder(project: Project, typed: str, *, model: str | None = None, pretend: bool = False) -> SeederDraft:
    """Write the seeder that ``typed`` names (``user``, ``UserSeeder``, …) for the model of that name, or ``model``.

    Raises UsageError for a name that cannot be one and for an unknown or ambiguous ``model``; ModelsFailed;
    FileNotWritten where the file exists already. With ``pretend`` nothing is written.
    """
    name = names.seeder(typed)
    file = project.settings.seeders / f"{name.module}.py"
    if file.exists():
        raise FileNotWritten(f"{shown(file, project.root)} exists already; it was left as it is.")
    sample = _sample(project, model or name.subject, required=model is not None, taken=name.class_)
    text = skeletons.render(
        "seeder.py",
        name=name,
        sample=sample,
        imports=sample.names.import_lines if sample else ["from sqlalchemy.orm import Session"],
        depends_on=_depends_on(project, sample, name.class_),
        summary=f"Sample rows of {sample.model}." if sample else f"What inv database.seed adds for {typed}.",
    )
    if not pretend:
        skeletons.write(text, file)
    return SeederDraft(file, text, sample.model if sample else None)


def _depends_on(project: Project, sample: Sample | None, own: str) -> list[str]:
    """The seeders, of those that have a file, of the models that the sample rows refer to."""
    modules = {file.stem for file in project.settings.seeders.rglob("*_seeder.py")}
    parents = [
        names.seeder(each.parent.class_.__name__) for each in (sample.references if sample else ()) if each.parent
    ]
    found = [parent.class_ for parent in parents if parent.module in modules and parent.class_ != own]
    return list(dict.fromkeys(found))


def _sample(project: Project, wanted: str, *, required: bool, taken: str) -> Sample | None:
    # Without a model to look up, neither the models nor SQLAlchemy's ORM need to be imported.
    from fastman_tasks import columns, models

    if not project.settings.models and not any(models.find(project.root)) and not required:
        return None
    class_ = _class(models.load(project.root, project.settings.models), wanted, required)
    if class_ is None:
        return None
    from sqlalchemy.exc import SQLAlchemyError

    from fastman_tasks.samples import sample

    mapper = columns.mapper_of(class_)
    assert mapper is not None
    try:
        # A relationship to a class that is not there comes to light when the mappers are first put together.
        mapper.registry.configure(cascade=True)
        # So does a foreign key to a table that is not there.
        return sample(mapper, [taken])
    except SQLAlchemyError as error:
        raise ModelsFailed(f"The models do not fit together: {described(error)}") from error


def _class(found: Models, wanted: str, required: bool) -> type | None:
    module, _, name = wanted.rpartition(".")
    fitting = [
        class_
        for class_ in found.mapped
        if class_.__name__.lower() == name.lower() and module in ("", class_.__module__)
    ]
    exact = [class_ for class_ in fitting if class_.__name__ == name] or fitting
    if len(exact) > 1:
        paths = ", ".join(f"{class_.__module__}.{class_.__name__}" for class_ in exact)
        raise UsageError(f"{wanted} could be any of {paths}. Choose: --model=MODULE.NAME")
    if not exact and required:
        known = ", ".join(sorted(class_.__name__ for class_ in found.mapped)) or "none"
        raise UsageError(f"There is no model {wanted}. Known: {known}.")
    return exact[0] if exact else None
