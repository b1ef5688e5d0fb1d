"""Lines, colour, one progress bar and questions: everything that is printed or read."""

from __future__ import annotations

import functools
import io
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from fastman_tasks.tasks import streams
from fastman_tasks.tasks.spelling import spell
from fastman_tasks.text import printable

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console


# Where lines go while stdout is redirected.
_stdout: ContextVar[TextIO | None] = ContextVar("stdout", default=None)
# What masks the secrets in a text.
_redact: ContextVar[Callable[[str], str]] = ContextVar("redact", default=str)


@functools.cache
def _console(stream: TextIO) -> Console:
    from rich.console import Console

    # The terminal wraps the lines: a path or a URL that is split cannot be copied.
    return Console(file=stream, highlight=False, markup=False, soft_wrap=True, emoji=False)


def _out() -> TextIO:
    # Python may have none, where it was closed (>&-).
    return _stdout.get() or sys.stdout or io.StringIO()


def _write(text: str, style: str | None = None, end: str = "\n", out: TextIO | None = None) -> None:
    out = out or _out()
    # Without a terminal nothing is coloured, and importing rich would be a tenth of the command's time.
    if out.isatty() or os.environ.get("FORCE_COLOR"):
        _console(out).print(text, style=style, end=end)
    else:
        out.write(text + end)
        out.flush()


def width() -> int:
    """Returns how many columns a line can have: those of the terminal, if there is one."""
    return shutil.get_terminal_size().columns if _out().isatty() else sys.maxsize


def line(text: str = "", style: str | None = None) -> None:
    """Print one line, with our commands spelled as in this tasks.py. A line's end in ``text`` is escaped."""
    _write(_clean(text), style)


def lines(text: str, style: str | None = None) -> None:
    """Print ``text``, which may have several lines."""
    _write(_clean(text.replace("\r\n", "\n"), keep="\n\t"), style)


def warn(text: str) -> None:
    """Print ``text`` on stderr."""
    _write(_clean(text), "yellow", out=sys.stderr or io.StringIO())


def _clean(text: str, keep: str = "") -> str:
    return printable(_redact.get()(spell(text)), keep=keep)


@contextmanager
def redacting(redact: Callable[[str], str]) -> Iterator[None]:
    """Have ``redact`` mask what is secret in everything that is printed in this block."""
    token = _redact.set(redact)
    try:
        yield
    finally:
        _redact.reset(token)


@contextmanager
def reserve_stdout(wanted: bool) -> Iterator[None]:
    """Keep stdout for what is printed here where that is ``wanted``: what others print in this block, child processes
    too, goes to stderr."""
    if not wanted:
        yield
        return
    with streams.keep_apart() as out:
        token = _stdout.set(out)
        try:
            with redirect_stdout(sys.stderr):
                yield
        finally:
            _stdout.reset(token)


def table(titles: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()) -> None:
    """Print ``rows`` below ``titles``: as a table on a terminal, otherwise as columns of text. The columns named in
    ``right`` are numbers."""
    cells = [[_clean(cell) for cell in row] for row in rows]
    if _out().isatty():
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
        from rich.text import Text

        shown = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1))
        for title in titles:
            shown.add_column(title, justify="right" if title in right else "left", overflow="fold")
        for row in cells:
            shown.add_row(*map(Text, row))
        _console(_out()).print(shown, soft_wrap=False)
        return
    widths = [max(len(row[at]) for row in ([*titles], *cells)) for at in range(len(titles))]
    for row in ([*titles], *cells):
        padded = [
            f"{cell:>{width}}" if title in right else f"{cell:<{width}}"
            for title, cell, width in zip(titles, row, widths, strict=True)
        ]
        _write(f"  {'  '.join(padded)}".rstrip())


def print_result(name: str, took: float | None, word: str) -> None:
    """``  name ....... 12 ms  DONE``; ``took`` in seconds."""
    _write(_clean(_leader(name)), end="")
    end_result(took, word)


def begin_result(name: str) -> bool:
    """On a terminal, the part of the line that is known before ``name`` has run; whether it is there."""
    if _out().isatty():
        _write(_clean(_leader(name)), end="")
        return True
    return False


def end_result(took: float | None, word: str) -> None:
    """The rest of that line."""
    time = "" if took is None else f"{duration(took)}  "
    style = {"DONE": "green", "FAIL": "red"}.get(word, "yellow")
    _write(f"{time:>9}", end="")
    _write(word, style)


def _leader(name: str) -> str:
    return f"  {name} {'.' * max(3, 60 - len(name))} "


def duration(seconds: float) -> str:
    """Returns ``12 ms`` or ``1.5 s``."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def relative_path(path: Path, root: Path) -> Path:
    """Returns ``path`` relative to ``root`` if it is inside it."""
    return path.relative_to(root) if path.is_relative_to(root) else path


class Bar:
    """A progress bar that is shown until it is stopped."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=_console(_out()), transient=True)
        self._task = self._progress.add_task("", total=None)
        self._progress.start()

    def show(self, text: str, done: int | None = None, total: int | None = None, *, restart: bool = False) -> None:
        """Show ``text`` and, if it is known, how much is ``done``; ``restart`` sets the bar back to zero."""
        if restart:
            self._progress.reset(self._task, total=None)
        self._progress.update(self._task, description=_clean(text), completed=done, total=total)

    def stop(self) -> None:
        """Remove the bar."""
        self._progress.stop()


def bar() -> Bar | None:
    """A progress bar; None where there is no terminal to show it on."""
    return Bar() if _out().isatty() else None


def print_json(value: Any) -> None:
    """``value`` alone on stdout."""
    out = _out()
    spells_all = (out.encoding or "").lower().startswith("utf")
    text = json.dumps(_redact_all(value), indent=2, ensure_ascii=not spells_all, allow_nan=False)
    # What is not printable is escaped as JSON has it, too.
    out.write(printable(text, keep="\n") + "\n")
    out.flush()


def _redact_all(value: Any) -> Any:
    if isinstance(value, str):
        return _redact.get()(value)
    if isinstance(value, list):
        return [_redact_all(each) for each in value]
    return {key: _redact_all(each) for key, each in value.items()} if isinstance(value, dict) else value


def end_process(message: str, value: Any = None) -> NoReturn:
    """End the process at once, with code 1 and ``message`` on stderr; ``value`` is printed as JSON. For a thread, while
    the main one may be writing: what Python has buffered is lost."""
    if value is not None:
        os.write(streams.stdout_descriptor(), f"{json.dumps(value, indent=2)}\n".encode())
    os.write(2, f"{message}\n".encode(errors="backslashreplace"))
    os._exit(1)


def error_text(text: str) -> str:
    """Returns ``text``, which Invoke prints, as ``lines`` would print it."""
    return _clean(text, keep="\n\t")


def can_ask() -> bool:
    """Whether somebody sits at a terminal. Python has no stdin where it was closed (<&-)."""
    return sys.stdin is not None and sys.stdin.isatty()


def choose(question: str) -> bool | None:
    """Returns whether the user answers yes to ``question``; None if the user cancels (Ctrl-C, Ctrl-D)."""
    answer = ask(f"{question} [y/N]")
    return None if answer is None else answer in ("y", "Y", "yes", "Yes", "YES")


def pick(question: str, choices: Sequence[str]) -> int | None:
    """Returns which of the ``choices`` the user picks by its number; None if it is no such number, or none."""
    for number, choice in enumerate(choices, 1):
        line(f"  {number}  {choice}")
    answer = ask(f"{question} [1-{len(choices)}, Enter: none]") or ""
    return int(answer) - 1 if answer.isascii() and answer.isdigit() and 0 < int(answer) <= len(choices) else None


def ask(question: str) -> str | None:
    """Returns the user's answer to ``question``; None if the user cancels (Ctrl-C, Ctrl-D)."""
    try:
        return input(f"{_clean(question)} ").strip()
    except (EOFError, KeyboardInterrupt):
        line()
        return None
