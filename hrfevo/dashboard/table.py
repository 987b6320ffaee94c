"""All evaluations of the runs shown as one table, to sort and to filter by any gene or measurement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dash_ag_grid
import pandas as pd

from hrfevo.dashboard.watch import Snapshot
from hrfevo.report.frames import GENE, gene_columns
from hrfevo.report.style import metric_format, shown
from hrfevo.space import METRICS

FIRST = ("run", "genome", "front", "status", "steps")
LAST = ("generation", "birth", "operator", "minutes", "reason")
# Text and numbers in the page's own colours, which follow the screen's.
THEME = (
    "themeQuartz.withParams({backgroundColor: 'var(--ground)', foregroundColor: 'var(--ink)', "
    "headerTextColor: 'var(--quiet)', borderColor: 'var(--grid)', accentColor: '#0072b2', fontFamily: 'inherit', "
    "browserColorScheme: 'inherit', headerBackgroundColor: 'var(--raised)', fontSize: 13, spacing: 6})"
)


def empty_table() -> dash_ag_grid.AgGrid:
    """The table before anything is in it. Values are text or numbers, never HTML or code."""
    return dash_ag_grid.AgGrid(
        id="table",
        rowData=[],
        columnDefs=[],
        getRowId="params.data.id",
        defaultColDef={"sortable": True, "resizable": True, "floatingFilter": True, "minWidth": 90},
        dashGridOptions={
            "theme": {"function": THEME},
            # Names of genes have dots in them.
            "suppressFieldDotNotation": True,
            "animateRows": False,
            "enableCellTextSelection": True,
            "localeText": {"noRowsToShow": "No evaluation"},
        },
        style={"height": "70vh", "minHeight": "420px"},
        dangerously_allow_code=False,
    )


def columns_of(snapshots: Mapping[str, Snapshot]) -> list[dict[str, Any]]:
    """The columns that any of the runs has: what is known first, then measurements, genes, and origin."""
    metrics, genes = dict.fromkeys(METRICS, False), dict[str, bool]()
    for snapshot in snapshots.values():
        frame = snapshot.frame
        metrics |= {name: True for name in metrics if frame[name].notna().any()}
        genes |= {name: genes.get(name, True) and pd.api.types.is_numeric_dtype(frame[name]) for name in
                  gene_columns(frame)}  # fmt: skip
    named: dict[str, dict[str, Any]] = {
        "run": {"hide": len(snapshots) < 2},
        "genome": {"pinned": "left", "width": 130, "cellClass": "code", "minWidth": 110},
        "front": {"width": 90},
    }
    numbers = {"steps": ",d", "generation": ",d", "birth": ",d", "minutes": ",.1f"}
    numbers |= {name: metric_format(name) for name, measured in metrics.items() if measured}
    numbers |= {name: ",.4~g" for name, numeric in genes.items() if numeric}
    order = [*FIRST, *(name for name, measured in metrics.items() if measured), *genes, *LAST]
    return [_column(name, numbers.get(name)) | named.get(name, {}) for name in order]


def _column(name: str, form: str | None) -> dict[str, Any]:
    column: dict[str, Any] = {
        "field": name,
        "headerName": name.removeprefix(GENE),
        "headerTooltip": METRICS.get(name, name.removeprefix(GENE)),
        "filter": "agNumberColumnFilter" if form else "agTextColumnFilter",
    }
    if form:
        column["type"] = "rightAligned"
        column["valueFormatter"] = {"function": f"params.value == null ? '' : d3.format('{form}')(params.value)"}
    return column


def rows_of(snapshots: Mapping[str, Snapshot], columns: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row per evaluation, the latest first. What it does not have is left out."""
    numeric = {column["field"] for column in columns if column["filter"] == "agNumberColumnFilter"}
    rows: list[dict[str, Any]] = []
    for run, snapshot in snapshots.items():
        frame = snapshot.frame[::-1]
        found: list[dict[str, Any]] = [{"id": f"{number}/{run}", "run": run} for number in frame["number"].tolist()]
        for name in (column["field"] for column in columns):
            if name in frame:
                present = frame[name].notna().to_numpy().nonzero()[0]
                values = frame[name].iloc[present].tolist()
                if name == "front":
                    values = ["front" if value else "" for value in values]
                elif name not in numeric:
                    values = [shown(value) for value in values]
                for place, value in zip(present.tolist(), values, strict=True):
                    found[place][name] = value
        rows += found
    return rows
