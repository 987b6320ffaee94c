"""A survey of a space: some of its genomes, trained to every rung, some with several seeds. One Parquet file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from hrfevo.benchmark.table import ABOUT, BY_RUNG, FIXED
from hrfevo.store import Evaluation
from signal_model.errors import InputError


def survey_of_run(evaluations: Sequence[Evaluation], about: dict[str, Any]) -> pa.Table:
    """A run of the algorithm `survey` as a table, one row per training; the run need not have ended.

    Raises InputError if no training has come to the last rung.
    """
    trainings: dict[tuple[str, int], list[Evaluation]] = {}
    for evaluation in evaluations:
        if evaluation.status != "running":
            trainings.setdefault((evaluation.genome, evaluation.seed), []).append(evaluation)
    rows = [_row(sorted(stations, key=lambda e: e.rung)) for stations in trainings.values()]
    if not any(row["bits_per_byte"] for row in rows):
        raise InputError("run: no training has finished")
    table = pa.Table.from_pylist(rows, schema=survey_schema())
    return table.replace_schema_metadata({ABOUT: json.dumps(about)})


def survey_schema() -> pa.Schema:
    """A row per training; list columns have an entry for each rung that was finished."""
    floats = pa.list_(pa.float32())
    return pa.schema(
        [("genome", pa.string()), ("seed", pa.int64()), ("reason", pa.string())]
        + [(name, pa.int64()) for name in FIXED]
        + [(name, floats) for name in BY_RUNG]
    )


def _row(stations: Sequence[Evaluation]) -> dict[str, Any]:
    finished = [e for e in stations if e.status == "finished"]
    metrics, last = stations[0].metrics, stations[-1]
    text = json.dumps(last.values, sort_keys=True, separators=(",", ":"))
    return {
        "genome": text,
        "seed": last.seed,
        "reason": "" if last.status == "finished" else f"{last.status}: {last.reason}",
        **{name: int(metrics[name]) if name in metrics else None for name in FIXED},
        "bits_per_byte": [e.metrics["bits_per_byte"] for e in finished],
        "step_time": [e.metrics["step_time"] for e in finished],
        "seconds": [e.seconds for e in stations],
    }
