"""What migrate.check prints: a line for each check, and annotations for GitHub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke import Exit

from fastman_tasks.plans import Finding, Observer, Report, Step, StepResult
from fastman_tasks.tasks import console, json_report
from fastman_tasks.tasks.startup import import_libraries

if TYPE_CHECKING:
    from fastman_tasks.project import Project

_STYLES = {"passed": "green", "found": "red", "skipped": "yellow", "failed": "red"}
_INDENT = " " * 24


class Lines(Observer):
    """Prints each check when it has finished; on a terminal, the name of the one that is running. ``root`` is the
    project's folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._bar: console.Bar | None = None

    def step_started(self, step: Step) -> None:
        self._bar = console.bar()
        if self._bar is not None:
            self._bar.show(step.name)

    def step_finished(self, result: StepResult) -> None:
        self.stop()
        first, *more = result.note.splitlines() or [""]
        console.line(f"  {result.state:<7}  {result.step.name:<11}  {first}".rstrip(), style=_STYLES[result.state])
        for line in more:
            console.line(f"{_INDENT}{line}")
        for each in result.findings:
            console.line(f"{_INDENT}{_place(each, self._root)}{each.text}")

    def stop(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _place(finding: Finding, root: Path) -> str:
    if finding.file is None:
        return ""
    line = f":{finding.line}" if finding.line else ""
    return f"{console.relative_path(finding.file, root)}{line}: "


def annotate(report: Report, top: Path) -> None:
    """Print what was found, and the checks that failed, for GitHub Actions, which shows it beside the files. ``top`` is
    the folder that its paths are relative to."""
    for result in report.steps:
        name = result.step.name
        for each in result.findings:
            _annotate(name, each.text, each.file and console.relative_path(each.file, top), each.line)
        if result.state == "failed":
            _annotate(name, result.note)


def _top(root: Path) -> Path:
    from fastman_tasks.errors import GitFailed
    from fastman_tasks.git import Repository

    try:
        return Repository.of(root).top
    except GitFailed:
        return root


def _annotate(check: str, text: str, file: Path | None = None, line: int | None = None) -> None:
    properties = {"file": file and file.as_posix(), "line": line, "title": f"migrate.check: {check}"}
    listed = ",".join(f"{name}={_escape(str(value), ':,')}" for name, value in properties.items() if value)
    console.line(f"::error {listed}::{_escape(text)}")


def _escape(text: str, also: str = "") -> str:
    for character in f"%\r\n{also}":
        text = text.replace(character, f"%{ord(character):02X}")
    return text


def run(project: Project, json: bool, format: str, **options: Any) -> None:
    """Check ``project``, as ``options`` say, and print the Report.

    Raises Exit with code 3 if a check has found something, or else with 1 if one has failed; UsageError for ``json``
    with another ``format``.
    """
    from fastman_tasks import actions
    from fastman_tasks.errors import UsageError

    if json and format != "text":
        raise UsageError(f"--json and --format={format} are mutually exclusive.")
    import_libraries(project)
    lines = Lines(project.root)
    try:
        with console.reserve_stdout(json):
            report = actions.check(project, observer=Observer() if json else lines, **options)
    finally:
        lines.stop()
    if json:
        console.print_json(json_report.report_value(project, report, report.command, None))
    if format == "github":
        annotate(report, _top(project.root))
    for state, code in (("found", 3), ("failed", 1)):
        if any(each.state == state for each in report.steps):
            raise Exit(code=code)
