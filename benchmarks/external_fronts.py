"""The best fronts of COCO's functions that long searches find, as `external_fronts.json` holds them.

    python -m benchmarks.external_fronts

COCO knows no optimal fronts of these functions. Of each, NSGA-II (pymoo; Deb et al. 2002) evaluates 50,000 points from
each of four seeds, 250 times what is compared; the hypervolume is that of all four fronts together, the ideal
their smallest values, the nadir COCO's own. Takes some minutes.
"""

from __future__ import annotations

import json
from importlib import metadata
from typing import Any

import numpy as np
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.problem import Problem
from pymoo.core.repair import Repair
from pymoo.optimize import minimize

from benchmarks.external_tables import FRONTS, FUNCTIONS, coco_function, hypervolume

POPULATION, EVALUATIONS, SEEDS = 200, 50_000, 4


class Whole(Repair):
    """The first variables are whole numbers."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._count = count

    def _do(self, problem: Problem, points: np.ndarray, **_: Any) -> np.ndarray:
        points = points.copy()
        points[:, : self._count] = np.round(points[:, : self._count])
        return points


class Function(Problem):
    """One of COCO's, as pymoo has problems."""

    def __init__(self, function: Any) -> None:
        super().__init__(n_var=function.dimension, n_obj=2, xl=function.lower_bounds, xu=function.upper_bounds)
        self._function = function

    def _evaluate(self, points: np.ndarray, out: dict[str, Any], *_: Any, **__: Any) -> None:
        out["F"] = np.array([self._function(point) for point in points])


def best_known(name: str) -> dict[str, Any]:
    """Ideal, nadir and the hypervolume that searches are measured against."""
    function = coco_function(name)
    fronts = []
    for seed in range(SEEDS):
        algorithm = NSGA2(pop_size=POPULATION, repair=Whole(function.number_of_integer_variables))
        fronts.append(minimize(Function(function), algorithm, ("n_eval", EVALUATIONS), seed=seed).F)
    ideal = np.concatenate(fronts).min(axis=0)
    nadir = np.array(function.largest_fvalues_of_interest)
    volume = hypervolume(ideal, nadir).of
    found = volume(np.concatenate(fronts))
    shares = ", ".join(f"{volume(front) / found:.4f}" for front in fronts)
    print(f"{name}: {found:.6f}; of it the seeds alone: {shares}", flush=True)
    return {"ideal": ideal.tolist(), "nadir": nadir.tolist(), "hypervolume": found}


def main() -> None:
    fronts = {name: best_known(name) for name in FUNCTIONS}
    made_with = {package: metadata.version(package) for package in ("coco-experiment", "pymoo")}
    lines = ",\n".join(f'"{key}": {json.dumps(value)}' for key, value in {"made with": made_with, **fronts}.items())
    FRONTS.write_text(f"{{\n{lines}\n}}\n")


if __name__ == "__main__":
    main()
