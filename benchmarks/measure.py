"""Run commands as processes, in turn, and keep their time and peak memory.

Linux counts the memory of the process that starts a command towards the command's own peak, so this package imports
nothing big: neither Alembic nor SQLAlchemy.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from resource import struct_rusage
from statistics import median


class CommandError(Exception):
    """A command that was to be measured ended with an error; the text is the end of what it wrote."""


@dataclass(frozen=True)
class Command:
    """Something to run in ``folder``; ``prepare`` is called before each run and not measured."""

    argv: Sequence[str]
    folder: Path
    prepare: Callable[[], object] = lambda: None


@dataclass
class Series:
    """The runs of one command: seconds, seconds of processor, and peak memory in KiB."""

    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)

    @property
    def typical(self) -> float:
        """The median time."""
        return median(self.seconds)

    def ratio(self, plain: Series) -> float:
        """How many times as long as ``plain``, by the medians."""
        return self.typical / plain.typical

    def spread(self, plain: Series) -> tuple[float, float]:
        """The smallest and the largest ratio of two runs that were neighbours."""
        ratios = [ours / theirs for ours, theirs in zip(self.seconds, plain.seconds, strict=True)]
        return min(ratios), max(ratios)

    def processor_ratio(self, plain: Series) -> float:
        """The same of the processor's time alone, which other work on the machine disturbs less."""
        return median(self.processor) / median(plain.processor)

    def memory_ratio(self, plain: Series) -> float:
        """How many times as much memory as ``plain``, by the medians."""
        return median(self.memory) / median(plain.memory)


def script(name: str, *arguments: str) -> tuple[str, ...]:
    """The command line of a program that is installed beside this Python."""
    return (str(Path(sys.executable).with_name(name)), *arguments)


def interleaved(commands: Sequence[Command], repetitions: int, warm_up: Sequence[Command] = ()) -> list[Series]:
    """Run the commands A B C A B C …, after a run of each of ``warm_up``, or of each command. Raises CommandError."""
    measured = [Series() for _ in commands]
    for command in warm_up or commands:
        _run(command)
    for _ in range(repetitions):
        for command, series in zip(commands, measured, strict=True):
            seconds, usage = _run(command)
            series.seconds.append(seconds)
            series.processor.append(usage.ru_utime + usage.ru_stime)
            series.memory.append(usage.ru_maxrss)
    return measured


def _run(command: Command) -> tuple[float, struct_rusage]:
    command.prepare()
    # The terminal would be measured too; a file takes what is written at once.
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command.argv, cwd=command.folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environ()
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            lines = output.read().decode("utf-8", "replace").split("\n")
            said = [line.strip() for line in lines if line.strip()]
            raise CommandError(
                " / ".join(said[-2:]) if said else f"exit code {process.returncode}, nothing was printed"
            )
    return seconds, usage


def environ() -> dict[str, str]:
    """The environment without what would turn the projects here into others."""
    ours = ("DATABASE_URL", "DB_", "ENVIRONMENT", "APP_ENV", "FASTMAN_", "INVOKE_", "PYTHONDONTWRITEBYTECODE")
    theirs = ("ALEMBIC_", "OPTUNA_", "MLFLOW_", "PREFECT_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours + theirs)}
