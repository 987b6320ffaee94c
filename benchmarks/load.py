"""What a very large search costs its driver: 1,000 simulated workers, 100,000 evaluations, a real store, one process.

    python benchmarks/load.py

The loop, the algorithm and SQLite are real; evaluations are those of `report.py`: scores, times and failures that are
functions of the genome, curves of 20 points, three rungs of `search_spaces/mixers.yaml`. What the algorithm takes
is shown apart: `benchmarks/proposals.py` is about that. Then `hrfevo report` is made of it all.

Ends with exit code 1 if a bar is missed (unless `--no-check`).
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import report
from common import end, machine, print_table

from hrfevo.algorithms.registry import make_algorithm
from hrfevo.benchmark.simulation import Timed
from hrfevo.runner.loop import Search
from hrfevo.store.run_folder import RunFolder
from hrfevo.workers.simulated import SimulatedWorkers

# The bars: milliseconds of the driver per evaluation, gigabytes of its memory.
MOST_MS, MOST_GB = 3.0, 2.0


def searched(parent: Path, evaluations: int, workers: int, name: str) -> tuple[RunFolder, float, float]:
    """A run folder; milliseconds per evaluation of the driver without its algorithm, and of the algorithm."""
    folder, space, store = report.new_run(parent, evaluations, name)
    evaluator, spent = report.Pretended(space), 0.0

    def evaluate(job: report.Job) -> report.Outcome:
        nonlocal spent
        began = time.perf_counter()
        outcome = evaluator(job)
        spent += time.perf_counter() - began
        return outcome

    algorithm = Timed(make_algorithm(name, space, np.random.SeedSequence(1)))
    search = Search(folder.id, space, algorithm, SimulatedWorkers(evaluate, workers), store, training_seed=1)
    began = time.perf_counter()
    with store.writing():
        reason = search.run(report.Silent())
    store.set_state(folder.id, "finished", reason)
    driver = time.perf_counter() - began - spent - algorithm.seconds
    count = sum(store.tally(folder.id).values())
    store.close()
    return folder, 1000 * driver / count, 1000 * algorithm.seconds / count


def gigabytes(who: int) -> float:
    """The most memory that this process, or one that it started, has held."""
    return resource.getrusage(who).ru_maxrss / 2**20


def main() -> int:
    parser = argparse.ArgumentParser(description="What a very large search costs its driver.")
    parser.add_argument("--evaluations", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--algorithm", default="random")
    parser.add_argument("--no-check", action="store_true")
    options = parser.parse_args()
    print(f"{machine('SQLAlchemy', 'numpy')}; {options.algorithm}\n", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder, driver, algorithm = searched(Path(temporary), options.evaluations, options.workers, options.algorithm)
        memory = gigabytes(resource.RUSAGE_SELF)
        database = (folder.path / "results.db").stat().st_size / 1e6
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "hrfevo.cli", "report", str(folder.path)], check=True, stdout=subprocess.PIPE
        )
        made = time.perf_counter() - began
        page = (folder.path / "report.html").stat().st_size / 1e6
    bars = [("driver, ms per evaluation", driver, MOST_MS), ("driver's memory, GB", memory, MOST_GB)]
    others = [
        ("algorithm, ms per evaluation", algorithm),
        ("database, MB", database),
        ("making the report, s", made),
        ("its memory, GB", gigabytes(resource.RUSAGE_CHILDREN)),
        ("its size, MB", page),
    ]
    rows = [(name, f"{value:.2f}", f"{bar:g}") for name, value, bar in bars]
    print_table(
        [f"{options.evaluations:,} evaluations, {options.workers:,} workers", "measured", "bar"],
        [*rows, *((name, f"{value:.2f}", "") for name, value in others)],
    )
    missed = [f"{name}: {value:.2f}; the bar is {bar:g}" for name, value, bar in bars if value > bar]
    return end(missed, not options.no_check)


if __name__ == "__main__":
    sys.exit(main())
