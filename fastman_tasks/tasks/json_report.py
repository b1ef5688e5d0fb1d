"""What ``--json`` prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastman_tasks.tasks import console

if TYPE_CHECKING:
    from fastman_tasks.plans import Entry, Report, StepResult
    from fastman_tasks.project import Project

# The actions whose steps are about revisions.
_OF_REVISIONS = {"apply", "roll back", "stamp", "accept", "rebase", "remove"}


def report_value(
    project: Project | None, report: Report | None, command: str, error: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Returns the value that ``--json`` prints, the same shape for all commands; ``report`` may be None."""
    root = project.root if project else Path()
    return {
        "command": report.command if report else command,
        "database": report.database if report else _known_url(project),
        "environment": project.settings.environment if project else None,
        "steps": [_step_value(each, root) for each in (report.steps if report else ())],
        "losses": [
            {
                "table": each.table,
                "column": each.column,
                "rows": each.rows,
                "precision": each.precision,
                "reason": each.reason,
            }
            for each in (report.losses if report else ())
        ],
        "error": error,
    }


def _known_url(project: Project | None) -> str | None:
    """The URL that a command would have printed before it failed."""
    return project.display_url if project is not None and project.knows_database else None


def _step_value(result: StepResult, root: Path) -> dict[str, Any]:
    step = result.step
    return {
        "action": step.action,
        "name": step.name,
        "revision": step.id or None if step.action in _OF_REVISIONS else None,
        "message": step.message or None,
        "head": step.is_head,
        "file": _file_value(step.file, root),
        "state": result.state,
        "seconds": None if result.seconds is None else round(result.seconds, 6),
        "rows": {
            table: {
                "created": each.created,
                "updated": each.updated,
                "deleted": each.deleted,
                "unchanged": each.unchanged,
            }
            for table, each in result.rows
        },
        "sql": list(result.statements),
        "findings": [
            {"text": each.text, "file": _file_value(each.file, root), "line": each.line} for each in result.findings
        ],
        "note": result.note or None,
        "history": None if result.entry is None else _entry_value(result.entry),
    }


def _entry_value(entry: Entry) -> dict[str, Any]:
    at = entry.at
    return {**asdict(entry), "at": None if at is None else at.isoformat(timespec="milliseconds") + "Z"}


def _file_value(file: Path | None, root: Path) -> str | None:
    return console.relative_path(file, root).as_posix() if file else None
