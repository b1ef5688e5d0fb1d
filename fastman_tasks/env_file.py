"""Read a ``.env`` file, and export its values for code that reads ``os.environ``."""

from __future__ import annotations

import io
import os
import re
import select
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from fastman_tasks.errors import SettingsError

#: Every variable that is read, with the other names it goes by (Laravel's, for the most part).
VARIABLES: dict[str, tuple[str, ...]] = {
    "DATABASE_URL": (),
    "DB_CONNECTION": (),
    "DB_HOST": (),
    "DB_PORT": (),
    "DB_NAME": ("DB_DATABASE",),
    "DB_USER": ("DB_USERNAME",),
    "DB_PASSWORD": (),
    "ENVIRONMENT": ("APP_ENV",),
    "FASTMAN_MODELS": (),
    "FASTMAN_IGNORE_TABLES": (),
    "FASTMAN_SEEDERS": (),
    "FASTMAN_LOCK": (),
    "FASTMAN_LOCK_TIMEOUT": (),
    "FASTMAN_CONNECT_TIMEOUT": (),
    "FASTMAN_DDL_LOCK_TIMEOUT": (),
    "FASTMAN_STATEMENT_TIMEOUT": (),
    "FASTMAN_PROTECTED": (),
    "FASTMAN_PROHIBIT_DESTRUCTIVE": (),
    "FASTMAN_BACKUP": (),
    "FASTMAN_HISTORY": (),
    "FASTMAN_SCRATCH_URL": (),
    "FASTMAN_EXPORT_ENV": (),
    "FASTMAN_ALEMBIC_NAME": (),
    "FASTMAN_ALEMBIC_X": (),
    "ALEMBIC_CONFIG": (),
}
# In seconds, and in bytes.
_PATIENCE, _LARGEST = 1.0, 1 << 20
_SINGLE_QUOTED = re.compile(r"\s*[^=]+=[^\S\n]*'")


def read_env_file(path: Path) -> dict[str, str]:
    """Returns the variables of one ``.env`` file, ``${NAME}`` expanded; empty if there is no such file.

    Raises SettingsError, naming file and line, if it is unreadable, not UTF-8, or malformed in a line with one of our
    variables; lines for other programs are not checked. A named pipe, as password managers provide it, may take a
    second.
    """
    try:
        content = _read(path)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingsError(f"{path.name} cannot be read: {error.strerror}.") from error
    for number, encoded in enumerate(content.splitlines(), 1):
        try:
            encoded.decode("utf-8")
        except UnicodeDecodeError as error:
            if _is_ours(encoded.decode("utf-8", "replace")):
                raise SettingsError(f"{path.name}, line {number}: not UTF-8. Save the file as UTF-8.") from error
    text = content.decode("utf-8-sig", "replace")
    bindings = list(parse_stream(io.StringIO(text)))
    for binding in bindings:
        if binding.error and _is_ours(binding.original.string):
            blank = len(binding.original.string) - len(binding.original.string.lstrip())
            line = binding.original.line + binding.original.string[:blank].count("\n")
            raise SettingsError(
                f"{path.name}, line {line}: expected NAME=value. Quote a value that contains spaces or #."
            )
    values = {name: value for name, value in dotenv_values(stream=io.StringIO(text)).items() if value}
    for binding in bindings:
        # dotenv expands ${NAME} in single quotes too; in a shell, and here, they quote a password literally.
        if binding.key and binding.value and _SINGLE_QUOTED.match(binding.original.string):
            values[binding.key] = binding.value
    return values


def _read(path: Path) -> bytes:
    """Returns what is in ``path``, without waiting for ever for what is no file."""
    kind = path.stat().st_mode
    if stat.S_ISREG(kind):
        return path.read_bytes()
    # A virtual environment may be called .env, too; and who wants none may link it to the null device.
    if stat.S_ISDIR(kind) or path.samefile(os.devnull):
        return b""
    if not stat.S_ISFIFO(kind):
        raise SettingsError(f"{path.name} is not a file.")
    content = b""
    # Otherwise opening it waits until somebody writes.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0) as pipe:
        while select.select([pipe], [], [], _PATIENCE)[0] and len(content) < _LARGEST:
            if not (part := pipe.read(_LARGEST)):
                return content
            content += part
    raise SettingsError(f"{path.name} is a named pipe, and nothing writes a whole file to it. Start what does.")


def _is_ours(line: str) -> bool:
    begins = re.match(r"\s*(?:export\s+)?(\w+)", line)
    return begins is not None and any(begins[1] in (name, *others) for name, others in VARIABLES.items())


@contextmanager
def export_environ(values: Mapping[str, str]) -> Iterator[None]:
    """Set ``values`` in ``os.environ`` for this block, except for variables that are already set."""
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def copy_example(root: Path) -> bool:
    """Copy ``.env.example`` in ``root`` to ``.env``, which only its owner may read; returns False if there is one, or
    nothing to copy. Raises OSError if it cannot be written."""
    example, file = root / ".env.example", root / ".env"
    if os.path.lexists(file) or not example.is_file():
        return False
    # Another process that copies it at the same moment, or reads it, never sees a part of it.
    with tempfile.NamedTemporaryFile(dir=root, prefix=".env.", suffix=".tmp") as whole:
        whole.write(example.read_bytes())
        whole.flush()
        try:
            os.link(whole.name, file)
        except FileExistsError:
            return False
    return True
