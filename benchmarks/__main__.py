"""The command: measure the groups that were asked for, print one table."""

from __future__ import annotations

import argparse
import compileall
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from benchmarks import (
    checking,
    confirming,
    dumps,
    history,
    making,
    real,
    rows,
    seeding,
    setting_up,
    starting_over,
    table,
)

GROUPS: dict[str, rows.Group] = {
    "list": rows.listing,
    "seeder": rows.seeder,
    "idle-10": partial(rows.idle, 10, 1.05),
    "idle-1000": partial(rows.idle, 1000, 0.8),
    "uncached-1000": partial(rows.uncached, 1000, 0.8),
    "idle-5000": partial(rows.idle, 5000, 0.5),
    "merges-3000": partial(rows.merges, 3000, 0.3),
    "apply-sqlite": partial(rows.apply_sqlite, 1000, 0.7),
    "apply-postgresql": partial(rows.apply_postgresql, 1000, 1.0),
    "apply-postgresql-100": partial(rows.apply_postgresql, 100, 1.0),
    "confirming": partial(confirming.on_postgresql, 100, 1.02),
    "history-sqlite": partial(history.applying_sqlite, 1000, 1.03),
    "history-postgresql": partial(history.applying_postgresql, 1000, 1.03),
    "history-status": partial(history.status, 1000, 1.02),
    "dump-sqlite": partial(dumps.on_sqlite, 1000, 0.1),
    "dump-postgresql": partial(dumps.on_postgresql, 1000, 0.4),
    "setup-sqlite": setting_up.on_sqlite,
    "setup-postgresql": setting_up.on_postgresql,
    "unchanged-sqlite": making.on_sqlite,
    "unchanged-postgresql": making.on_postgresql,
    "fresh-sqlite": partial(starting_over.on_sqlite, 1000, 0.8),
    "fresh-postgresql": partial(starting_over.on_postgresql, 1000, 0.8),
    "replay": partial(checking.replay, 100, 0.5),
    "snapshot": partial(checking.snapshot, 1000, 0.3),
    "real": real.real,
    "seed-sqlite": seeding.orm_sqlite,
    "load-sqlite": seeding.load_sqlite,
    "seed-postgresql": seeding.on_postgresql,
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("groups", nargs="*", help=f"which to measure (default all): {', '.join(GROUPS)}")
    parser.add_argument("-n", "--repetitions", type=int, help="runs of each command (default 5, of slow ones 2)")
    options = parser.parse_args()
    if unknown := [name for name in options.groups if name not in GROUPS]:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(GROUPS)}")
    if options.repetitions is not None and options.repetitions < 1:
        parser.error("--repetitions must be 1 or more")
    # As pip does for a package that it installs; Invoke never would.
    compileall.compile_dir(Path(__file__).parent.parent / "fastman_tasks", quiet=1)
    started = time.perf_counter()
    found = []
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as name:
        # A server that is started as root runs as another user, who has to get in.
        Path(name).chmod(0o755)
        bench = rows.Bench(Path(name).resolve(), options.repetitions or 5, options.repetitions or 2)
        for group in options.groups or GROUPS:
            print(f"measuring {group} …", file=sys.stderr, flush=True)
            found += GROUPS[group](bench)
    print(*table.lines(found), sep="\n")
    print("\nMedians of runs in turn; spread of neighbouring pairs; cpu is the ratio of processor time (user, system).")
    print(f"Over its goal: >. Rows with a goal have one for memory (the peak) too: <= {table.MEMORY_GOAL:.2f}.")
    print(f"{time.perf_counter() - started:.0f} s in all.")


if __name__ == "__main__":
    main()
