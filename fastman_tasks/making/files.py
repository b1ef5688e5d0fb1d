"""Render a template to a new file, never over an old one."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from mako.template import Template

from fastman_tasks.errors import FileNotWritten

_PACKAGED = Path(__file__).parent.parent / "templates"
#: The templates, beside this file when installed, beside the package in a checkout.
TEMPLATES = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parent.parent.parent / "templates"


def render(template: str, **values: Any) -> str:
    """The text of ``templates/<template>.mako`` with ``values`` filled in."""
    source = (TEMPLATES / f"{template}.mako").read_text("utf-8")
    # Mako renders a doubled % at a line's start, and takes \ at its end, as its own.
    rendered: str = Template(text=source, strict_undefined=True).render(**values)
    return rendered


def copy(template: str, target: Path) -> Path:
    """Write ``templates/<template>.mako`` to ``target`` as it stands; for templates that Alembic renders later."""
    return write((TEMPLATES / f"{template}.mako").read_text("utf-8"), target)


def write(text: str, target: Path) -> Path:
    """Write ``text`` to the new file ``target``, creating its folders, and return it.

    Raises FileNotWritten, leaving an existing file alone.
    """
    missing = [folder for folder in target.parents if not folder.exists()]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _remove(missing)
        raise FileNotWritten(f"{target} cannot be written: {error.filename}: {error.strerror}.") from error
    try:
        with target.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError as error:
        raise FileNotWritten(f"{target} exists already; it was left as it is.") from error
    except OSError as error:
        _remove(missing)
        raise FileNotWritten(f"{target} cannot be written: {error.strerror}.") from error
    return target


def _remove(folders: list[Path]) -> None:
    """Take the empty ones of ``folders``, innermost first, away again."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()
