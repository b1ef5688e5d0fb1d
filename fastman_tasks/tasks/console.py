"""Lines, colour, one progress bar and questions: everything that is printed or read."""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from fastman_tasks.tasks.spelling import spell

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console


_NAME_WIDTH = 60
# Where lines go while stdout is redirected.
_stdout: ContextVar[TextIO | None] = ContextVar("stdout", default=None)
_YES = ("y", "Y", "yes", "Yes", "YES")


@functools.cache
def _console(stream: TextIO) -> Console:
    from rich.console import Console

    # The terminal wraps the lines: a path or a URL that is split cannot be copied.
    return Console(file=stream, highlight=False, markup=False, soft_wrap=True, emoji=False)


def _out() -> TextIO:
    # Python has no stdout where it was closed (>&-).
    return _stdout.get() or sys.stdout or _nowhere()


@functools.cache
def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123


def _write(text: str, style: str | None = None, end: str = "\n") -> None:
    try:
        # Without a terminal nothing is coloured, and importing rich would be a tenth of the command's time.
        if _out().isatty() or os.environ.get("FORCE_COLOR"):
            _console(_out()).print(text, style=style, end=end)
        else:
            _send(text + end)
    except BrokenPipeError:
        # The reader of our output (head, a pager) has exited. That is no reason to stop half way.
        silence()


def _send(text: str) -> None:
    # A line is shown while a migration runs: what stdout cannot spell must not be taken for an error of it.
    out = _out()
    encoding = out.encoding or "utf-8"
    out.write(text.encode(encoding, "backslashreplace").decode(encoding))
    out.flush()


def line(text: str = "", style: str | None = None) -> None:
    """Print one line, with our commands spelled as in this tasks.py."""
    _write(spell(text), style)


@contextmanager
def reserve_stdout(wanted: bool) -> Iterator[None]:
    """Keep stdout for what is printed here where that is ``wanted``: what others print in this block goes to stderr."""
    if not wanted:
        yield
        return
    token = _stdout.set(_out())
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _stdout.reset(token)


def print_result(name: str, took: float | None, word: str) -> None:
    """``  name ....... 12 ms  DONE``; ``took`` in seconds."""
    _write(_leader(name), end="")
    end_result(took, word)


def begin_result(name: str) -> bool:
    """On a terminal, the part of the line that is known before ``name`` has run; whether it is there."""
    if _out().isatty():
        _write(_leader(name), end="")
        return True
    return False


def end_result(took: float | None, word: str) -> None:
    """The rest of that line."""
    time = "" if took is None else f"{_duration(took)}  "
    style = {"DONE": "green", "FAIL": "red"}.get(word, "yellow")
    _write(f"{time:>9}", end="")
    _write(word, style)


def _leader(name: str) -> str:
    return f"  {name} {'.' * max(3, _NAME_WIDTH - len(name))} "


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def relative_path(path: Path, root: Path) -> Path:
    """Returns ``path`` relative to ``root`` if it is inside it."""
    return path.relative_to(root) if path.is_relative_to(root) else path


class Bar:
    """A progress bar that is shown until it is stopped."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=_console(_out()), transient=True)
        self._task = self._progress.add_task("", total=None)
        self._progress.start()

    def show(self, text: str, done: int | None = None, total: int | None = None, *, restart: bool = False) -> None:
        """Show ``text`` and, if it is known, how much is ``done``; ``restart`` sets the bar back to zero."""
        if restart:
            self._progress.reset(self._task, total=None)
        self._progress.update(self._task, description=text, completed=done, total=total)

    def stop(self) -> None:
        """Remove the bar."""
        self._progress.stop()


def bar() -> Bar | None:
    """A progress bar; None where there is no terminal to show it on."""
    return Bar() if _out().isatty() else None


def print_json(value: Any) -> None:
    """``value`` alone on stdout."""
    spells_all = (_out().encoding or "").lower().startswith("utf")
    _out().write(json.dumps(value, indent=2, ensure_ascii=not spells_all) + "\n")
    flush()


def end_process(message: str, value: Any = None) -> NoReturn:
    """End the process at once, with code 1 and ``message`` on stderr; ``value`` is printed as JSON. For a thread, while
    the main one may be writing: what Python has buffered is lost."""
    if value is not None:
        os.write(1, f"{json.dumps(value, indent=2)}\n".encode())
    os.write(2, f"{message}\n".encode(errors="backslashreplace"))
    os._exit(1)


def flush() -> None:
    """Have stdout take what was printed. Raises OSError where it cannot."""
    _out().flush()


def silence() -> None:
    """Give up a stdout that takes nothing any more: Python would complain once more at exit."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def can_ask() -> bool:
    """Whether somebody sits at a terminal. Python has no stdin where it was closed (<&-)."""
    return sys.stdin is not None and sys.stdin.isatty()


def choose(question: str) -> bool | None:
    """Returns whether the user answers yes to ``question``; None if the user cancels (Ctrl-C, Ctrl-D)."""
    answer = ask(f"{question} [y/N]")
    return None if answer is None else answer in _YES


def ask(question: str) -> str | None:
    """Returns the user's answer to ``question``; None if the user cancels (Ctrl-C, Ctrl-D)."""
    try:
        return input(f"{question} ").strip()
    except (EOFError, KeyboardInterrupt):
        line()
        return None
