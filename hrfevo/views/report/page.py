"""The page of a run: one HTML file that opens offline, on any screen, light or dark."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Mapping, Sequence
from importlib import resources
from string import Template
from types import MappingProxyType

import plotly.graph_objects as go
from plotly.io.json import to_json_plotly
from plotly.offline import get_plotlyjs

from hrfevo.results import ranking
from hrfevo.results.confirmed import NOTHING, Confirmation, Confirmed
from hrfevo.results.earlier import begun_with
from hrfevo.results.frames import curve_frame, evaluation_frame
from hrfevo.results.worth import worth, yardsticks_of
from hrfevo.space.metrics import METRICS
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.settings import EarlierRun
from hrfevo.store.spending import spent
from hrfevo.store.store import Evaluation, Run
from hrfevo.views.figures.gallery import gallery
from hrfevo.views.figures.sampling import drawn_numbers
from hrfevo.views.figures.style import measured, scale
from hrfevo.views.report.board import Board
from hrfevo.views.report.card_data import card_data
from hrfevo.views.report.compact import packed, picture
from hrfevo.views.report.headline import corpus_name, searched, won
from hrfevo.views.terminal.tables import duration, genes_in_words, origin_in_words, trained_in_words, with_reach
from hrfevo.views.verdicts import in_general
from hrfevo.views.words import caveat, gene_lines, listed, moment, summary, tally
from hrfevo.workers.base import Point
from signal_model.support.style import Mode, ink_variables

# More rows of the front than these are folded away.
ROWS = 8


def render(
    run: Run,
    space: SearchSpace,
    evaluations: Sequence[Evaluation],
    curves: Mapping[int, Sequence[Point]],
    confirmed: Confirmation = NOTHING,
    pictures: Mapping[str, Mapping[str, go.Figure]] = MappingProxyType({}),
) -> str:
    """The whole page, with `pictures` of the models of some genomes on their cards.

    Everything that comes from data is escaped, for HTML and for Plotly.
    """
    evaluations = ranking.with_means(space, evaluations)
    frame = evaluation_frame(evaluations, space)
    board = Board(frame, space.objectives)
    scores = yardsticks_of(run.settings)
    for name, figure in gallery(frame, curve_frame(curves), space, evaluations, scores).items():
        (board.add_panels if name in ("genes", "distributions") else board.add)(name, figure)
    winners = ranking.front(space, evaluations)
    seeds = max((winner.seeds for winner in winners), default=1)
    found = summary(frame, space)
    lead = won(confirmed, scores)
    value = "" if lead else worth(scores, evaluations)  # the lead says it of the confirmed
    # What the page runs is named by its digest: no other script would be run, whatever the data says.
    scripts = {"plotly": get_plotlyjs(), "draw": _file("page.js"), "card": _file("cards.js")}
    cards = card_data(space, evaluations, winners, curves, drawn_numbers(evaluations, winners))
    cards["pictures"] = packed({genome: [*map(picture, figures.values())] for genome, figures in pictures.items()})
    return Template(_file("page.html")).substitute(
        name=html.escape(run.name),
        state=html.escape(run.state),
        description=_paragraph("description", space.description),
        searched=_paragraph("searched", searched(run, space, evaluations)),
        facts="\n".join(
            f"<div><dt>{html.escape(k)}</dt><dd>{html.escape(v)}</dd></div>" for k, v in _facts(run, space, evaluations)
        ),
        lead=_paragraph("lead", lead or found),
        summary=_paragraph("", found if lead else "") + _paragraph("worth", value),
        caveat=_paragraph("quiet", caveat(seeds, bool(confirmed.rows), space.inherit) if winners else ""),
        confirmed=_confirmed(confirmed),
        front=_front(space, winners),
        figures="\n".join(board.sections),
        footer=html.escape(_origin(run)),
        light=_variables("light"),
        dark=_variables("dark"),
        data=board.json(),
        cards=to_json_plotly(cards),
        digests=" ".join(f"'sha256-{_digest(script)}'" for script in scripts.values()),
        **scripts,
    )


def _file(name: str) -> str:
    return resources.files("hrfevo.views.report").joinpath(name).read_text("utf-8")


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _paragraph(kind: str, words: str) -> str:
    name = f' class="{kind}"' if kind else ""
    return f"<p{name}>{html.escape(words)}</p>" if words else ""


def _facts(run: Run, space: SearchSpace, evaluations: Sequence[Evaluation]) -> list[tuple[str, str]]:
    settings, used = run.settings.get, spent(space.rungs, evaluations)
    facts = [
        ("Evaluations", tally((e.status for e in evaluations), run.state)),
        ("Trained", trained_in_words(used.steps, used.steps / space.rungs[-1], used.training_seconds)),
        ("Budget", space.budget.words),
        *([("Ended", run.reason)] if run.reason else []),
        ("Started", moment(run.created)),
        ("Searched for", duration(run.seconds)),
        ("Corpus", corpus_name(run, space)),
        ("Training steps", listed([f"{steps:,}" for steps in space.rungs])),
        ("Devices", listed(sorted({e.device for e in evaluations if e.device})) or "none yet"),
    ]
    if settings("algorithm") is not None:
        facts.append(("Algorithm", f"{settings('algorithm')}, population {space.population}"))
    if told := begun_with([EarlierRun.model_validate(one) for one in settings("from", [])]):
        facts.append(("Knew from the start", told))
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
    heads = "".join(f'<th class="n">{html.escape(METRICS[name].heading)}</th>' for name in space.objectives)
    several = any(winner.seeds > 1 for winner in winners)
    heads += '<th class="n">seeds</th>' if several else ""
    head = f'<thead><tr><th>genome</th>{heads}<th class="n">generation</th><th>genes</th></tr></thead>'
    rows = [_row(space, winner, several) for winner in winners]
    table = f"<table>{head}<tbody>{''.join(rows[:ROWS])}</tbody></table>"
    if rest := rows[ROWS:]:
        table += (
            f"<details><summary>{len(rest)} more</summary><table>{head}<tbody>{''.join(rest)}</tbody></table></details>"
        )
    return f'<section><h2>{"The front" if several else "The winner"}</h2><p class="quiet">{said}</p>{table}</section>'


def _confirmed(found: Confirmation) -> str:
    if not found.rows:
        return ""
    told = [
        "Trained again from scratch with fresh seeds, the same for all; bits per byte. Differences are paired by seed, "
        "with the 95 % interval of Student's t. The number of each is the place that its own search gave it; who is "
        "first was decided before.",
        *(in_general(found) if found.winner else ()),
    ]
    heads = ["validation, mean", "standard deviation", "difference to the transformer"]
    heads += ["test, mean", "difference on test", "parameters", "seeds × steps"]
    head = "".join(f'<th class="n">{name}</th>' for name in heads)
    rows = "".join(_confirmed_row(row, heads, found.transformer) for row in found.rows)
    table = f"<table><thead><tr><th>genome</th>{head}<th>genes</th></tr></thead><tbody>{rows}</tbody></table>"
    paragraphs = "".join(f'<p class="quiet">{html.escape(line)}</p>' for line in told)
    return f"<section><h2>Confirmed</h2>{paragraphs}{table}</section>"


def _confirmed_row(row: Confirmed, heads: Sequence[str], baseline: Confirmed | None) -> str:
    less, on_test = (row.less(baseline), row.less(baseline, "test")) if baseline not in (None, row) else (None, None)
    spread = f"{row.spread:.4f}" if len(row.validation) > 1 else "–"
    figures = [f"{row.mean:.4f}", spread, with_reach(less) or "–", f"{row.test_mean:.4f}", with_reach(on_test) or "–"]
    figures += [f"{row.parameters:,}", f"{len(row.seeds)} × {row.steps:,}"]
    cells = "".join(
        f'<td class="n" data-label="{name}">{value}</td>' for name, value in zip(heads, figures, strict=True)
    )
    # Folded: there are many, and a line for each model is what is read first.
    summary, genes = html.escape(origin_in_words(row)), html.escape(genes_in_words(row.values))
    genes = f"<details><summary>{summary}</summary>{genes}</details>"
    return f'<tr><td><code>{html.escape(row.genome)}</code></td>{cells}<td class="genes">{genes}</td></tr>'


def _row(space: SearchSpace, winner: Evaluation, several: bool) -> str:
    scores = "".join(
        f'<td class="n" data-label="{html.escape(METRICS[name].heading)}">{measured(name, winner.metrics[name])}</td>'
        for name in space.objectives
    )
    scores += f'<td class="n" data-label="seeds">{winner.seeds}</td>' if several else ""
    lines = "".join(
        f"<div>{f'<b>{line}:</b> ' if line else ''}"
        + "".join(f"<span><b>{html.escape(name)}</b> {html.escape(value)}</span> " for name, value in pairs)
        + "</div>"
        for line, pairs in gene_lines(winner.values, space)
    )
    generation = space.generation_of(winner.birth)
    genome = html.escape(winner.genome)
    return (
        f'<tr><td><button type="button" class="link" data-genome="{genome}"><code>{genome}</code></button></td>{scores}'
        f'<td class="n" data-label="generation">{generation}</td><td class="genes">{lines}</td></tr>'
    )


def _variables(mode: Mode) -> str:
    return f"{ink_variables(mode)} --scale: {', '.join(scale(mode))};"


def _origin(run: Run) -> str:
    versions = run.settings.get("versions")
    made = [f"{name} {version}" for name, version in versions.items()] if isinstance(versions, dict) else []
    return f"Run {run.id}" + (f", made with {', '.join(made)}." if made else ".")
