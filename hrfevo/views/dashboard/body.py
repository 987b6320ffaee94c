"""What is shown of runs under each tab, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dash import html
from dash.development.base_component import Component

from hrfevo.results.worth import worth_of, yardsticks_of
from hrfevo.views.dashboard.attained import attainment
from hrfevo.views.dashboard.card import genome_button
from hrfevo.views.dashboard.drawing import Pictures, Screen, part, section
from hrfevo.views.dashboard.watch import Listed, Snapshot
from hrfevo.views.figures.style import measured
from hrfevo.views.terminal.tables import duration
from hrfevo.views.words import summary, tally

# Of a front, so many are listed below its figure.
LISTED = 5


def option(run: Listed) -> dict[str, Any]:
    """A run in the list of those to choose from; one that cannot be read says why.

    Labels are plain text: components there are not drawn again when they change (plotly/dash#3286).
    """
    if run.version is None:
        return {"label": f"{run.name}: {run.trouble}", "value": run.name, "disabled": True}
    return {"label": f"{run.name} ({run.version.state}, {duration(run.version.seconds)})", "value": run.name}


def body(
    tab: str,
    snapshots: Mapping[str, Snapshot],
    troubles: Mapping[str, str],
    albums: Mapping[str, Pictures],
    screen: Screen,
) -> list[Component]:
    """All of a tab but the table, which stays in its place."""
    parts: list[Component] = [
        html.P(f"{run} cannot be read: {why}", className="trouble") for run, why in troubles.items()
    ]
    heads = [_head(run, snapshot, tab != "table") for run, snapshot in snapshots.items()]
    if tab == "progress":
        fronts = [_front(run, snapshot, screen) for run, snapshot in snapshots.items()]
        runs = [html.Section([head, *front], className="run") for head, front in zip(heads, fronts, strict=True)]
        courses = {run: snapshot.course for run, snapshot in snapshots.items() if snapshot.course}
        common = attainment(courses, {run: place for place, run in enumerate(snapshots)})
        return [*parts, _row(runs), _row([section(figure, "", name, screen) for name, figure in common.items()])]
    parts.append(_row(heads))
    if tab == "figures":
        parts.append(
            _row([part([html.P(album.said)], "said", run, className="quiet") for run, album in albums.items()])
        )
        for name in dict.fromkeys(name for album in albums.values() for name in album.figures):
            drawn = {run: album.figures.get(name) for run, album in albums.items()}
            cells = [section(figure, run, name, screen) if figure else html.Div() for run, figure in drawn.items()]
            parts.append(_row(cells))
    return parts


def _row(cells: list[Component]) -> html.Div:
    return html.Div(cells, className="columns")


def _head(run: str, snapshot: Snapshot, told: bool) -> html.Div:
    record, space = snapshot.run, snapshot.space
    facts = [tally(snapshot.frame["status"], record.state)]
    facts += [f"budget {space.budget.words}", f"searched for {duration(record.seconds)}"]
    title = [html.H2(run), html.Span(record.state, className=f"state {record.state}")]
    parts = [html.Div(title, className="title"), html.P("; ".join(facts), className="quiet")]
    parts += [html.P(record.reason, className="quiet")] if record.reason else []
    parts += [html.P(summary(snapshot.frame, space), className="lead")] if told else []
    value = worth_of(snapshot.losses, yardsticks_of(record.settings), space) if told else ""
    parts += [html.P(value, className="quiet")] if value else []
    return part(parts, "head", run, className="head")


def _front(run: str, snapshot: Snapshot, screen: Screen) -> list[Component]:
    if snapshot.front is None:
        return []
    frame, (metric, _) = snapshot.frame, snapshot.space.first_objective
    leaders = frame[frame["front"]].sort_values("place").head(LISTED)
    buttons = [
        genome_button(run, genome, "front", f" {measured(metric, score)}")
        for genome, score in zip(leaders["genome"], leaders[metric], strict=True)
    ]
    return [section(snapshot.front, run, "front", screen), part(buttons, "leaders", run, className="relatives")]
