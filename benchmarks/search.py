"""How much training a search needs to find what others find, on a table of trainings made before.

    python benchmarks/search.py benchmarks/tabular.parquet

Needs the extra `benchmark`. Every search runs its own unmodified code through hrfevo's loop; workers and time are
simulated, the measurements are real (`hrfevo benchmark build benchmarks/tabular.yaml` made them). Only evaluations at
full length count as attained. A genome that a peer proposes again is told for nothing what is known of it.

Hypervolume of two objectives (validation bits per byte, parameters), regret in the first alone, both again with a
smaller budget beside peers that take minutes for a search, and an ablation. The target is what the better of Optuna's
TPE and NSGA-II (regret: TPE), training every genome at full length, has attained as the median over seeds with the
whole budget.

- evolution: the default algorithm.
- NAME:full trains every genome to the last rung; NAME without it goes from rung to rung, by asynchronous successive
  halving.
- Syne Tune MOASHA, TPE + Hyperband: multi-fidelity peers, stopping rather than promoting.

Ends with exit code 1 if a bar is missed (unless `--no-check`).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import peers
from common import end, machine
from kept import Kept
from peers import Hyperband, MultiObjectiveASHA
from variants import VARIANTS

from hrfevo.benchmark.comparison import Case, Comparison
from hrfevo.benchmark.summary import Measure, Summary, markdown, summarise

MOASHA, HYPERBAND = "Syne Tune MOASHA", "TPE + Hyperband"
WORKERS = (1, 4, 16, 64)
# The bars: shares of the budget, or of a peer's, that the default algorithm may need to the target.
FULL_LENGTH_SHARE, PEER_SHARE = 1 / 3, 2 / 3
LEAST_USE, MOST_MS = 0.98, 20.0

HYPERVOLUME = ("evolution", "tpe:full", "nsga2:full", "random", "genetic", "regularized:full", "random:full")
REGRET = ("evolution", "tpe:full", "random", "genetic", "regularized:full", "random:full")
HYPERVOLUME_PEERS = ("evolution", "tpe:full", "nsga2:full", MOASHA)
REGRET_PEERS = ("evolution", "tpe:full", HYPERBAND)
ABLATION = ("evolution", "evolution:full", "genetic")


FACTORIES = (
    (MOASHA, MultiObjectiveASHA),
    (HYPERBAND, Hyperband),
    *VARIANTS.items(),
)


def compare(
    names: Sequence[str], measure: Measure, references: Sequence[str], options: argparse.Namespace,
    *, trainings: float, workers: Sequence[int] = WORKERS, spread: float = 0.0,
) -> list[Summary]:  # fmt: skip
    """Run, print a table, return what it says."""
    overrides = ("objectives={bits_per_byte: minimize}",) if measure == "regret" else ()
    kept = Kept(options.scores, options.table, overrides, trainings, [Path(peers.__file__)])
    comparison = Comparison(options.table, trainings, overrides, FACTORIES)
    every = [*names, *(name for name in references if name not in names)]
    cases = [Case(name, count, seed, spread) for name in every for count in workers for seed in range(options.seeds)]
    began = time.perf_counter()
    for score in comparison.run(kept.missing(cases), options.processes):
        kept.add(score)
        if score.case.seed == options.seeds - 1:
            done = f"{score.case.algorithm}, {score.case.workers} workers"
            print(f"{done}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    summaries = summarise(kept.of(cases), measure, references)
    print(markdown(summaries, measure), flush=True)
    return summaries


def misses(summaries: Sequence[Summary], what: str, of: Sequence[str] = ()) -> list[str]:
    """Bars that are not reached, in words: all, or those of some algorithms."""
    found = {(s.algorithm, s.workers): s for s in summaries}
    missed = []
    for (name, workers), other in found.items():
        if of and name not in of:
            continue
        ours = found["evolution", workers]
        share, theirs = ours.share_to_target[0], other.share_to_target[0]
        where = f"{what}, {workers} workers"
        if name == "evolution":
            if not share <= FULL_LENGTH_SHARE:
                missed.append(f"{where}: {share:.0%} of the budget to the target; the bar is a third")
            if other.proposal_ms > MOST_MS:
                missed.append(f"{where}: {other.proposal_ms:.1f} ms per proposal; the bar is {MOST_MS:g}")
        elif name in (MOASHA, HYPERBAND):
            if not share <= PEER_SHARE * min(theirs, 1.0):
                missed.append(f"{where}: {share:.0%} of the budget, {name} {theirs:.0%}; the bar is two thirds of that")
        elif not share <= theirs:
            missed.append(f"{where}: {share:.0%} of the budget, {name} {theirs:.0%}; the bar is not to be worse")
    return missed


def main() -> int:
    parser = argparse.ArgumentParser(description="How much training a search needs.")
    parser.add_argument("table", type=Path)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--trainings", type=float, default=256, help="budget in full trainings (%(default)s)")
    parser.add_argument("--peer-trainings", type=float, default=64, help="the same beside peers (%(default)s)")
    parser.add_argument("--processes", type=int)
    parser.add_argument("--scores", type=Path, help="file that keeps what was simulated, for a later call to go on")
    parser.add_argument("--variants", default=",".join(VARIANTS), help="of the ablation")
    parser.add_argument("--parts", default="hypervolume,regret,use,ablation,peers")
    parser.add_argument("--no-check", action="store_true")
    options = parser.parse_args()
    parts = options.parts.split(",")
    whole, part = options.trainings, options.peer_trainings
    hypervolume_targets, regret_targets = ("tpe:full", "nsga2:full"), ("tpe:full",)
    packages = ("optuna", "scikit-learn", "deap", "numpy", "syne-tune")
    print(f"{machine(*packages)}; {options.seeds} seeds\n")
    missed: list[str] = []
    if "hypervolume" in parts:
        print(f"Hypervolume of validation bits per byte and parameters, {whole:g} full trainings:\n")
        found = compare(HYPERVOLUME, "hypervolume", hypervolume_targets, options, trainings=whole)
        missed += misses(found, "hypervolume")
    if "regret" in parts:
        print(f"\nRegret in validation bits per byte, {whole:g} full trainings:\n")
        found = compare(REGRET, "regret", regret_targets, options, trainings=whole)
        missed += misses(found, "regret")
    if "peers" in parts:
        print(f"\nMulti-fidelity peers, hypervolume, {part:g} full trainings:\n")
        found = compare(HYPERVOLUME_PEERS, "hypervolume", hypervolume_targets, options, trainings=part)
        missed += misses(found, "hypervolume beside peers", (MOASHA,))
        print(f"\nMulti-fidelity peers, regret, {part:g} full trainings:\n")
        found = compare(REGRET_PEERS, "regret", regret_targets, options, trainings=part)
        missed += misses(found, "regret beside peers", (HYPERBAND,))
    if "use" in parts:
        print("\nEvaluation times multiplied by log-normal noise (σ = 1), 64 workers:\n")
        found = compare(
            ("evolution",), "hypervolume", ("evolution",), options, trainings=whole, workers=(64,), spread=1.0
        )
        if (use := found[0].workers_used) < LEAST_USE:
            missed.append(f"workers are in use {use:.1%} of the time; the bar is {LEAST_USE:.0%}")
    if "ablation" in parts:
        print(f"\nAblation, hypervolume, {whole:g} full trainings:\n")
        names = (*ABLATION, *options.variants.split(","))
        compare(names, "hypervolume", hypervolume_targets, options, trainings=whole, workers=(1, 16))
    return end(missed, not options.no_check)


if __name__ == "__main__":
    sys.exit(main())
