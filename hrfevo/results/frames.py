"""Store records as pandas frames; what figures and notebooks start from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from hrfevo.results.history import History
from hrfevo.space.genes import BaseGene, FloatGene, IntGene, LayersGene
from hrfevo.space.genome import flat
from hrfevo.space.metrics import METRICS, Direction, Metric
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.store import Evaluation
from hrfevo.workers.base import Point

GENE = "gene:"

Objectives = Mapping[Metric, Direction]

_COLUMNS = (
    "number",
    "genome",
    "birth",
    "generation",
    "operator",
    "parents",
    "rung",
    "steps",
    "status",
    "seeds",
    "reason",
    "worker",
)
_TIMES = ("began", "minutes", "spent")


def evaluation_frame(history: History) -> pd.DataFrame:
    """One row per evaluation: origin, status, metrics, and a column `gene:<name>` per gene.

    `began` and `minutes` are its start and end in minutes since the first submission, `spent` the seconds of training
    that it took: for one that went on from a lower rung, only those since. `seeds` is of how many its metrics are the
    mean: 1, but for evaluations of `History.with_means`. `front` marks the non-dominated ones of the
    highest rung reached. Genes of layers are `gene:layers[0].<name>`, with `gene:layers` their number;
    an interval is a pair (low, high); genes that are not active are missing.
    """
    space, began = history.space, min((evaluation.submitted for evaluation in history), default=0.0)
    winners = {evaluation.number for evaluation in history.front}
    rows = [_row(evaluation, space, began, evaluation.number in winners) for evaluation in history]
    genes = sorted({name for row in rows for name in row if name.startswith(GENE)}, key=_gene_order(space))
    measured = [*METRICS, *sorted({name for e in history for name in e.metrics} - set(METRICS))]
    kinds: dict[str, str] = dict.fromkeys((*_TIMES, *measured), "float64")
    kinds |= dict.fromkeys(("number", "birth", "generation", "rung", "steps", "seeds"), "int64") | {"front": "bool"}
    kinds |= {name: _kind(space, name) for name in genes}
    columns = [*_COLUMNS, *_TIMES, "front", *measured, *genes]
    # Each column by itself: pandas would make the choice 1 into 1.0 where others are missing.
    return pd.DataFrame(
        {name: pd.Series([row.get(name) for row in rows], dtype=kinds.get(name, "object")) for name in columns}
    )


def updated_frame(frame: pd.DataFrame, changed: Sequence[Evaluation], history: History) -> pd.DataFrame:
    """`evaluation_frame(history)` at the price of what changed since `frame` was made."""
    if not changed:
        return frame
    if frame.empty:
        return evaluation_frame(history)
    part = evaluation_frame(history.among(changed))
    began, began_part = (min(evaluation.submitted for evaluation in some) for some in (history, changed))
    part[["began", "minutes"]] += (began_part - began) / 60
    whole = pd.concat([frame[~frame["number"].isin(part["number"])], part]).sort_values("number", ignore_index=True)
    # What was behind the front stays behind it, unless genomes are trained again, with other seeds.
    numbers = {*frame.loc[frame["front"], "number"], *part["number"]}
    again = finished_at(whole)["genome"].duplicated().any()
    candidates = history if again else history.among(e for e in history if e.number in numbers)
    whole["front"] = whole["number"].isin([winner.number for winner in candidates.front])
    genes = sorted(gene_columns(whole), key=_gene_order(history.space))
    others = sorted({str(name) for name in whole.columns} - {*_COLUMNS, *_TIMES, "front", *METRICS, *genes})
    return whole[[*_COLUMNS, *_TIMES, "front", *METRICS, *others, *genes]]


def curve_frame(curves: Mapping[int, Sequence[Point]]) -> pd.DataFrame:
    """One row per point of every learning curve; `number` is that of the evaluation."""
    rows = [(number, p.step, p.seconds, p.bits_per_byte) for number, points in curves.items() for p in points]
    return pd.DataFrame(rows, columns=["number", "step", "seconds", "bits_per_byte"])


def finished_at(frame: pd.DataFrame, rung: int | None = None) -> pd.DataFrame:
    """The finished evaluations of a rung, by default of the highest reached, in order of birth.

    Scores from different rungs are never compared with one another.
    """
    finished = frame[frame["status"] == "finished"]
    rung = finished["rung"].max() if rung is None else rung
    return finished[finished["rung"] == rung].sort_values("birth", kind="stable")


def best_of(top: pd.DataFrame, metric: str, direction: Direction) -> pd.Series:
    """The evaluation that leads the front, or the rest where none of the front is among them."""
    rising = [False, direction == "minimize", True]
    return top.sort_values(["front", metric, "genome"], ascending=rising).iloc[0]


def gene_columns(frame: pd.DataFrame) -> list[str]:
    """The columns that hold values of genes."""
    return [name for name in map(str, frame.columns) if name.startswith(GENE)]


def gene_of(space: SearchSpace, column: str) -> BaseGene:
    """The gene whose values a column holds."""
    return _place_of(space, column)[0]


def _row(evaluation: Evaluation, space: SearchSpace, began: float, front: bool) -> dict[str, Any]:
    started, ended = evaluation.started, evaluation.ended
    lasted = None if started is None or ended is None else ended - started
    # `train_seconds` counts from the first step, also where a training went on from a lower rung.
    spent = None if lasted is None else min(lasted, evaluation.metrics.get("train_seconds", lasted))
    return {
        "number": evaluation.number,
        "genome": evaluation.genome,
        "birth": evaluation.birth,
        "generation": space.generation_of(evaluation.birth),
        "operator": evaluation.operator,
        "parents": evaluation.parents,
        "rung": evaluation.rung,
        "steps": space.rungs[evaluation.rung],
        "status": evaluation.status,
        "seeds": evaluation.seeds,
        "reason": evaluation.reason,
        "worker": evaluation.worker,
        "began": None if started is None else (started - began) / 60,
        "minutes": None if ended is None else (ended - began) / 60,
        "spent": spent,
        "front": front,
        **evaluation.metrics,
        **{f"{GENE}{name}": _cell(value) for name, value in flat(evaluation.values).items()},
    }


def _cell(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _place_of(space: SearchSpace, column: str) -> tuple[BaseGene, tuple[int, int, int]]:
    """The gene of a column, and where it stands among all columns."""
    name = column.removeprefix(GENE)
    names = list(space.genes)
    if not name.startswith("layers["):
        return space.genes[name], (names.index(name), -1, 0)
    layers = space.genes["layers"]
    assert isinstance(layers, LayersGene)
    index, _, inner = name.removeprefix("layers[").partition("].")
    return layers.genes[inner], (names.index("layers"), int(index), list(layers.genes).index(inner))


def _gene_order(space: SearchSpace) -> Callable[[str], tuple[int, int, int]]:
    return lambda column: _place_of(space, column)[1]


def _kind(space: SearchSpace, column: str) -> str:
    gene, _ = _place_of(space, column)
    if isinstance(gene, IntGene | LayersGene):
        return "Int64"
    return "float64" if isinstance(gene, FloatGene) else "object"
