"""Rows as an aligned plain table."""

from __future__ import annotations

from statistics import median

from benchmarks.measure import Series
from benchmarks.rows import Row

_HEADINGS = ("ours / plain", "ours", "plain", "ratio", "spread", "cpu", "goal", "memory", "ratio")

#: Of the peak memory of each row that has a goal.
MEMORY_GOAL = 1.05


def lines(rows: list[Row]) -> list[str]:
    """The table; a ratio above its goal is marked with ``>``."""
    cells = [_HEADINGS, *(_cells(row) for row in rows if row.ours)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(_HEADINGS))]
    widths[0] = max([widths[0], *(len(row.name) for row in rows)])
    numbers = iter(cells[1:])
    shown = [_joined(_HEADINGS, widths), "-" * (sum(widths) + 2 * len(widths) - 2)]
    for row in rows:
        shown.append(_joined(next(numbers), widths) if row.ours else f"{row.name:<{widths[0]}}  {row.note}")
    return shown


def _joined(cells: tuple[str, ...], widths: list[int]) -> str:
    first, *rest = (f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
    return "  ".join((f"{cells[0]:<{len(first)}}", *rest))


def _cells(row: Row) -> tuple[str, ...]:
    assert row.ours and row.plain
    low, high = row.ours.spread(row.plain)
    return (
        row.name,
        f"{row.ours.typical:.2f} s",
        f"{row.plain.typical:.2f} s",
        _marked(row.ours.ratio(row.plain), row.goal),
        f"{low:.2f}..{high:.2f}",
        _marked(row.ours.processor_ratio(row.plain), row.goal),
        "" if row.goal is None else f"<= {row.goal:.2f}",
        f"{_megabytes(row.ours)} / {_megabytes(row.plain)} MB",
        _marked(row.ours.memory_ratio(row.plain), row.goal and MEMORY_GOAL),
    )


def _marked(ratio: float, goal: float | None) -> str:
    return f"{'> ' if goal is not None and round(ratio, 2) > goal else ''}{ratio:.2f}"


def _megabytes(series: Series) -> str:
    return f"{median(series.memory) / 1024:.0f}"
