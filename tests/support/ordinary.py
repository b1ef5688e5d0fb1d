"""Commands that may not write everywhere, also where the tests are root."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from command import Result, Sandbox

# Root may write everywhere, unless it gives that up.
_PREFIX = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]


def as_ordinary_user(
    project: Sandbox,
    *args: str,
    env: Mapping[str, str] | None = None,
    first: Callable[[], None] | None = None,
) -> Result:
    """Run ``inv`` in ``project`` without the right to write what is not writable; ``first`` runs in its process."""
    done = subprocess.run(
        [*([] if os.geteuid() else _PREFIX), sys.executable, "-m", "invoke", *args],
        cwd=project.root,
        env=project.environ(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        preexec_fn=first,
    )
    result = Result(done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in result.stdout + result.stderr, result
    return result


@contextmanager
def unwritable(path: Path) -> Iterator[None]:
    """A file, or a folder, that nobody may write to in this block."""
    mode = path.stat().st_mode
    path.chmod(mode & ~0o222)
    try:
        yield
    finally:
        path.chmod(mode)
