"""What the search machinery costs per evaluation, beside other systems that do the same work.

The evaluation is a no-op: objectives computed from eight numbers at once. What is left is the cost of proposing,
dispatching to one of two workers, collecting, storing and learning. Systems are timed in turn, round after round
(A B C A B C), each from the moment its first evaluations (the warm-up) have ended to the moment its last one has, so
that the start of processes, databases and studies counts for none. Shown is the median of the rounds (least–most).

- hrfevo: the real `Search`, NSGA-II (`genetic`, asynchronous), Ray actors and a SQLite store; no display.
- hrfevo, default algorithm: the same with `evolution`, whose surrogate takes its time to think.
- Bare Ray actor call: two actors, one call in flight each, nothing proposed or stored: the limit for hrfevo.
- DEAP: NSGA-II over a pool of two Ray processes, a generation per `map`, nothing stored.
- Optuna: samplers over SQLite. Two threads (`n_jobs=2`) evaluate in the process itself, so Optuna pays for no
  dispatch to another process. Random and TPE have one objective, NSGA-II two.
- Ray Tune: random search, two trials at once, class Trainable, actors reused, one objective, no checkpoints of trials;
  results go to CSV, JSON and TensorBoard files, its default.

Every system runs with its own defaults, durability included: hrfevo's SQLite is in WAL mode and waits for the disk at
checkpoints only, Optuna's waits at every commit. Not measured: training, start-up, memory, clusters, promotion between
rungs, large genomes, and how the cost grows over thousands of evaluations.

Ends with exit code 1 if hrfevo misses one of its bars (unless `--no-check`), 2 if a package is missing.
"""

from __future__ import annotations

import argparse
import cProfile
import logging
import os
import platform
import pstats
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from importlib import metadata
from io import StringIO
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # silences a warning of Ray's

try:
    import numpy as np
    import optuna
    import ray
    from deap import algorithms, base, tools
    from ray import tune
    from ray.util.multiprocessing import Pool

    from hrfevo.algorithms.breeding.individual import Fitness
    from hrfevo.algorithms.registry import make_algorithm
    from hrfevo.runner.loop import Search
    from hrfevo.space.search_space import SearchSpace
    from hrfevo.store.database import sqlite_url
    from hrfevo.store.store import Store
    from hrfevo.workers.base import Job, Outcome
    from hrfevo.workers.ray_workers import RayWorkers

    # tensorboardX comes with ray[tune]; without it Ray Tune would write less, and be faster.
    packages = ("ray", "tensorboardX", "optuna", "deap", "SQLAlchemy", "numpy")
    VERSIONS = ", ".join(f"{package} {metadata.version(package)}" for package in packages)
except ImportError as error:
    print(f"{Path(__file__).name}: {error}; install what it needs: pip install -e .[benchmark]", file=sys.stderr)
    sys.exit(2)

# The bars: ms per evaluation, and how many times cheaper than Ray Tune.
MOST_MS = 5.0
LEAST_RATIO = 10.0

WORKERS = 2
POPULATION = 16
WARM_UP = 2 * POPULATION
NAMES = [f"x{index}" for index in range(8)]

Stamps = list[float]  # the moment at which each evaluation was done with
System = Callable[[int, Path], Stamps]  # makes so many evaluations, keeps its files in a folder


def objectives(point: dict[str, float]) -> tuple[float, float]:
    """Two objectives that disagree about where the best point is."""
    return sum(x * x for x in point.values()), sum((x - 1) ** 2 for x in point.values())


class NoOp:
    """An evaluator that trains nothing."""

    def __call__(self, job: Job) -> Outcome:
        started = time.time()
        metrics = dict(zip(("bits_per_byte", "parameters"), objectives(dict(job.genome.values)), strict=True))
        return Outcome(job, "finished", metrics, started=started, ended=time.time(), worker=str(os.getpid()))


class Watch:
    """An observer that notes when evaluations end."""

    def __init__(self) -> None:
        self.stamps: Stamps = []

    def submitted(self, job: Job) -> None:
        """Of no interest."""

    def ended(self, outcome: Outcome, search: Search) -> None:
        self.stamps.append(time.perf_counter())


def hrfevo_default(evaluations: int, folder: Path) -> Stamps:
    return hrfevo(evaluations, folder, algorithm="evolution")


def hrfevo(
    evaluations: int, folder: Path, profile: cProfile.Profile | None = None, algorithm: str = "genetic"
) -> Stamps:
    """One whole search, put together as `hrfevo run` does."""
    space = SearchSpace.model_validate(
        {
            "name": "overhead",
            "genes": {name: {"type": "float", "low": 0.0, "high": 1.0} for name in NAMES},
            "objectives": {"bits_per_byte": "minimize", "parameters": "minimize"},
            "rungs": [1],
            "population": POPULATION,
            "budget": {"evaluations": evaluations},
        }
    )
    proposer = make_algorithm(algorithm, space, np.random.SeedSequence(0))
    store = Store(sqlite_url(folder / "results.db"))
    store.create_run("id", "overhead", {})
    workers = RayWorkers(NoOp(), space.resources, WORKERS)
    watch = Watch()
    try:
        search = Search("id", space, proposer, workers, store, training_seed=0)
        with store.writing():
            if profile:
                profile.runcall(search.run, watch)
            else:
                search.run(watch)
    finally:
        workers.close()
    kept = [evaluation for evaluation in store.evaluations("id") if evaluation.status == "finished"]
    store.close()
    assert len(kept) == evaluations, f"{len(kept)} of {evaluations} evaluations are in the store"
    return watch.stamps


def print_profile(evaluations: int) -> None:
    """Where hrfevo's time goes, as cProfile sees it: by part (cumulative), then by function."""
    profile = cProfile.Profile()
    with tempfile.TemporaryDirectory() as folder:
        hrfevo(WARM_UP + evaluations, Path(folder), profile)
    stats = pstats.Stats(profile).strip_dirs()
    stats.sort_stats("cumulative").print_stats(r"^(search|store|ray_workers|rungs|genetic|individual)\.py", 20)
    stats.sort_stats("tottime").print_stats(20)


@contextmanager
def running_ray() -> Iterator[None]:
    """A Ray on this machine, as quiet as hrfevo's."""
    options = {"num_cpus": WORKERS, "include_dashboard": False, "log_to_driver": False}
    ray.init(address="local", logging_level=logging.ERROR, **options)
    try:
        yield
    finally:
        ray.shutdown()


class Actor:
    """Calculates the objectives in a process of its own."""

    def objectives(self, point: dict[str, float]) -> tuple[float, float]:
        return objectives(point)


def bare_ray(evaluations: int, folder: Path) -> Stamps:
    point = dict.fromkeys(NAMES, 0.5)
    actors = [ray.remote(num_cpus=1)(Actor).remote() for _ in range(WORKERS)]
    running = {actor.objectives.remote(point): actor for actor in actors}
    stamps: Stamps = []
    while len(stamps) < evaluations:
        (done, *_), _ = ray.wait(list(running), num_returns=1)
        ray.get(done)
        stamps.append(time.perf_counter())
        actor = running.pop(done)
        running[actor.objectives.remote(point)] = actor
    for actor in actors:
        ray.kill(actor)
    return stamps


class Point(list[float]):
    """An individual as DEAP wants it."""

    def __init__(self, values: list[float]) -> None:
        super().__init__(values)
        self.fitness = Fitness((-1.0, -1.0))


def deap_pool(evaluations: int, folder: Path) -> Stamps:
    toolbox = base.Toolbox()
    toolbox.register("mate", tools.cxSimulatedBinaryBounded, eta=10.0, low=0.0, up=1.0)
    toolbox.register("mutate", tools.mutPolynomialBounded, eta=5.0, low=0.0, up=1.0, indpb=1 / len(NAMES))
    parents: list[Point] = []
    children = [Point([random.random() for _ in NAMES]) for _ in range(POPULATION)]
    stamps: Stamps = []
    pool = Pool(processes=WORKERS)
    while len(stamps) < evaluations:
        measured = pool.map(objectives, [dict(zip(NAMES, child, strict=True)) for child in children])
        for child, values in zip(children, measured, strict=True):
            child.fitness.values = values
        parents = tools.selNSGA2(parents + children, POPULATION)
        stamps += [time.perf_counter()] * len(children)
        children = algorithms.varAnd(tools.selTournamentDCD(parents, POPULATION), toolbox, cxpb=0.8, mutpb=1.0)
    pool.terminate()
    return stamps


class NoOpTrainable(tune.Trainable):
    """A trial that ends with its first step."""

    def setup(self, config: dict[str, Any]) -> None:
        self._point = config

    def step(self) -> dict[str, Any]:
        return {"loss": objectives(self._point)[0], "done": True}

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._point = new_config
        return True


class TuneWatch(tune.Callback):
    """Notes when trials end."""

    def __init__(self) -> None:
        self.stamps: Stamps = []

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.stamps.append(time.perf_counter())


def ray_tune(evaluations: int, folder: Path) -> Stamps:
    watch = TuneWatch()
    tuner = tune.Tuner(
        NoOpTrainable,
        param_space={name: tune.uniform(0.0, 1.0) for name in NAMES},
        tune_config=tune.TuneConfig(num_samples=evaluations, max_concurrent_trials=WORKERS, reuse_actors=True),
        run_config=tune.RunConfig(
            storage_path=str(folder),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            callbacks=[watch],
            verbose=0,
        ),
    )
    with redirect_stdout(StringIO()):  # verbose=0 is not silent
        results = tuner.fit()
    assert not results.errors, results.errors[0]
    return watch.stamps


def optuna_with(sampler: type[optuna.samplers.BaseSampler], count: int) -> System:
    """Optuna with a sampler and one or two objectives."""

    def evaluate(trial: optuna.Trial) -> tuple[float, ...]:
        return objectives({name: trial.suggest_float(name, 0.0, 1.0) for name in NAMES})[:count]

    def system(evaluations: int, folder: Path) -> Stamps:
        stamps: Stamps = []
        storage = optuna.storages.RDBStorage(f"sqlite:///{folder / 'optuna.db'}")
        study = optuna.create_study(storage=storage, sampler=sampler(), directions=["minimize"] * count)
        note = [lambda study, trial: stamps.append(time.perf_counter())]
        study.optimize(evaluate, n_trials=evaluations, n_jobs=WORKERS, callbacks=note)
        storage.engine.dispose()
        return stamps

    return system


HRFEVO, DEFAULT, TUNE = "hrfevo", "hrfevo, default algorithm", "Ray Tune, random, actors reused"
ON_RAY: dict[str, System] = {
    "bare Ray actor call (the limit)": bare_ray,
    "DEAP over a Ray pool, nothing stored": deap_pool,
    TUNE: ray_tune,
}
ON_OPTUNA = {
    "Optuna, random sampler, SQLite": optuna_with(optuna.samplers.RandomSampler, 1),
    "Optuna, TPE, SQLite": optuna_with(optuna.samplers.TPESampler, 1),
    "Optuna, NSGA-II, SQLite": optuna_with(optuna.samplers.NSGAIISampler, 2),
}
SYSTEMS = {HRFEVO: hrfevo, DEFAULT: hrfevo_default, **ON_RAY, **ON_OPTUNA}


def compare(counts: dict[str, int], repeats: int) -> dict[str, list[float]]:
    """Milliseconds per evaluation of every system, round after round."""
    found: dict[str, list[float]] = {name: [] for name in SYSTEMS}

    def measure(name: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            stamps = SYSTEMS[name](WARM_UP + counts[name], Path(folder))
        found[name].append(1000 * (stamps[-1] - stamps[WARM_UP - 1]) / (len(stamps) - WARM_UP))
        print(f"round {len(found[name])} of {repeats}: {name} {found[name][-1]:.3g} ms", file=sys.stderr)

    for _ in range(repeats):
        measure(HRFEVO)  # these two start a Ray of their own
        measure(DEFAULT)
        with running_ray():
            for name in ON_RAY:
                measure(name)
        for name in ON_OPTUNA:
            measure(name)
    return found


def print_table(found: dict[str, list[float]], counts: dict[str, int]) -> None:
    """Medians, cheapest first."""
    medians = {name: statistics.median(values) for name, values in found.items()}
    print("| system | evaluations | ms per evaluation (least–most) | ratio to hrfevo |\n|---|---:|---:|---:|")
    for name in sorted(medians, key=medians.__getitem__):
        spread = f"{medians[name]:.2f} ({min(found[name]):.2f}–{max(found[name]):.2f})"
        print(f"| {name} | {counts[name]:,} | {spread} | {medians[name] / medians[HRFEVO]:.2f} |")


def missed_bars(found: dict[str, list[float]]) -> list[str]:
    """Which bars hrfevo misses, in words."""
    cost, tunes = statistics.median(found[HRFEVO]), statistics.median(found[TUNE])
    missed = [f"hrfevo costs {cost:.2f} ms per evaluation; the bar is {MOST_MS:g}"] if cost > MOST_MS else []
    if tunes < LEAST_RATIO * cost:
        missed.append(f"hrfevo is {tunes / cost:.1f} times cheaper than Ray Tune; the bar is {LEAST_RATIO:g}")
    return missed


def positive(text: str) -> int:
    """A whole number above 0, for argparse."""
    if (number := int(text)) < 1:
        raise ValueError
    return number


def main() -> int:
    parser = argparse.ArgumentParser(description="What an evaluation costs besides the evaluation.")
    parser.add_argument("--evaluations", type=positive, default=1000, help="per round, after warm-up (%(default)s)")
    parser.add_argument("--slow-evaluations", type=positive, default=100, help="of Optuna and Tune (%(default)s)")
    parser.add_argument("--repeats", type=positive, default=3, help="rounds (%(default)s)")
    parser.add_argument("--profile", action="store_true", help="only show where hrfevo's time goes")
    parser.add_argument("--no-check", action="store_true", help="exit with 0 whatever the figures are")
    options = parser.parse_args()
    print(f"{os.cpu_count()} CPUs ({platform.machine()}), Python {platform.python_version()}, {VERSIONS}", end="")
    print(f", SQLite {sqlite3.sqlite_version}; {WORKERS} workers, {len(NAMES)} genes, {WARM_UP} warm-up evaluations\n")
    if options.profile:
        print_profile(options.evaluations)
        return 0
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    counts = {name: options.slow_evaluations if name in (TUNE, *ON_OPTUNA) else options.evaluations for name in SYSTEMS}
    found = compare(counts, options.repeats)
    print_table(found, counts)
    missed = missed_bars(found)
    for sentence in missed:
        print(f"missed: {sentence}", file=sys.stderr)
    return 1 if missed and not options.no_check else 0


if __name__ == "__main__":
    sys.exit(main())
