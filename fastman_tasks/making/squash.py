"""One version file instead of many: its text, and the files exchanged as a whole."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from alembic import util

from fastman_tasks.errors import FileNotWritten, MigrationRefused
from fastman_tasks.making.files import render_file, written_beside
from fastman_tasks.making.sql.text import escape
from fastman_tasks.migrating.environment import Environment
from fastman_tasks.names import escape_docstring
from fastman_tasks.revisions.graph import Revision
from fastman_tasks.revisions.squashed import MARK
from fastman_tasks.text import pluralize

_LONGEST = 100
_SAME = {"mysql": ("mysql", "mariadb"), "mariadb": ("mysql", "mariadb")}


def write_text(
    environment: Environment,
    squashed: Sequence[Revision],
    backend: str,
    up: Iterable[str],
    down: Iterable[str],
    left_out: Iterable[str] = (),
) -> str:
    """Returns the text of the version file that does in one what ``squashed`` do, the last of which it is called after:
    ``up`` and ``down`` are its statements for ``backend``, ``left_out`` is what they do not carry.

    It is made of the project's script.py.mako. Raises MigrationRefused if that template needs more than Alembic's own.
    """
    last = squashed[-1]
    message = f"{pluralize(len(squashed), 'migration')} in one, the last being: {last.message}"
    replaced = [each.id for each in squashed if each.id != last.id]
    scripts = environment.scripts
    labels = {
        label
        for each in squashed
        if (script := scripts.get_revision(each.id)) is not None
        for label in util.to_tuple(getattr(script.module, "branch_labels", None), default=())
    }
    guard = [
        f"if op.get_context().dialect.name not in {_SAME.get(backend, (backend,))}:",
        f'    raise NotImplementedError("This migration was squashed on {backend}, and is written in its SQL.")',
    ]
    remarks = [f"# Not in here, and to be added by hand: {each}" for each in left_out]
    try:
        return render_file(
            Path(scripts.dir) / "script.py.mako",
            up_revision=last.id,
            down_revision=None,
            branch_labels=tuple(sorted(labels)) or None,
            depends_on=None,
            create_date=datetime.now(),
            comma=util.format_as_comma,
            message=f"{escape_docstring(message)}\n\n{_fill(replaced)}",
            imports="",
            config=environment.config,
            upgrades="\n    ".join([*guard, *remarks, *map(_execute, up)]),
            downgrades="\n    ".join(map(_execute, down)),
        )
    except NameError as error:
        raise MigrationRefused(
            f"script.py.mako uses a name that only env.py sets, so no file can be made of it here: {error}"
        ) from error


def exchange(target: Path, text: str, others: Sequence[Path], archive: Path | None) -> None:
    """Write ``text`` to the version file ``target`` and remove the ``others``; with ``archive`` all that there was is
    in that folder afterwards.

    Raises FileNotWritten; then the files are as they were.
    """
    moved: list[tuple[Path, Path]] = []
    try:
        with written_beside(target) as new:
            new.write_text(text, "utf-8", newline="\n")
            if archive is not None:
                archive.mkdir(parents=True, exist_ok=True)
                shutil.copy2(target, archive / target.name)
            for file in others:
                away = archive / file.name if archive is not None else file.with_name(f".{file.name}.squashed")
                shutil.move(file, away)
                moved.append((file, away))
    except BaseException as error:
        for file, away in moved:
            shutil.move(away, file)
        if isinstance(error, OSError):
            raise FileNotWritten(f"{error.filename} cannot be written: {error.strerror}.") from error
        raise
    if archive is None:
        for _, away in moved:
            away.unlink()


def _fill(ids: Sequence[str]) -> str:
    lines = [f"{MARK}"]
    for each in ids:
        if len(lines[-1]) + len(each) > _LONGEST:
            lines.append(f"{MARK}")
        lines[-1] += f" {each}"
    return "\n".join(lines)


def _execute(sql: str) -> str:
    text = escape(sql).replace("\\", "\\\\")
    # What a Python file does not keep as it is.
    text = re.sub(r"[^\S\n\t ]|[\x00-\x08\x0b-\x1f\x7f]", lambda match: repr(match[0])[1:-1], text)
    if "\n" not in text and len(text) <= _LONGEST:
        return f"op.execute({_quoted(text)})"
    body = text.replace('"""', '\\"\\"\\"')
    return f'op.execute("""{body[:-1]}{body[-1:].replace(chr(34), chr(92) + chr(34))}""")'


def _quoted(text: str) -> str:
    quote = "'" if text.count('"') > text.count("'") else '"'
    return f"{quote}{text.replace(quote, chr(92) + quote)}{quote}"
