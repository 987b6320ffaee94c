"""All evaluations of the runs shown as one table, to sort and to filter by any gene or measurement."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import dash_ag_grid
import numpy as np
import pandas as pd

from hrfevo.results.gene_frames import GENE, all_genes, gene_kind
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
    """What any of the runs has measured, and the genes that it may have: what is known first, origin last."""
    metrics, genes = dict.fromkeys(METRICS, False), dict[str, bool]()
    for snapshot in snapshots.values():
        there = [name for name in metrics if name in snapshot.frame]  # the others are of another task
        metrics |= {name: True for name in there if snapshot.frame[name].notna().any()}
        kinds = {name: gene_kind(snapshot.space, name) for name in all_genes(snapshot.space)}
        genes |= {name: genes.get(name, True) and kind != "object" for name, kind in kinds.items()}
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
    # A loss is told per byte of text and per sample of sound.
    told = {
        name: " or ".join(dict.fromkeys(snapshot.space.measure(name).heading for snapshot in snapshots.values()))
        for name in metrics
    }
    return [_column(name, numbers.get(name), (TIMES | told).get(name, "")) | named.get(name, {}) for name in order]


def _column(name: str, form: str | None, words: str) -> dict[str, Any]:
    column: dict[str, Any] = {
        "field": name,
        "headerName": name.removeprefix(GENE),
        "headerTooltip": words or name.removeprefix(GENE),
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
    runs = [*snapshots.items()][::-1]
    ends = np.cumsum([len(snapshot.frame) for _, snapshot in runs], dtype=int)
    if not runs:
        return {"rowData": [], "rowCount": 0}
    # Places among the rows of all runs: what is not looked at is never put together.
    places = np.arange(ends[-1])[::-1]
    for name, wanted in request.get("filterModel", {}).items():
        if (values := _column_of(runs, name)) is not None:
            places = places[_kept(values.iloc[places], wanted).to_numpy()]
    for sort in reversed(request.get("sortModel", [])):
        if (values := _column_of(runs, sort["colId"])) is not None:
            values = values.iloc[places].reset_index(drop=True)
            values = values if _numeric(values) else _text(values).astype(str)
            places = places[values.sort_values(ascending=sort["sort"] == "asc", kind="stable").index]
    told = places[int(request.get("startRow", 0)) : int(request.get("endRow", BLOCK))]
    rows: dict[int, Mapping[Hashable, Any]] = {}
    for (run, snapshot), end in zip(runs, ends, strict=True):
        own = told[(told < end) & (told >= end - len(snapshot.frame))]
        found = snapshot.rows(own - (end - len(snapshot.frame))).assign(run=run)
        rows |= dict(zip(own, found.to_dict("records"), strict=True))
    return {"rowData": [_row(rows[place]) for place in told], "rowCount": len(places)}


def _column_of(runs: Sequence[tuple[str, Snapshot]], name: str) -> pd.Series | None:
    """A column of all rows of runs, one after the other; None if none of them has it."""
    if name == "run":
        return pd.Series([run for run, snapshot in runs for _ in range(len(snapshot.frame))], name=name)
    parts = [snapshot.column(name) for _, snapshot in runs]
    known = [part for part in parts if part is not None]
    if not known:
        return None
    missing = [pd.Series(None, snapshot.frame.index, known[0].dtype) for _, snapshot in runs]
    return pd.concat(
        [own if part is None else part for part, own in zip(parts, missing, strict=True)], ignore_index=True
    )


def _kept(values: pd.Series, wanted: Mapping[str, Any]) -> pd.Series:
    """Which values one filter of AG Grid keeps; all, if it is none that the table offers."""
    kind, given = str(wanted.get("type")), wanted.get("filter")
    if kind in ("blank", "notBlank"):
        return values.isna() == (kind == "blank")
    if _numeric(values) and kind in NUMBER_FILTERS:
        low, high = (float(wanted.get(end) or 0) for end in ("filter", "filterTo"))
        return NUMBER_FILTERS[kind](values.astype("float64"), low, high)
    if not _numeric(values) and kind in TEXT_FILTERS:
        # A few different words stand in many rows: each is looked at once.
        places, words = pd.factorize(_text(values))
        kept = TEXT_FILTERS[kind](pd.Series(words, dtype=str).str.lower(), str(given).lower())
        return pd.Series(kept.to_numpy()[places], index=values.index)
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
    words: dict[tuple[type, Any], str] = {}  # few values stand in many rows; 1 and true are different ones
    told = [words.get((type(value), value)) or words.setdefault((type(value), value), _word(value)) for value in values]
    return pd.Series(told, index=values.index, dtype=object)


def _word(value: Any) -> str:
    return shown(value) if isinstance(value, tuple) or not pd.isna(value) else ""
