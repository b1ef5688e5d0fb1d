"""What is printed of a database's tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING

from fastman_tasks.tasks import console, json_report
from fastman_tasks.tasks.revisions import read
from fastman_tasks.text import pluralize

if TYPE_CHECKING:
    from fastman_tasks.databases.overview import ForeignKey, Index, Overview, TableDetails
    from fastman_tasks.project import Project

_KEYS = {"database.show": "overview", "database.table": "table"}
_UNITS = ("B", "kB", "MB", "GB", "TB")


def run(project: Project, command: str, work: Callable[[], Overview | TableDetails], json: bool) -> None:
    """Print what ``work`` returns; with ``json`` as the value of ``overview`` or ``table``."""
    from fastman_tasks.plans import Report

    found = read(project, json, work)
    if json:
        report = Report(command, project.display_url, project.settings.environment)
        console.print_json({**json_report.report_value(project, report, command, None), _KEYS[command]: asdict(found)})
        return
    console.line(project.label)
    console.line()
    from fastman_tasks.databases.overview import TableDetails

    if isinstance(found, TableDetails):
        _table(found)
    else:
        _database(found)


def _database(found: Overview) -> None:
    size = f", {_bytes(found.size)}" if found.size is not None else ""
    console.line(f"{found.server}{size}, {pluralize(len(found.tables), 'table')}")
    if not found.tables:
        return
    console.line()
    columns = {
        "table": [each.name for each in found.tables],
        "rows": [_rows(each.rows, each.precision) for each in found.tables],
        "size": [_bytes(each.size) for each in found.tables],
        "indexes": [str(each.indexes) for each in found.tables],
        "index size": [_bytes(each.index_size) for each in found.tables],
    }
    # SQLite estimates no rows, and not every SQLite knows sizes.
    known = [title for title, cells in columns.items() if any(cells)]
    console.table(known, list(zip(*(columns[title] for title in known), strict=True)), right=known[1:])
    if "rows" not in known:
        console.line()
        console.line("To count the rows: inv database.show --counts")


def _table(found: TableDetails) -> None:
    noun = "row" if found.rows == 1 and found.precision == "exact" else "rows"
    count = f", {_rows(found.rows, found.precision)} {noun}" if found.rows is not None else ""
    console.line(f"{found.name}{count}")
    console.line()
    columns = [
        (
            each.name,
            each.type,
            "" if each.nullable else "not null",
            "; ".join(filter(None, (each.default, each.note))),
            each.migration or "",
        )
        for each in found.columns
    ]
    console.table(("column", "type", "null", "default", "made by"), columns)
    sections = {
        "Primary key": [", ".join(found.primary_key)] if found.primary_key else [],
        "Indexes": [_index(each) for each in found.indexes],
        "Checks": [f"{name or '(no name)'}: {condition}" for name, condition in found.checks],
        "Foreign keys": [_foreign_key(each) for each in found.foreign_keys],
        "Referred to by": [_foreign_key(each) for each in found.referring],
    }
    for title, lines in sections.items():
        if lines:
            console.line()
            console.line(title)
        for text in lines:
            console.line(f"  {text}")


def _index(index: Index) -> str:
    descending = index.descending or (False,) * len(index.columns)
    parts = [f"{part}{' DESC' if down else ''}" for part, down in zip(index.columns, descending, strict=True)]
    where = f" WHERE {index.where}" if index.where else ""
    return f"{index.name or '(no name)'}: {', '.join(parts)}{' (unique)' if index.unique else ''}{where}"


def _foreign_key(key: ForeignKey) -> str:
    ways = f"{key.table} ({', '.join(key.columns)}) -> {key.to} ({', '.join(key.referred)})"
    return f"{ways}{f' {key.options}' if key.options else ''}"


def _rows(rows: int | None, precision: str) -> str:
    about = {"exact": "", "estimate": "~", "at least": "more than "}[precision]
    return "" if rows is None else f"{about}{rows:,}"


def _bytes(size: int | None) -> str:
    if size is None:
        return ""
    shown, unit = float(size), 0
    while shown >= 1024 and unit < len(_UNITS) - 1:
        shown, unit = shown / 1024, unit + 1
    return f"{shown:.0f} {_UNITS[unit]}" if shown >= 10 or not unit else f"{shown:.1f} {_UNITS[unit]}"
