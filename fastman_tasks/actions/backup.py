"""Write the whole database to a file."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from fastman_tasks.databases import backups
from fastman_tasks.errors import BackupFailed, Command, FastmanError, UsageError
from fastman_tasks.plans import Observer, Plan, Report, Step, StepResult
from fastman_tasks.project import Project
from fastman_tasks.sources import display_path

_FOLDER = Path("database", "backups")
_KEPT, _DAY = 5, 86400.0
_DESTROYS = {"wipe", "roll back", "drop"}


def backup(project: Project, *, to: Path | None = None, observer: Observer | None = None) -> Report:
    """Write everything in the database to a new file, which only this user can read: ``to``, or else one in
    ``database/backups``, where the newest five are kept.

    Returns a Report with one step, whose note is the size. Raises UsageError if ``to`` exists; BackupFailed,
    ProgramFailed.
    """
    with project:
        project.locate_database()
        if not project.database.exists:
            raise UsageError(f"{project.display_url} does not exist: there is nothing to back up.")
        result = _write(project, to, observer or Observer())
        return Report("database.backup", project.display_url, project.settings.environment, (result,))


def is_wanted(project: Project, plan: Plan) -> bool:
    """Whether there has to be a backup before ``plan``, which destroys data: of a protected database, of a SQLite file
    that loses rows, or as FASTMAN_BACKUP says."""
    wanted, url = project.settings.backup, project.database.url
    if wanted is False or not any(step.action in _DESTROYS for step in plan.steps) or not project.database.exists:
        return False
    loses = any(not loss.is_harmless for loss in plan.losses)
    return bool(wanted) or project.settings.protects(url) or (loses and url.get_backend_name() == "sqlite")


def back_up_before(project: Project, command: Command, observer: Observer) -> StepResult:
    """Write a backup before ``command``. Raises BackupFailed, which stops it."""
    try:
        return _write(project, None, observer)
    except FastmanError as error:
        raise BackupFailed(
            f"There is no backup, so {command.task} was not started: {error}\nNothing was changed. Without a backup: "
            "FASTMAN_BACKUP=off"
        ) from error


def _write(project: Project, to: Path | None, observer: Observer) -> StepResult:
    file = (project.root / to).resolve() if to is not None else _new_file(project)
    if file.exists():
        raise UsageError(f"{file} exists already; it was left as it is.")
    step = Step("back up", str(display_path(file, project.root)), file)
    started = time.perf_counter()
    observer.step_started(step)
    backups.write(project.database, file)
    if to is None:
        _remove_old(project, file)
    result = StepResult(step, "done", time.perf_counter() - started, note=_size(file.stat().st_size))
    observer.step_finished(result)
    return result


def _new_file(project: Project) -> Path:
    folder = project.root / _FOLDER
    ending = backups.ending(project.database)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (ignore := folder / ".gitignore").exists():
            ignore.write_text("*\n", "utf-8")
    except OSError as error:
        raise BackupFailed(f"{folder} cannot be written: {error.strerror}.") from error
    now = datetime.now()
    stem = f"{_prefix(project)}-{now:%Y%m%d-%H%M%S}"
    names = [stem, f"{stem}-{now.microsecond:06}"]
    return next(file for name in names if not (file := folder / f"{name}.{ending}").exists())


def _prefix(project: Project) -> str:
    name = project.database.name
    stem = Path(name).stem if project.database.url.get_backend_name() == "sqlite" else name
    return re.sub(r"[^\w.-]", "_", stem)


def _remove_old(project: Project, file: Path) -> None:
    pattern = re.compile(rf"{re.escape(_prefix(project))}-\d{{8}}-\d{{6}}(-\d{{6}})?{re.escape(file.suffix)}")
    found = [each for each in file.parent.iterdir() if pattern.fullmatch(each.name)]
    # Not by their names: local time runs backwards once a year.
    for old in sorted(found, key=lambda each: each.stat().st_mtime_ns)[:-_KEPT]:
        old.unlink(missing_ok=True)
    for left in file.parent.glob(f".{_prefix(project)}-*{backups.TEMPORARY}"):
        # Of a process that was killed.
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > _DAY:
                left.unlink()


def _size(size: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            break
        size, unit = size / 1000, {"bytes": "kB", "kB": "MB", "MB": "GB"}[unit]
    return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
