"""What the page's script needs to show a genome's card, in few characters: names once, values in columns."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from hrfevo.results.history import History
from hrfevo.space.metrics import METRICS, RECORDED
from hrfevo.space.ranges import rounded
from hrfevo.views.figures.style import metric_format
from hrfevo.views.terminal.tables import short_names
from hrfevo.workers.base import Point

# Points that all curves of the page have together, and how few or many one of them has.
POINTS, FEWEST, MOST = 40_000, 8, 40


class Table:
    """Values by number, each written down once."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._places: dict[str, int] = {}

    def __call__(self, value: Any) -> int:
        """The number of a value."""
        # 1, 1.0 and true are equal in Python, and different settings.
        key = json.dumps(value)
        if key not in self._places:
            self._places[key] = len(self.values)
            self.values.append(value)
        return self._places[key]


def card_data(
    history: History, curves: Mapping[int, Sequence[Point]], drawn: Collection[int] | None = None
) -> dict[str, Any]:
    """All genomes and evaluations of a run, or those whose numbers are `drawn`, for JSON.

    What is said of all stays true: the place of an evaluation among all of its rung, how many children a genome has.

    Metrics have their words and their format. Genes of a genome are `[shape, value, …]`, where `shapes[shape]` are the
    names of the genes; its layers are numbers into `layers`, where each stands likewise: offspring share most of
    theirs with their parents. Statuses, reasons and operators are numbers into lists. Curves are thinned to at most
    `MOST` points each: `[grid, value, …]`, where `grids[grid]` are the steps; 0 for none.
    """
    space, places = history.space, _places(history)
    children = Counter(parent for e in {e.genome: e for e in history}.values() for parent in {*e.parents})
    peers = Counter(e.rung for e in history.finished)
    kept = None if drawn is None else {*drawn}
    evaluations = [e for e in history if kept is None or e.number in kept]
    inner = getattr(space.genes.get("layers"), "genes", {})
    short = short_names([*space.genes, *inner])
    operators, shapes, layers, statuses, reasons, grids = (Table() for _ in range(6))
    place: dict[str, int] = {}
    names = ("id", "birth", "operator", "parents", "children", "genes", "layers")
    genomes: dict[str, list[Any]] = {name: [] for name in names}
    for evaluation in evaluations:
        if evaluation.genome in place:
            continue
        place[evaluation.genome] = len(place)
        values = dict(evaluation.values)
        found = values.pop("layers", [])
        genomes["id"].append(evaluation.genome)
        genomes["birth"].append(evaluation.birth)
        genomes["operator"].append(operators(evaluation.operator))
        genomes["parents"].append(list(evaluation.parents))
        genomes["children"].append(children[evaluation.genome])
        genomes["genes"].append(list(_packed(values, short, shapes)))
        genomes["layers"].append([layers(_packed(layer, short, shapes)) for layer in found])
    genomes["parents"] = [[place.get(one, one) for one in parents] for parents in genomes["parents"]]
    metrics = [*METRICS, *RECORDED]
    metrics += sorted({name for evaluation in evaluations for name in evaluation.metrics} - set(metrics))
    metrics = [name for name in metrics if any(name in evaluation.metrics for evaluation in evaluations)]
    winners = {evaluation.number for evaluation in history.front}
    length = int(np.clip(POINTS // max(1, len(evaluations)), FEWEST, MOST))
    return {
        "population": space.population,
        "peers": [peers[rung] for rung in range(len(space.rungs))],
        "steps": space.rungs,
        "objectives": dict(space.objectives),
        "loss": f"training loss, {space.measure(space.loss).unit}",
        "metrics": {name: (space.measure(name).heading, metric_format(name)) for name in metrics},
        "genomes": genomes,
        "evaluations": {
            "number": [e.number for e in evaluations],
            "genome": [place[e.genome] for e in evaluations],
            "rung": [e.rung for e in evaluations],
            "status": [statuses(e.status) for e in evaluations],
            "reason": [reasons(e.reason) for e in evaluations],
            "place": [places.get(e.number, 0) for e in evaluations],
            "front": [i for i, e in enumerate(evaluations) if e.number in winners],
            "values": {name: [_number(e.metrics.get(name)) for e in evaluations] for name in metrics},
            "curves": [_thinned(curves.get(e.number, ()), length, grids) for e in evaluations],
        },
        "operators": operators.values,
        "layers": layers.values,
        "shapes": [list(shape) for shape in shapes.values],
        "statuses": statuses.values,
        "reasons": reasons.values,
        "grids": [list(grid) for grid in grids.values],
    }


def _places(history: History) -> dict[int, int]:
    """Of each finished evaluation its place among those of its rung by the first objective, 1 for the best."""
    (metric, direction), finished = history.space.first_objective, history.finished
    scores = pd.DataFrame({"rung": [e.rung for e in finished], "score": [e.metrics[metric] for e in finished]})
    ranks = scores.groupby("rung")["score"].rank(method="min", ascending=direction == "minimize")
    return dict(zip((e.number for e in finished), ranks.astype(int), strict=True))


def _packed(values: Mapping[str, Any], short: Mapping[str, str], shapes: Table) -> tuple[Any, ...]:
    shape = shapes(tuple(short.get(name, name) for name in values))
    return (shape, *(_plain(value) for value in values.values()))


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    return tuple(_plain(item) for item in value) if isinstance(value, list) else value


def _number(value: float | None) -> float | int | None:
    if value is None or not np.isfinite(value):
        return None
    return int(value) if float(value).is_integer() else rounded(value)


def _thinned(points: Sequence[Point], length: int, grids: Table) -> list[float] | int:
    """Evenly chosen points, the first and the last among them; 0 for none."""
    if not points:
        return 0
    places = np.unique(np.linspace(0, len(points) - 1, min(length, len(points))).round().astype(int))
    chosen = [points[place] for place in places]
    return [grids(tuple(p.step for p in chosen)), *(float(f"{p.bits_per_byte:.4g}") for p in chosen)]
