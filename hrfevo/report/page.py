"""The page of a run: one HTML file that opens offline, on any screen, light or dark."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from importlib import resources
from string import Template

import pandas as pd
import plotly.graph_objects as go
from plotly.io.json import to_json_plotly
from plotly.offline import get_plotlyjs

from hrfevo import ranking
from hrfevo.confirmed import Confirmed
from hrfevo.importance import LEAST, gene_importances, importance_rung
from hrfevo.records import Point
from hrfevo.report.failure_figure import failures
from hrfevo.report.figures import fitness_over_generations, front, learning_curves
from hrfevo.report.frames import curve_frame, evaluation_frame
from hrfevo.report.gene_figure import gene_values, panels
from hrfevo.report.importance_figure import importances
from hrfevo.report.style import caption_of, measured, scale, template
from hrfevo.report.words import caveat, duration, gene_lines, listed, moment, plural, summary
from hrfevo.space import METRICS, SearchSpace
from hrfevo.store import Evaluation, Run
from hrfevo.tables import genes_in_words
from signal_model.style import Mode, ink_variables

# Genes' importance is taken from about so many evaluations, evenly spread, which takes about a second.
SAMPLE = 400
# More rows of the front than these are folded away.
ROWS = 8


def render(
    run: Run,
    space: SearchSpace,
    evaluations: Sequence[Evaluation],
    curves: Mapping[int, Sequence[Point]],
    confirmed: Sequence[Confirmed] = (),
) -> str:
    """The whole page. Everything that comes from data is escaped, for HTML and for Plotly."""
    frame = evaluation_frame(evaluations, space)
    board = _Board()
    _draw(board, frame, curve_frame(curves), space, _importances(space, evaluations))
    seeds = len({evaluation.seed for evaluation in evaluations})
    page = Template(resources.files("hrfevo.report").joinpath("page.html").read_text("utf-8"))
    return page.substitute(
        name=html.escape(run.name),
        state=html.escape(run.state),
        description=f'<p class="description">{html.escape(space.description)}</p>' if space.description else "",
        facts="\n".join(
            f"<div><dt>{html.escape(k)}</dt><dd>{html.escape(v)}</dd></div>" for k, v in _facts(run, space, evaluations)
        ),
        summary=html.escape(summary(frame, space)),
        caveat=f'<p class="quiet">{html.escape(caveat(seeds, bool(confirmed), space.inherit))}</p>'
        if board.figures
        else "",
        confirmed=_confirmed(confirmed),
        front=_front(space, ranking.front(space, evaluations)),
        figures="\n".join(board.sections),
        footer=html.escape(_origin(run)),
        light=_variables("light"),
        dark=_variables("dark"),
        data=board.json(),
        plotly=get_plotlyjs(),
    )


class _Board:
    """Sections of the page, and the figures that a script draws into them."""

    def __init__(self) -> None:
        self.sections: list[str] = []
        self.figures: dict[str, go.Figure] = {}

    def add(self, figure: go.Figure) -> None:
        """A figure with its title and caption as HTML, which wraps on narrow screens."""
        height = f' style="height:{figure.layout.height}px"' if figure.layout.height else ""
        self._section(figure, self._place(figure, height, figure.layout.title.text))

    def add_panels(self, whole: go.Figure, parts: Mapping[str, go.Figure]) -> None:
        """A figure as a grid of small ones, which makes one column on a phone."""
        cells = [
            f'<div class="panel"><h3>{html.escape(name)}</h3>{self._place(part, "", name)}</div>'
            for name, part in parts.items()
        ]
        self._section(whole, f'<div class="panels">{"".join(cells)}</div>')

    def json(self) -> str:
        """Figures and templates for the script; `<`, `>` and `/` are escaped, so no data can end it."""
        templates = {mode: template(mode) for mode in ("light", "dark")}
        return str(to_json_plotly({"figures": self.figures, "templates": templates}))

    def _section(self, figure: go.Figure, content: str) -> None:
        title, caption = html.escape(figure.layout.title.text), html.escape(caption_of(figure))
        self.sections.append(
            f"<section><figure><h2>{title}</h2><figcaption>{caption}</figcaption>{_scale(figure)}{content}</figure></section>"
        )
        figure.layout.title, figure.layout.margin = None, {"t": 30}

    def _place(self, figure: go.Figure, style: str, label: str) -> str:
        name = f"figure-{len(self.figures) + 1}"
        self.figures[name] = figure
        return f'<div class="plot" id="{name}"{style} role="img" aria-label="{html.escape(label)}"></div>'


def _importances(space: SearchSpace, evaluations: Sequence[Evaluation]) -> go.Figure | None:
    rung = importance_rung(evaluations)
    peers = [e for e in evaluations if e.status == "finished" and e.rung == rung]
    if len(peers) < LEAST:
        return None
    some = peers[:: -(-len(peers) // SAMPLE)]
    shares = {name: gene_importances(space, some, name, "ped-anova") for name in space.objectives}
    return importances(shares)


def _draw(
    board: _Board, frame: pd.DataFrame, curves: pd.DataFrame, space: SearchSpace, genes: go.Figure | None
) -> None:
    finished = frame[frame["status"] == "finished"]
    if len(finished) >= 2:
        for rung in sorted({int(finished["rung"].max()), int(finished["rung"].min())}, reverse=True):
            board.add(fitness_over_generations(frame, space.objectives, rung))
        board.add(front(frame, space.objectives))
    if not finished.empty and finished["number"].isin(curves["number"]).any():
        board.add(learning_curves(curves, frame, space.objectives))
    if len(finished) >= 2:
        parts = {}
        for panel in panels(frame, space):
            part = gene_values(frame, space, [panel.name], columns=1)
            part.layout.annotations, part.layout.title, part.layout.margin = [], None, {"t": 8}
            parts[panel.name] = part
        board.add_panels(gene_values(frame, space), parts)
    if genes is not None:
        board.add(genes)
    if (lost := failures(frame)) is not None:
        board.add(lost)
    for figure in board.figures.values():
        figure.update_layout(template=None, coloraxis_showscale=False, height=None)


def _facts(run: Run, space: SearchSpace, evaluations: Sequence[Evaluation]) -> list[tuple[str, str]]:
    counts = {
        state: sum(e.status == state for e in evaluations) for state in ("finished", "failed", "infeasible", "running")
    }
    told = [f"{count:,} {state}" for state, count in counts.items() if count or state == "finished"]
    budget = [f"{space.budget.evaluations:,} evaluations"] if space.budget.evaluations is not None else []
    budget += [f"{space.budget.minutes:g} minutes"] if space.budget.minutes is not None else []
    corpus = run.settings.get("corpus")
    corpus = corpus.get("name", corpus) if isinstance(corpus, dict) else corpus
    settings = run.settings.get
    facts = [
        ("Evaluations", ", ".join(told)),
        ("Budget", " or ".join(budget)),
        *([("Ended", run.reason)] if run.reason else []),
        ("Started", moment(run.created)),
        ("Searched for", duration(run.seconds)),
        ("Corpus", str(corpus) if corpus is not None else ", ".join(map(str, space.corpus.to_dict().values()))),
        ("Training steps", listed([f"{steps:,}" for steps in space.rungs])),
        ("Devices", listed(sorted({e.device for e in evaluations if e.device})) or "none yet"),
    ]
    if settings("algorithm") is not None:
        facts.append(("Algorithm", f"{settings('algorithm')}, population {space.population}"))
    if settings("seed") is not None:
        facts.append(("Seed", str(settings("seed"))))
    return facts


def _front(space: SearchSpace, winners: Sequence[Evaluation]) -> str:
    if not winners:
        return ""
    several = len(space.objectives) > 1
    if len(winners) == 1:
        said = "One genome, which no other beats in any objective."
    else:
        said = f"{len(winners)} genomes, best first: whatever beats one of them in one objective is worse in another."
    heads = "".join(f'<th class="n">{html.escape(METRICS[name])}</th>' for name in space.objectives)
    head = f'<thead><tr><th>genome</th>{heads}<th class="n">generation</th><th>genes</th></tr></thead>'
    rows = [_row(space, winner) for winner in winners]
    table = f"<table>{head}<tbody>{''.join(rows[:ROWS])}</tbody></table>"
    if rest := rows[ROWS:]:
        table += (
            f"<details><summary>{len(rest)} more</summary><table>{head}<tbody>{''.join(rest)}</tbody></table></details>"
        )
    return f'<section><h2>{"The front" if several else "The winner"}</h2><p class="quiet">{said}</p>{table}</section>'


def _confirmed(confirmed: Sequence[Confirmed]) -> str:
    if not confirmed:
        return ""
    baseline = next((c for c in confirmed if c.origin == "baseline"), None)
    best = next((c for c in confirmed if c.origin == "search"), confirmed[0])
    seeds, steps = len(best.validation), best.steps
    said = f"Trained again from scratch for {steps:,} steps with {plural(seeds, 'fresh seed')} each; bits per byte."
    if baseline:
        said += (
            f" The best is {_better(baseline.mean - best.mean)} on validation, and "
            f"{_better(baseline.test_mean - best.test_mean)} on the test split, than a transformer no larger than the "
            "winners that was tuned with as many evaluations."
        )
    heads = ("validation, mean", "standard deviation", "difference to the transformer", "test, mean", "parameters")
    head = "".join(f'<th class="n">{name}</th>' for name in heads)
    rows = "".join(_confirmed_row(row, heads, baseline) for row in confirmed)
    table = f"<table><thead><tr><th>genome</th>{head}<th>genes</th></tr></thead><tbody>{rows}</tbody></table>"
    return f'<section><h2>Confirmed</h2><p class="quiet">{html.escape(said)}</p>{table}</section>'


def _better(gain: float) -> str:
    return f"{abs(gain):.4f} {'better' if gain >= 0 else 'worse'}"


def _confirmed_row(row: Confirmed, heads: Sequence[str], baseline: Confirmed | None) -> str:
    difference = f"{row.mean - baseline.mean:+.4f}" if baseline else "–"
    figures = (f"{row.mean:.4f}", f"{row.spread:.4f}", difference, f"{row.test_mean:.4f}", f"{row.parameters:,}")
    cells = "".join(
        f'<td class="n" data-label="{name}">{value}</td>' for name, value in zip(heads, figures, strict=True)
    )
    genes = "transformer: " if row.origin == "baseline" else ""
    genes += genes_in_words(row.values)
    return f'<tr><td><code>{html.escape(row.genome)}</code></td>{cells}<td class="genes">{html.escape(genes)}</td></tr>'


def _row(space: SearchSpace, winner: Evaluation) -> str:
    scores = "".join(
        f'<td class="n" data-label="{html.escape(METRICS[name])}">{measured(name, winner.metrics[name])}</td>'
        for name in space.objectives
    )
    lines = "".join(
        f"<div>{f'<b>{line}:</b> ' if line else ''}"
        + "".join(f"<span><b>{html.escape(name)}</b> {html.escape(value)}</span> " for name, value in pairs)
        + "</div>"
        for line, pairs in gene_lines(winner.values, space)
    )
    generation = winner.birth // space.population
    return (
        f"<tr><td><code>{html.escape(winner.genome)}</code></td>{scores}"
        f'<td class="n" data-label="generation">{generation}</td><td class="genes">{lines}</td></tr>'
    )


def _scale(figure: go.Figure) -> str:
    """The colour axis as HTML: from the best colour to the worst."""
    axis = figure.layout.coloraxis
    if axis.cmin is None:
        return ""
    ends = (axis.cmax, axis.cmin) if axis.reversescale else (axis.cmin, axis.cmax)
    title = html.escape(axis.colorbar.title.text)
    best, worst = (format(end, ",.0f" if abs(end) >= 1000 else ".4g") for end in ends)
    return f'<div class="scale"><span>{title}:</span><span>{best}</span><i></i><span>{worst} or worse</span></div>'


def _variables(mode: Mode) -> str:
    return f"{ink_variables(mode)} --scale: {', '.join(scale(mode))};"


def _origin(run: Run) -> str:
    versions = run.settings.get("versions")
    made = [f"{name} {version}" for name, version in versions.items()] if isinstance(versions, dict) else []
    return f"Run {run.id}" + (f", made with {', '.join(made)}." if made else ".")
