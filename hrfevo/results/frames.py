"""Store records as pandas frames; what figures and notebooks start from."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from hrfevo.pareto import non_dominated
from hrfevo.results.averaging import Means, least
from hrfevo.results.gene_frames import gene_frame, with_genes
from hrfevo.results.history import History
from hrfevo.space.metrics import METRICS, TIMED, Direction, Metric
from hrfevo.space.search_space import SearchSpace
from hrfevo.workers.base import TRAIN_STEPS, Point
from signal_model.config.task import CONFUSED

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
_STANDING = ("front", "place")
# The least that each took when it was timed again, in milliseconds, by column.
_ALONE = {f"alone:{name}": name for name in TIMED}
# What records have beside metrics.
_RECORDED = (
    *("number", "genome", "birth", "operator", "parents", "rung", "status", "reason", "worker"),
    *("submitted", "started", "ended", "ended_event"),
)


def evaluation_frame(history: History) -> pd.DataFrame:
    """One row per evaluation: origin, status, metrics, and a column `gene:<name>` per gene.

    `began` and `minutes` are its start and end in minutes since the first submission, `spent` the seconds of
    training that it took: for one that went on from a lower rung, only those since. `seeds` is of how many its
    metrics are the mean: 1, but for evaluations of `History.with_means`. `front` marks the non-dominated ones of
    the highest rung reached, and `place` says where they stand in `History.front`, 0 for the best. Genes of layers
    are `gene:layers[0].<name>`, with `gene:layers` their number; an interval is a pair (low, high); genes that are
    not active are missing.
    """
    fields = (*_RECORDED, "metrics", "timings")
    frame = _measured(record_frame({name: [getattr(one, name) for one in history] for name in fields}), history.space)
    frame["seeds"] = np.array([one.seeds for one in history], "int64")
    places = {winner.number: place for place, winner in enumerate(history.front)}
    frame["place"] = frame["number"].map(places).astype("Int64")
    frame["front"] = frame["place"].notna()
    return with_genes(frame, gene_frame(history.space, {one.genome: one.values for one in history}))


def record_frame(columns: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    """Evaluations from fields of theirs, each a column (see `Store.columns`): a column for each metric, known or not.

    `alone:<metric>` is the least time that was measured again, in milliseconds, NaN for none.
    """
    metrics, timings = columns["metrics"], columns["timings"]
    fields = {name: values for name, values in columns.items() if name not in ("metrics", "timings")}
    # Of each status one object: it is compared again and again, and with itself that is fast.
    fields["status"] = [*map(sys.intern, columns["status"])]
    names = {name for name in set().union(*metrics) if CONFUSED not in name}  # these are told by a table of their own
    measured = {name: [one.get(name) for one in metrics] for name in names}
    least_times = [least(some) for some in timings]
    alone = {column: [one.get(name) for one in least_times] for column, name in _ALONE.items()}
    told = dict.fromkeys(METRICS, np.nan) | measured | alone
    kinds = dict.fromkeys((*told, "submitted", "started", "ended", "ended_event"), "float64")
    kinds |= dict.fromkeys(("number", "birth", "rung"), "int64")
    index = pd.RangeIndex(len(metrics))
    return pd.DataFrame({name: pd.Series(v, index, kinds.get(name, "object")) for name, v in (fields | told).items()})


def updated(records: pd.DataFrame, changed: pd.DataFrame) -> pd.DataFrame:
    """Records of which some have changed, and some are new."""
    kept = records[~records["number"].isin(changed["number"])]
    return pd.concat([kept, changed]).sort_values("number", kind="stable", ignore_index=True)


def score_frame(records: pd.DataFrame, space: SearchSpace) -> pd.DataFrame:
    """`evaluation_frame` of `History.with_means`, but the genes, from the records of all evaluations."""
    frame = _measured(records, space)
    names = [*map(str, frame.columns)][len((*_COLUMNS, *_TIMES, *_STANDING)) :]
    metrics, alone = frame[names].to_numpy(copy=True), records[[*_ALONE]].to_numpy()
    finished, rungs = (records["status"] == "finished").to_numpy(), records["rung"].to_numpy()
    top = np.flatnonzero(finished & (rungs == rungs[finished].max(initial=0)))
    objectives = [names.index(name) for name in space.objectives]
    found = Means.of(records["genome"].to_numpy()[top], metrics[top], objectives)
    places, doubts = top[found.first], found.doubts.copy()
    metrics[places] = found.values
    known = ~np.isnan(alone[places])
    timed = np.flatnonzero(known.any(axis=1))
    for column, name in enumerate(_ALONE.values()):
        some = np.flatnonzero(known[:, column])
        if not len(some):
            continue
        metrics[places[some], names.index(name)] = alone[places[some], column]
        if name in space.objectives:
            doubts[some, [*space.objectives].index(name)] = 0.0
    broken = [place for place in timed if space.violation(_known(names, metrics[places[place]]))]
    peers = np.delete(np.arange(len(places)), broken)
    losses = doubts - metrics[np.ix_(places, objectives)] * space.weights
    winners = peers[non_dominated(losses[peers])].tolist()
    winners.sort(key=lambda one: (*losses[one], records["genome"].iat[places[one]]))
    seeds, place = np.ones(len(frame), "int64"), pd.Series(pd.NA, frame.index, "Int64")
    seeds[places] = found.counts
    place.iloc[places[winners]] = range(len(winners))
    if len(places) < len(top) or len(timed):
        frame = frame.assign(**dict(zip(names, metrics.T, strict=True)))
    return frame.assign(seeds=seeds, front=place.notna(), place=place)


def curve_frame(curves: Mapping[int, Sequence[Point]]) -> pd.DataFrame:
    """One row per point of every learning curve; `number` is that of the evaluation."""
    rows = [(number, p.step, p.seconds, p.bits_per_byte) for number, points in curves.items() for p in points]
    return pd.DataFrame(rows, columns=["number", "step", "seconds", "bits_per_byte"])


def finished_at(frame: pd.DataFrame, rung: int | None = None) -> pd.DataFrame:
    """The finished genomes of a rung, by default of the highest reached, in order of birth.

    Scores from different rungs are never compared with one another. Of a genome with several seeds it is the first
    evaluation, which has the means in frames that have any: no other seed, lucky or not, stands beside these.
    """
    finished = frame[frame["status"] == "finished"]
    rung = finished["rung"].max() if rung is None else rung
    return finished[finished["rung"] == rung].drop_duplicates("genome").sort_values("birth", kind="stable")


def best_of(top: pd.DataFrame, objectives: Objectives) -> pd.Series:
    """The first of the front; where none of it is among them, the best by the first objective, of equals the next."""
    rising = [direction == "minimize" for direction in objectives.values()]
    return top.sort_values(["place", *objectives, "genome"], ascending=[True, *rising, True]).iloc[0]


def _measured(records: pd.DataFrame, space: SearchSpace) -> pd.DataFrame:
    """The columns of `evaluation_frame` but the genes, each evaluation as it was measured and none on the front."""
    began, lasted = records["submitted"].min(), records["ended"] - records["started"]
    steps = np.array(space.rungs, "int64")[records["rung"]]
    # `train_seconds` counts from the first step, also where a training went on from a lower rung: of them, its own.
    own = (records[TRAIN_STEPS] / steps).fillna(1.0) if TRAIN_STEPS in records else 1.0
    trained = own * records.get("train_seconds", lasted)
    others = sorted({*map(str, records.columns)} - {*_RECORDED, *_ALONE, *METRICS})
    of_task = [name for name, one in METRICS.items() if one.task in (None, space.task)]
    found = records.assign(
        generation=records["birth"].map(space.generation_of).astype("int64"),
        steps=steps,
        seeds=np.ones(len(records), "int64"),
        began=(records["started"] - began) / 60,
        minutes=(records["ended"] - began) / 60,
        spent=lasted.mask(trained < lasted, trained),
        front=np.zeros(len(records), bool),
        place=pd.Series(pd.NA, records.index, "Int64"),
    )
    return found[[*_COLUMNS, *_TIMES, *_STANDING, *of_task, *others]]


def _known(names: Sequence[str], values: np.ndarray) -> dict[str, float]:
    return {name: value for name, value in zip(names, values.tolist(), strict=True) if value == value}
