"""One genome as a part of a page."""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component

from hrfevo import ranking
from hrfevo.anatomy import buildable
from hrfevo.dashboard.drawing import Screen, picture
from hrfevo.dashboard.watch import Snapshot
from hrfevo.report.style import measured
from hrfevo.report.words import gene_lines, plural
from hrfevo.space import METRICS
from hrfevo.tables import number
from signal_model.errors import InputError


def genome_button(run: str, genome: str, place: str, words: str = "") -> html.Button:
    """What opens a genome's card. `place` tells buttons for one genome apart."""
    name = {"type": "genome", "run": run, "genome": genome, "place": place}
    return html.Button([html.Code(genome), words], id=name, className="genome", type="button")


def card(run: str, snapshot: Snapshot, genome: str) -> list[Component]:
    """Genes, measurements, trainings and relatives of a genome."""
    space, evaluations = snapshot.space, snapshot.evaluations
    try:
        found = ranking.find_genome(space, evaluations, genome)
    except InputError as error:
        return [html.H2("No card"), html.P(str(error), className="quiet")]
    born = f"{found.operator}, number {found.birth}, generation {found.birth // space.population}"
    trainings = sorted((e for e in evaluations if e.genome == found.genome), key=lambda e: e.rung)
    known = {e.genome for e in evaluations}
    parents = list(dict.fromkeys(found.parents))
    children = list(dict.fromkeys(e.genome for e in evaluations if found.genome in e.parents))
    download = html.Button("Download recipe", id={"type": "download", "of": "card"}, className="action", type="button")
    genes = [
        html.Div([html.B(f"{line}: ") if line else None, *(_pair(*pair) for pair in pairs)], className="genes")
        for line, pairs in gene_lines(found.values, space)
    ]
    parts: list[Component] = [
        html.H2(["Genome ", html.Code(found.genome)]),
        html.P([html.Span(found.status, className=f"state {found.status}"), f" {found.reason}"]),
        html.P(f"{run}: {born}", className="quiet"),
        download,
        html.H3("Genes"),
        *genes,
        html.H3("Measurements"),
        html.Dl([_fact(METRICS.get(name, name), _written(name, value)) for name, value in found.metrics.items()]),
        html.H3("Trainings"),
        html.Ul([html.Li(_trained(e.status, space.rungs[e.rung], e.seed, e.device)) for e in trainings]),
    ]
    for title, others in (("Parents", parents), ("Children", children)):
        if others:
            place = title.lower()
            links = [genome_button(run, o, place) if o in known else html.Code(o) for o in others]
            parts += [html.H3(title), html.Div(links, className="relatives")]
    return parts


def pictures(snapshot: Snapshot, genome: str, screen: Screen) -> list[Component]:
    """The functions, wavelets and filters that the model of a genome begins with."""
    from hrfevo.report.portrait import portraits

    try:
        recipe = buildable(snapshot.space, ranking.find_genome(snapshot.space, snapshot.evaluations, genome))
    except InputError as error:
        return [html.P(str(error), className="trouble")]
    drawn = portraits(recipe.model, recipe.training.seed)
    return [html.H3("What it is, before training"), *(picture(figure, screen) for figure in drawn.values())]


def _trained(status: str, steps: int, seed: int, device: str) -> str:
    return f"{plural(steps, 'step')}, seed {seed}{f', on {device}' if device else ''}: {status}"


def _written(name: str, value: float) -> str:
    return measured(name, value) if name in METRICS else number(value)


def _fact(name: str, value: str) -> html.Div:
    return html.Div([html.Dt(name), html.Dd(value)])


def _pair(name: str, value: str) -> html.Span:
    return html.Span([html.B(name), f" {value}"])
