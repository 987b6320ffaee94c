"""Searches put together by hand, and who watches them in silence."""

from __future__ import annotations

from typing import Any

import numpy as np

from hrfevo.algorithms.registry import make_algorithm
from hrfevo.runner.loop import Search
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.store import Store
from hrfevo.workers.base import Workers

# An observer that says nothing.
QUIET = type("Quiet", (), {"submitted": lambda *_: None, "ended": lambda *_: None})()


def search(space: SearchSpace, workers: Workers, store: Store, run: str, **options: Any) -> Search:
    """Of one seed; `options` are those of `Search`, beside `algorithm` and `synchronous`."""
    name, synchronous = options.pop("algorithm", "evolution"), options.pop("synchronous", False)
    algorithm = make_algorithm(name, space, np.random.SeedSequence(0), synchronous)
    return Search(run, space, algorithm, workers, store, training_seed=5, **options)


def statuses(store: Store) -> list[str]:
    """Of the evaluations of the run that is called `run`, as the fixture `store` has it."""
    return [evaluation.status for evaluation in store.evaluations("run")]
