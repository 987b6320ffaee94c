"""One genome as a part of a page."""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component

from hrfevo.results.genome.card import Training, card_of
from hrfevo.results.genome.costs import buildable, weighed
from hrfevo.space.metrics import METRICS
from hrfevo.views.dashboard.drawing import Screen, picture
from hrfevo.views.dashboard.watch import Snapshot
from hrfevo.views.figures.style import measured
from hrfevo.views.report.card_page import learning_curve
from hrfevo.views.terminal.card import facts_of
from hrfevo.views.terminal.tables import number
from hrfevo.views.words import gene_lines
from signal_model.support.errors import InputError, counted


def genome_button(run: str, genome: str, place: str, words: str = "") -> html.Button:
    """What opens a genome's card. `place` tells buttons for one genome apart."""
    name = {"type": "genome", "run": run, "genome": genome, "place": place}
    return html.Button([html.Code(genome), words], id=name, className="genome", type="button")


def card(run: str, snapshot: Snapshot, genome: str, screen: Screen) -> list[Component]:
    """What `hrfevo show` tells of a genome, and its learning curve."""
    space = snapshot.space
    try:
        own = snapshot.frame.loc[snapshot.frame["genome"] == genome, "number"].tolist()
        found = card_of(snapshot.history, snapshot.curves(own), genome)
    except InputError as error:
        return [html.H2("No card"), html.P(str(error), className="quiet")]
    known = {*snapshot.frame["genome"]}
    told = dict(facts_of(found))
    download = html.Button("Download recipe", id={"type": "download", "of": "card"}, className="action", type="button")
    genes = [
        html.Div([html.B(f"{line}: ") if line else None, *(_pair(*pair) for pair in pairs)], className="genes")
        for line, pairs in gene_lines(found.genes, space)
    ]
    metrics = next(training.metrics for training in found.trainings if training.number == found.number)
    parts: list[Component] = [
        html.H2(["Genome ", html.Code(found.genome)]),
        html.P([html.Span(found.status, className=f"state {found.status}"), f" {found.reason}"]),
        html.P(f"{run}: {told['origin']}", className="quiet"),
        *([html.P(told["standing"], className="quiet")] if "standing" in told else []),
        download,
        html.H3("Genes"),
        *genes,
        html.H3("Measurements"),
        html.Dl([_fact(space.measure(name).heading, _written(name, value)) for name, value in metrics.items()]),
        html.H3("Trainings"),
        html.Ul([html.Li(_trained(training)) for training in found.trainings]),
        *([picture(learning_curve(found), screen)] if found.curve else []),
    ]
    for title, relatives in (("Parents", found.parents), ("Children", found.children)):
        if relatives:
            place, names = title.lower(), [relative.genome for relative in relatives]
            links = [genome_button(run, name, place) if name in known else html.Code(name) for name in names]
            parts += [html.H3(title), html.Div(links, className="relatives")]
    return parts


def pictures(snapshot: Snapshot, genome: str, screen: Screen) -> list[Component]:
    """The functions, wavelets and filters of a genome's model, trained where the search kept its weights."""
    from hrfevo.views.figures.model.portrait import portraits

    try:
        recipe = buildable(snapshot.space, snapshot.history.find(genome))
    except InputError as error:
        return [html.P(str(error), className="trouble")]
    drawn = portraits(*weighed(snapshot.folder, recipe, genome))
    return [html.H3("What it is"), *(picture(figure, screen, wide=True) for figure in drawn.values())]


def _trained(training: Training) -> str:
    where = f", on {training.device}" if training.device else ""
    return f"{counted(training.steps, 'step')}, seed {training.seed}{where}: {training.status}"


def _written(name: str, value: float) -> str:
    return measured(name, value) if name in METRICS else number(value)


def _fact(name: str, value: str) -> html.Div:
    return html.Div([html.Dt(name), html.Dd(value)])


def _pair(name: str, value: str) -> html.Span:
    return html.Span([html.B(name), f" {value}"])
