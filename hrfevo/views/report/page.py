"""The page of a run: one HTML file that opens offline, on any screen, light or dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from hrfevo.results.confirmation.confirmed import NOTHING, Confirmation
from hrfevo.results.cost import Cost, cost_in_words
from hrfevo.results.earlier import begun_with
from hrfevo.results.forecast import forecast
from hrfevo.results.frames import curve_frame, evaluation_frame
from hrfevo.results.history import History
from hrfevo.results.range_ends import range_ends
from hrfevo.results.scaling.scaling import Scaling
from hrfevo.results.worth import worth, yardsticks_of
from hrfevo.store.records import RunRecord
from hrfevo.store.settings import CorpusRecord, EarlierRun
from hrfevo.views.figures.gallery import gallery
from hrfevo.views.figures.sampling import drawn_numbers
from hrfevo.views.figures.style import page_variables
from hrfevo.views.report.board import Board
from hrfevo.views.report.card_data import card_data
from hrfevo.views.report.compact import packed, picture
from hrfevo.views.report.headline import corpus_name, lead, searched, won
from hrfevo.views.report.tables import confirmed_table, confusion_table, footprints, front_table
from hrfevo.views.terminal.tables import duration, trained_in_words
from hrfevo.views.words import caveat, moment, summary, tally
from hrfevo.workers.base import Point
from signal_model.config.corpus import corpus_in_words
from signal_model.support.errors import listed
from signal_model.support.pages import Script, page


def render(
    run: RunRecord,
    history: History,
    curves: Mapping[int, Sequence[Point]],
    confirmed: Confirmation = NOTHING,
    pictures: Mapping[str, Mapping[str, go.Figure]] = MappingProxyType({}),
    scaling: Scaling | None = None,
) -> str:
    """The whole page, with `pictures` of the models of some genomes on their cards, and the last ladder of sizes.

    Everything that comes from data is escaped, for HTML and for Plotly.
    """
    history = history.with_means
    space, winners, frame = history.space, history.front, evaluation_frame(history)
    board = Board(frame, space.objectives, space.measure)
    scores = yardsticks_of(run.settings)
    for name, figure in gallery(frame, curve_frame(curves), history, scores, scaling).items():
        (board.add_panels if name in ("genes", "distributions") else board.add)(name, figure)
    seeds = max((winner.seeds for winner in winners), default=1)
    found = summary(frame, space)
    said = won(confirmed, scores)
    cards = card_data(history, curves, drawn_numbers(history, winners))
    cards["pictures"] = packed({genome: [*map(picture, figures.values())] for genome, figures in pictures.items()})
    return page(
        "hrfevo.views.report",
        run=run,
        description=space.description,
        searched=searched(run, history),
        facts=_facts(run, history, confirmed),
        lead=lead(confirmed, history) or found,
        summary=[
            ("", said),
            ("", found if winners else ""),
            *(("", f"Beware: {end.words}.") for end in range_ends(history)),
            ("worth", "" if said else worth(scores, history)),  # what is confirmed says it of the winner
            ("quiet", caveat(seeds, bool(confirmed.rows), space.inherit) if winners else ""),
        ],
        confirmed=confirmed_table(confirmed) if confirmed.rows else None,
        confusion=confusion_table(confirmed.winner),
        footprints=footprints(confirmed),
        front=front_table(space, winners) if winners else None,
        picture=board.sections[:1],
        sections=board.sections[1:],
        footer=_origin(run),
        light=page_variables("light"),
        dark=page_variables("dark"),
        drawings=board.drawings,
        cards=cards,
        scripts={
            "plotly": Script.of(get_plotlyjs()),
            "draw": Script.read("hrfevo.views.report", "page.js"),
            "card": Script.read("hrfevo.views.report", "cards.js"),
        },
    )


def _facts(run: RunRecord, history: History, confirmed: Confirmation) -> list[tuple[str, str]]:
    settings, space, used = run.settings.get, history.space, history.spent
    facts = [
        ("Evaluations", tally((e.status for e in history), run.state)),
        ("Trained", trained_in_words(used.steps, used.steps / space.rungs[-1], used.training_seconds)),
        ("Cost", cost_in_words(Cost.of([history]), confirmed.cost)),
        ("Budget", space.budget.words),
        *([("More budget", more.words)] if (more := forecast(history)) else []),
        *([("Ended", run.reason)] if run.reason else []),
        ("Started", moment(run.created)),
        ("Searched for", duration(run.seconds)),
        ("Corpus", corpus_in_words(corpus_name(run, space), _tokens(run))),
        ("Training steps", listed([f"{steps:,}" for steps in space.rungs])),
        ("Devices", listed(sorted({e.device for e in history if e.device})) or "none yet"),
    ]
    if settings("algorithm") is not None:
        facts.append(("Algorithm", f"{settings('algorithm')}, population {space.population}"))
    if told := begun_with([EarlierRun.model_validate(one) for one in settings("from", [])]):
        facts.append(("Knew from the start", told))
    if settings("seed") is not None:
        facts.append(("Seed", str(settings("seed"))))
    return facts


def _tokens(run: RunRecord) -> dict[str, int]:
    """Sizes of the corpus by split; none where an earlier version did not note them."""
    corpus = run.settings.get("corpus")
    return CorpusRecord.model_validate(corpus).tokens if isinstance(corpus, dict) else {}


def _origin(run: RunRecord) -> str:
    versions = run.settings.get("versions")
    made = [f"{name} {version}" for name, version in versions.items()] if isinstance(versions, dict) else []
    return f"Run {run.id}" + (f", made with {', '.join(made)}." if made else ".")
