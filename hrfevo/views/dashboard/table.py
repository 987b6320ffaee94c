"""All evaluations of the runs shown as one table, to sort and to filter by any gene or measurement."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

import dash_ag_grid
import pandas as pd

from hrfevo.results.frames import GENE, gene_columns
from hrfevo.space.metrics import METRICS
from hrfevo.views.dashboard.watch import Snapshot
from hrfevo.views.figures.style import metric_format, shown

BLOCK = 100
NUMBER_FILTERS: dict[str, Callable[[pd.Series, float, float], pd.Series]] = {
    "equals": lambda values, low, _: values == low,
    "notEqual": lambda values, low, _: values != low,
    "lessThan": lambda values, low, _: values < low,
    "lessThanOrEqual": lambda values, low, _: values <= low,
    "greaterThan": lambda values, low, _: values > low,
    "greaterThanOrEqual": lambda values, low, _: values >= low,
    "inRange": lambda values, low, high: values.between(low, high),
}
TEXT_FILTERS: dict[str, Callable[[pd.Series, str], pd.Series]] = {
    "contains": lambda values, words: values.str.contains(words, regex=False),
    "notContains": lambda values, words: ~values.str.contains(words, regex=False),
    "equals": lambda values, words: values == words,
    "notEqual": lambda values, words: values != words,
    "startsWith": lambda values, words: values.str.startswith(words),
    "endsWith": lambda values, words: values.str.endswith(words),
}
FIRST = ("run", "genome", "front", "status", "steps")
LAST = ("generation", "birth", "operator", "worker", "began", "minutes", "spent", "reason")
TIMES = {
    "began": "start, minutes since the search began",
    "minutes": "end, minutes since the search began",
    "spent": "training, seconds",
}
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
        # The server sorts and filters, and sends only rows that are looked at.
        rowModelType="infinite",
        columnDefs=[],
        getRowId="params.data.id",
        defaultColDef={"sortable": True, "resizable": True, "floatingFilter": True, "minWidth": 90},
        dashGridOptions={
            "theme": {"function": THEME},
            # Names of genes have dots in them.
            "suppressFieldDotNotation": True,
            "cacheBlockSize": BLOCK,
            "maxConcurrentDatasourceRequests": 1,
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
        genes |= {name: genes.get(name, True) and _numeric(frame[name]) for name in gene_columns(frame)}
    named: dict[str, dict[str, Any]] = {
        "run": {"hide": len(snapshots) < 2},
        "genome": {"pinned": "left", "width": 130, "cellClass": "code", "minWidth": 110},
        "front": {"width": 90},
    }
    numbers = {"steps": ",d", "seeds": ",d", "generation": ",d", "birth": ",d"}
    numbers |= dict.fromkeys(("began", "minutes", "spent"), ",.1f")
    numbers |= {name: metric_format(name) for name, measured in metrics.items() if measured}
    numbers |= {name: ",.4~g" for name, numeric in genes.items() if numeric}
    seeds = ["seeds"] if any((snapshot.frame["seeds"] > 1).any() for snapshot in snapshots.values()) else []
    order = [*FIRST, *seeds, *(name for name, measured in metrics.items() if measured), *genes, *LAST]
    return [_column(name, numbers.get(name)) | named.get(name, {}) for name in order]


def _column(name: str, form: str | None) -> dict[str, Any]:
    column: dict[str, Any] = {
        "field": name,
        "headerName": name.removeprefix(GENE),
        "headerTooltip": (METRICS[name].heading if name in METRICS else TIMES.get(name)) or name.removeprefix(GENE),
        "filter": "agNumberColumnFilter" if form else "agTextColumnFilter",
        "filterParams": {
            "filterOptions": [*(NUMBER_FILTERS if form else TEXT_FILTERS), "blank", "notBlank"],
            "maxNumConditions": 1,
            "inRangeInclusive": True,
        },
    }
    if form:
        column["type"] = "rightAligned"
        column["valueFormatter"] = {"function": f"params.value == null ? '' : d3.format('{form}')(params.value)"}
    return column


def rows_of(snapshots: Mapping[str, Snapshot], request: Mapping[str, Any]) -> dict[str, Any]:
    """Some rows, the latest first or as the request has them sorted and filtered, and how many there are in all."""
    frames = [snapshot.frame[::-1].assign(run=run) for run, snapshot in snapshots.items()]
    if not frames:
        return {"rowData": [], "rowCount": 0}
    frame = frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)
    for name, wanted in request.get("filterModel", {}).items():
        if name in frame:
            frame = frame[_kept(frame[name], wanted)]
    order = [sort for sort in request.get("sortModel", []) if sort["colId"] in frame]
    for sort in reversed(order):
        frame = frame.sort_values(
            sort["colId"], ascending=sort["sort"] == "asc", kind="stable", key=lambda c: c if _numeric(c) else _text(c)
        )
    part = frame.iloc[int(request.get("startRow", 0)) : int(request.get("endRow", BLOCK))]
    return {"rowData": [_row(row) for row in part.to_dict("records")], "rowCount": len(frame)}


def _kept(values: pd.Series, wanted: Mapping[str, Any]) -> pd.Series:
    """Which values one filter of AG Grid keeps; all, if it is none that the table offers."""
    kind, given = str(wanted.get("type")), wanted.get("filter")
    if kind in ("blank", "notBlank"):
        return values.isna() == (kind == "blank")
    if _numeric(values) and kind in NUMBER_FILTERS:
        low, high = (float(wanted.get(end) or 0) for end in ("filter", "filterTo"))
        return NUMBER_FILTERS[kind](values.astype("float64"), low, high)
    if not _numeric(values) and kind in TEXT_FILTERS:
        return TEXT_FILTERS[kind](_text(values).str.lower(), str(given).lower())
    return pd.Series(True, index=values.index)


def _row(row: Mapping[Hashable, Any]) -> dict[str, Any]:
    """A row as the table shows it; what it does not have is left out."""
    told = {str(name): value for name, value in row.items() if isinstance(value, tuple) or not pd.isna(value)}
    told = {name: value if isinstance(value, int | float) else shown(value) for name, value in told.items()}
    return told | {"id": f"{row['number']}/{row['run']}", "front": "front" if row["front"] else ""}


def _numeric(values: pd.Series) -> bool:
    return bool(pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values))


def _text(values: pd.Series) -> pd.Series:
    """Values as the table writes them; nothing where there is none."""
    if values.name == "front":
        return values.map({True: "front", False: ""})
    return values.map(lambda value: shown(value) if isinstance(value, tuple) or not pd.isna(value) else "").astype(str)
