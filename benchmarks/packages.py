"""Packages from PyPI, beside this project, in an environment of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.measure import CommandError, environ

_ROOT = Path(__file__).parent.parent


def install(environment: Path, *packages: str) -> None:
    """Make the ``environment``, and install ``packages`` and this project. Raises CommandError."""
    run((sys.executable, "-m", "venv", str(environment)), environment.parent)
    run((program(environment, "pip"), "install", "--quiet", *packages, str(_ROOT)), environment.parent)


def program(environment: Path, name: str) -> str:
    """The path of a program that is installed there."""
    return str(environment / "bin" / name)


def run(argv: tuple[str, ...], folder: Path) -> str:
    """Run a command and return what it printed. Raises CommandError with the last line if it fails."""
    done = subprocess.run(argv, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environ())
    if done.returncode:
        said = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise CommandError(said[-1] if said else f"{Path(argv[0]).name} ended with {done.returncode}")
    return done.stdout.strip()
