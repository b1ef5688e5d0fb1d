"""What it costs to confirm, before each migration, that the migration lock is held still."""

from __future__ import annotations

import json
import subprocess
import sys

from benchmarks import postgres, projects
from benchmarks.measure import Series
from benchmarks.rows import Bench, Row

# In one process, by its own clock: two processes differ by more than what is measured.
_PROGRAM = """import json
import resource
import time
from fastman_tasks import Project, actions, force
from fastman_tasks.databases.server_locks import ServerLock

spent = []
confirm = ServerLock.confirm


def measured(lock, what):
    started = time.perf_counter(), time.process_time()
    confirm(lock, what)
    spent.append((time.perf_counter() - started[0], time.process_time() - started[1]))


ServerLock.confirm = measured
with Project.open() as project:
    started = time.perf_counter(), time.process_time()
    report = actions.migrate(project, consent=force)
    total = time.perf_counter() - started[0], time.process_time() - started[1]
assert len(spent) >= len(report.steps) == {revisions}, (len(spent), len(report.steps))
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([total, [sum(each) for each in zip(*spent)], memory]))
"""


def on_postgresql(revisions: int, goal: float, bench: Bench) -> list[Row]:
    """Apply every revision to a new PostgreSQL database, with and without the time that confirming takes."""
    name = f"apply {revisions:,} on PostgreSQL / without confirming the lock"
    program = _PROGRAM.replace("{revisions}", str(revisions))
    ours, plain = Series(), Series()
    try:
        with postgres.running(bench.folder / "pgdata-confirming") as server:
            project = projects.make(bench.folder / "confirming", revisions, server.url)
            for _ in range(bench.quick):
                server.fresh()
                done = subprocess.run((sys.executable, "-c", program), cwd=project.folder, capture_output=True)
                if done.returncode:
                    return [Row(name, goal=goal, note=f"not measured: {done.stderr.decode()[-200:]}")]
                (seconds, processor), (confirming, its_processor), memory = json.loads(done.stdout)
                for series, without in ((ours, (0.0, 0.0)), (plain, (confirming, its_processor))):
                    series.seconds.append(seconds - without[0])
                    series.processor.append(processor - without[1])
                    series.memory.append(memory)
    except ImportError as error:
        return [Row(name, note=f"{error}: install the extra 'test'")]
    return [Row(name, ours, plain, goal)]
