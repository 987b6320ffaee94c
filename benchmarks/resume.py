"""How long a search that has been interrupted takes to go on: what lies before its first new evaluation.

    python benchmarks/resume.py

The history is that of `report.py`: evaluations of `search_spaces/mixers.yaml` that never were, in a real store, of
which the last are in flight. Measured is what `hrfevo resume` does of itself: the run folder is opened and its space
validated, the store is read, the algorithm is told all of it, and it is asked for what comes next. Starting Python and
the workers, and reading the text, take as long in a run that is new.

Ends with exit code 1 if a bar is missed (unless `--no-check`).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import report
from common import end, machine, print_table

from hrfevo.algorithms.registry import make_algorithm
from hrfevo.runner.loop import Search
from hrfevo.store.run_folder import RunFolder
from hrfevo.workers.base import Outcome
from hrfevo.workers.inline import InlineWorkers
from hrfevo.workers.simulated import SimulatedWorkers

# The bar, for the default algorithm: seconds.
MOST_SECONDS, ALGORITHM = 3.0, "evolution"
IN_FLIGHT = 8


class Interrupted(Exception):
    """The search stops here."""


class Interrupting(report.Silent):
    """An observer who interrupts a search after so many evaluations."""

    def __init__(self, after: int) -> None:
        self._left = after

    def ended(self, outcome: Outcome, search: Search) -> None:
        self._left -= 1
        if not self._left:
            raise Interrupted


def interrupted(parent: Path, evaluations: int) -> Path:
    """A run folder with so many evaluations and some more in flight."""
    folder, space, store = report.new_run(parent, 2 * evaluations, ALGORITHM)
    algorithm = make_algorithm("random", space, np.random.SeedSequence(1))
    workers = SimulatedWorkers(report.Pretended(space), IN_FLIGHT)
    search = Search(folder.id, space, algorithm, workers, store, training_seed=1)
    with store.writing():
        try:
            search.run(Interrupting(evaluations))
        except Interrupted:
            store.close()
    return folder.path


def resumed(path: Path, name: str) -> tuple[float, float, float]:
    """Seconds to open and read a run, to tell an algorithm of it, and to ask that for the next evaluation."""
    began = time.perf_counter()
    folder = RunFolder.open(path)
    space, store = folder.space(), folder.open_store()
    evaluations = store.evaluations(folder.id)
    read = time.perf_counter()
    algorithm = make_algorithm(name, space, np.random.SeedSequence(1))
    search = Search(folder.id, space, algorithm, InlineWorkers(report.Pretended(space)), store, training_seed=1)
    search.replay(evaluations, 0.0)
    told = time.perf_counter()
    assert algorithm.ask() is not None
    store.close()
    return read - began, told - read, time.perf_counter() - told


def main() -> int:
    parser = argparse.ArgumentParser(description="How long a search takes to go on.")
    parser.add_argument("--evaluations", type=int, default=10_000)
    parser.add_argument("--algorithms", default=ALGORITHM)
    parser.add_argument("--no-check", action="store_true")
    options = parser.parse_args()
    print(f"{machine('SQLAlchemy', 'numpy', 'scipy', 'moocore')}\n", flush=True)
    rows, missed = [], []
    with tempfile.TemporaryDirectory() as temporary:
        run = interrupted(Path(temporary), options.evaluations)
        for name in options.algorithms.split(","):
            parts = resumed(run, name)
            rows.append([name, *(f"{seconds:.2f}" for seconds in (*parts, sum(parts)))])
            if name == ALGORITHM and sum(parts) > MOST_SECONDS:
                missed.append(f"{name}: {sum(parts):.2f} s; the bar is {MOST_SECONDS:g}")
    print_table([f"after {options.evaluations:,} evaluations", "read, s", "told, s", "asked, s", "all, s"], rows)
    return end(missed, not options.no_check)


if __name__ == "__main__":
    sys.exit(main())
