"""Render a template to a new file, never over an old one, and as a whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mako.template import Template

from fastman_tasks.errors import FileNotWritten

_PACKAGED = Path(__file__).parent.parent / "templates"
#: The templates, beside this file when installed, beside the package in a checkout.
TEMPLATES = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parent.parent.parent / "templates"


def render(template: str, **values: Any) -> str:
    """The text of ``templates/<template>.mako`` with ``values`` filled in."""
    # Mako renders a doubled % at a line's start, and takes \ at its end, as its own.
    return render_file(TEMPLATES / f"{template}.mako", **values)


def render_file(template: Path, **values: Any) -> str:
    """The text of the Mako ``template`` with ``values`` filled in. Raises NameError for one that it does not get."""
    rendered: str = Template(text=template.read_text("utf-8"), strict_undefined=True).render(**values)
    return rendered


def copy(template: str, target: Path) -> Path:
    """Write ``templates/<template>.mako`` to ``target`` as it stands; for templates that Alembic renders later."""
    return write((TEMPLATES / f"{template}.mako").read_text("utf-8"), target)


def write(text: str, target: Path) -> Path:
    """Write ``text`` to the new file ``target``, creating its folders, and return it.

    Raises FileNotWritten, leaving an existing file alone.
    """
    return write_bytes(text.encode("utf-8"), target)


def write_bytes(content: bytes, target: Path) -> Path:
    """Write ``content`` as ``write`` does."""
    missing = [folder for folder in target.parents if not folder.exists()]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with written_beside(target, new=True) as temporary:
            temporary.write_bytes(content)
    except FileNotWritten:
        _remove(missing)
        raise
    except OSError as error:
        _remove(missing)
        raise FileNotWritten(f"{target} cannot be written: {error.filename}: {error.strerror}.") from error
    return target


@contextmanager
def written_beside(target: Path, *, new: bool = False) -> Iterator[Path]:
    """Yields a file beside ``target`` to write to, which becomes ``target`` as a whole when the block has ended.

    Raises FileNotWritten with the reason, and leaves nothing, where it cannot be written, or is not ``new``.
    """
    temporary = target.with_name(f".fastman-{os.getpid()}.tmp")
    try:
        if new and os.path.lexists(target):
            raise FileNotWritten(f"{target} exists already; it was left as it is.")
        yield temporary
        with temporary.open("rb+") as file:
            # Some disks only say now that they are full.
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as error:
        raise FileNotWritten(f"{target} cannot be written: {error.strerror}.") from error
    finally:
        temporary.unlink(missing_ok=True)


def _remove(folders: list[Path]) -> None:
    """Take the empty ones of ``folders``, innermost first, away again."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()
