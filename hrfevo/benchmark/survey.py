"""A survey of a space: some of its genomes, trained to every rung, some with several seeds. One Parquet file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from hrfevo.benchmark.ensemble import Kernels
from hrfevo.benchmark.table import ABOUT, BY_RUNG, FIXED, refuse_unknowable
from hrfevo.space.genome import Genome, express
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.records import Evaluation
from signal_model.support.errors import InputError, counted

# Fewer genomes than these tell nothing of a space.
LEAST = 20
_BY_RUNG = (*BY_RUNG, "train_seconds")


def survey_schema() -> pa.Schema:
    """A row per training; list columns have an entry for each rung that was finished, the last for each pass."""
    floats = pa.list_(pa.float32())
    return pa.schema(
        [("genome", pa.string()), ("seed", pa.int64()), ("reason", pa.string())]
        + [(name, pa.int64()) for name in FIXED]
        + [(name, floats) for name in _BY_RUNG]
        + [("step_times_again", floats)]
    )


def survey_of_run(
    space: SearchSpace,
    evaluations: Sequence[Evaluation],
    about: dict[str, Any],
    step_times: Mapping[str, Sequence[float]] | None = None,
) -> pa.Table:
    """A run of the algorithm `survey` as a table, one row per training; the run need not have ended.

    `step_times` are those that were measured again, by genome.
    Raises InputError if what it measured cannot be emulated, or is too little.
    """
    refuse_unknowable("space", space)
    trainings: dict[tuple[str, int], list[Evaluation]] = {}
    for evaluation in evaluations:
        if evaluation.status != "running":
            trainings.setdefault((evaluation.genome, evaluation.seed), []).append(evaluation)
    again = step_times or {}
    rows = [
        _row(sorted(stations, key=lambda e: e.rung), again.get(genome, ()))
        for (genome, _), stations in trainings.items()
    ]
    whole = {row["genome"] for row in rows if len(row["bits_per_byte"]) == len(space.rungs)}
    if len(whole) < LEAST:
        raise InputError(f"run: {counted(len(whole), 'genome')} trained to the last rung; an emulator needs {LEAST}")
    table = pa.Table.from_pylist(rows, schema=survey_schema())
    return table.replace_schema_metadata({ABOUT: json.dumps(about)})


def _row(stations: Sequence[Evaluation], step_times: Sequence[float]) -> dict[str, Any]:
    finished = [e for e in stations if e.status == "finished"]
    metrics, last = stations[0].metrics, stations[-1]
    return {
        "genome": Genome(last.values).text,
        "seed": last.seed,
        "reason": "" if last.status == "finished" else f"{last.status}: {last.reason}",
        **{name: int(metrics[name]) if name in metrics else None for name in FIXED},
        **{name: [e.metrics[name] for e in finished] for name in ("bits_per_byte", "step_time", "train_seconds")},
        "seconds": [e.seconds for e in stations],
        "step_times_again": list(step_times),
    }


@dataclass(frozen=True)
class Failure:
    """A training that failed on the way to a rung, and why."""

    genome: Genome
    parameters: float
    rung: int
    reason: str


@dataclass(frozen=True)
class Survey:
    """What was measured, by genome: means over seeds of those that came to the last rung."""

    space: SearchSpace
    genomes: list[Genome]
    sizes: dict[str, np.ndarray]
    """Of the untrained models, by the name of the metric, (genomes,)."""
    log_losses: np.ndarray
    """Logarithms of bits per byte, (genomes, rungs)."""
    log_step_times: np.ndarray
    """Logarithms of milliseconds, undisturbed: of the fastest pass or else rung, (genomes,)."""
    deviations: np.ndarray
    """Of log losses, (trainings, rungs), from the mean of their genome, enlarged to be as wide as between any two."""
    step_time_noise: float
    """How much longer the second fastest pass (or else seed) takes than the fastest, in logarithms: the median."""
    overheads: np.ndarray
    """To build, validate and keep a model at each rung takes as long as so many steps, (rungs,)."""
    refusal_seconds: float
    """That it takes to see that a genome breaks a bound."""
    failures: list[Failure]
    repeated: int
    """Genomes that were trained with several seeds."""
    trainings: int
    """Of genomes that keep to the bounds, with whatever end."""
    kernels: Kernels | None
    """Those of an `Ensemble`, where they were learned before."""


def read_survey(table: pa.Table, space: SearchSpace) -> Survey:
    """What a file of `survey_of_run` holds."""
    rungs = len(space.rungs)
    rows = table.to_pylist()
    trained = [row for row in rows if row["bits_per_byte"] or row["reason"].startswith("failed")]
    whole: dict[str, list[dict[str, Any]]] = {}
    for row in trained:
        if len(row["bits_per_byte"]) == rungs:
            whole.setdefault(row["genome"], []).append(row)
    losses = [np.log([row["bits_per_byte"] for row in seeds]) for seeds in whole.values()]
    passes = [np.log(seeds[0]["step_times_again"]) for seeds in whole.values()]
    times = [
        again if len(again) else np.log([min(row["step_time"]) for row in seeds])
        for again, seeds in zip(passes, whole.values(), strict=True)
    ]
    repeated = [_deviations(values) for values in losses if len(values) > 1]
    seconds_best = [np.diff(np.sort(values)[:2]) for values in times if len(values) > 1]
    refused = [row["seconds"][0] for row in rows if row["reason"].startswith("infeasible")]
    return Survey(
        space,
        [Genome(json.loads(text)) for text in whole],
        {name: np.array([seeds[0][name] for seeds in whole.values()], float) for name in FIXED},
        np.array([values.mean(axis=0) for values in losses]),
        np.array([values.min() for values in times]),
        np.concatenate(repeated) if repeated else np.zeros((1, rungs)),
        float(np.median(seconds_best)) if seconds_best else 0.0,
        _overheads([row for seeds in whole.values() for row in seeds], space.rungs),
        float(np.median(refused)) if refused else 0.0,
        [_failure(space, row) for row in trained if row["reason"].startswith("failed")],
        len(repeated),
        len(trained),
        json.loads(table.schema.metadata[ABOUT]).get("kernels"),
    )


def _failure(space: SearchSpace, row: dict[str, Any]) -> Failure:
    genome, reason = Genome(json.loads(row["genome"])), row["reason"].partition(": ")[2]
    # A worker that died has not told what it had counted.
    parameters = row["parameters"] or parameters_of(space, genome)
    return Failure(genome, parameters, len(row["bits_per_byte"]), reason)


def parameters_of(space: SearchSpace, genome: Genome) -> int:
    """Of the untrained model of a genome."""
    from signal_model.model import build_model, count_parameters

    return count_parameters(build_model(express(space, genome, seed=0).model, 0))


def _deviations(values: np.ndarray) -> np.ndarray:
    """From the mean over seeds, the first axis."""
    enlarged: np.ndarray = (values - values.mean(axis=0)) * np.sqrt(len(values) / (len(values) - 1))
    return enlarged


def _overheads(rows: Sequence[dict[str, Any]], rungs: Sequence[int]) -> np.ndarray:
    trained = np.diff([row["train_seconds"] for row in rows], axis=1, prepend=0.0)
    besides = np.array([row["seconds"] for row in rows]) - trained
    # By the mean step of the same evaluation: what disturbed the one disturbed the other.
    steps: np.ndarray = np.median(besides / (trained / np.diff(rungs, prepend=0)), axis=0)
    return steps.clip(0.0)
