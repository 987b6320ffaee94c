"""Everything in a run as a table: CSV or Parquet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pandas as pd

from hrfevo.results.frames import curve_frame, evaluation_frame
from hrfevo.results.gene_frames import gene_columns, gene_of
from hrfevo.results.history import History
from hrfevo.space.genes import is_numeric
from hrfevo.space.genome import Genome
from hrfevo.workers.base import Point

TableFormat = Literal["csv", "parquet"]

# What the report has no use for. Times are seconds since the epoch.
_KEPT: dict[str, str] = {
    "seed": "int64",
    "detail": "object",
    "worker": "object",
    "device": "object",
    "submitted": "float64",
    "started": "float64",
    "ended": "float64",
    "submitted_event": "int64",
    "ended_event": "Int64",
    "timings": "object",
}


def evaluations_table(history: History) -> pd.DataFrame:
    """One row per evaluation with all that the store has: the columns of `evaluation_frame`, `seed` to
    `timings`, and `genes`, the whole genome as JSON.

    Cells are numbers or text. Lists, and what else is neither, are JSON: `[0.5, 8.0]`, `true`, `null`.
    """
    space, frame = history.space, evaluation_frame(history)
    for name, kind in _KEPT.items():
        frame[name] = pd.Series([getattr(evaluation, name) for evaluation in history], dtype=kind)
    frame["genes"] = pd.Series([Genome(evaluation.values).text for evaluation in history], dtype="object")
    for name in gene_columns(frame):
        if is_numeric(gene_of(space, name)):
            frame[name] = pd.to_numeric(frame[name]).convert_dtypes()
    for name in frame.columns[frame.dtypes == "object"]:
        frame[name] = pd.Series([_text(value) for value in frame[name]], dtype="object")
    return frame


def curves_table(curves: Mapping[int, Sequence[Point]]) -> pd.DataFrame:
    """One row per point of every learning curve; `number` is that of the evaluation."""
    return curve_frame(curves)


def as_bytes(table: pd.DataFrame, format_: TableFormat) -> bytes:
    """The table as a file of this format."""
    buffer = io.BytesIO()
    if format_ == "csv":
        # Text in quotes: a carriage return outside them would end the row for some readers.
        table.to_csv(buffer, index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    else:
        table.to_parquet(buffer, index=False)
    return buffer.getvalue()


def _text(value: Any) -> str | None:
    return value if isinstance(value, str | None) else json.dumps(value, ensure_ascii=False)
