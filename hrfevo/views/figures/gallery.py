"""All figures of a search, by name."""

from __future__ import annotations

from types import MappingProxyType

import pandas as pd
import plotly.graph_objects as go

from hrfevo.results.history import History
from hrfevo.results.importance import LEAST, Method, importances_of, ranges_of
from hrfevo.results.scaling.scaling import Scaling
from hrfevo.views.figures.course.agreement import agreement
from hrfevo.views.figures.course.failures import failures
from hrfevo.views.figures.course.fitness import fitness_over_generations
from hrfevo.views.figures.course.learning_curves import learning_curves
from hrfevo.views.figures.course.progress import progress
from hrfevo.views.figures.course.timeline import timeline
from hrfevo.views.figures.genes.distributions import gene_distributions
from hrfevo.views.figures.genes.importance import importances
from hrfevo.views.figures.genes.parallel import parallel_coordinates
from hrfevo.views.figures.genes.values import gene_values
from hrfevo.views.figures.winners.front import front
from hrfevo.views.figures.winners.genealogy import genealogy
from hrfevo.views.figures.winners.scaling import scaling as loss_over_size
from signal_model.evaluation.yardsticks import Yardsticks
from signal_model.support.errors import closest

# Genes' importance is taken from about so many evaluations, evenly spread, which takes about a second.
SAMPLE = 250
# PED-ANOVA compares the best tenth with all, which is faster than fANOVA and needs more.
ENOUGH = 100


class NoSuchFigure(KeyError):
    """A name that none of a run's figures has; its text is a sentence."""

    def __str__(self) -> str:
        return str(self.args[0])


class Figures(dict[str, go.Figure]):
    """Figures by name, in the order they are read. Raises NoSuchFigure, a KeyError, for a name that none has."""

    def __missing__(self, name: object) -> go.Figure:
        raise NoSuchFigure(self.absence(name))

    def absence(self, name: object) -> str:
        """What to say of a name that none has."""
        told = f"accepted: {', '.join(self)}" if self else "the run has too few evaluations for any"
        return f"figure {name!r}: the run has no such figure{closest(name, self)}; {told}"


def gallery(
    frame: pd.DataFrame,
    curves: pd.DataFrame,
    history: History,
    scores: Yardsticks = MappingProxyType({}),
    scaling: Scaling | None = None,
) -> Figures:
    """Name -> figure, in the order they are read; those without data are left out.

    `frame` is `evaluation_frame(history)`, `curves` is `curve_frame` of their learning curves, `scores` are
    losses that need no model, `scaling` is the last ladder of sizes.
    """
    space, objectives, measures = history.space, history.space.objectives, history.space.measure
    finished = frame[frame["status"] == "finished"]
    found: dict[str, go.Figure | None] = {}
    if len(finished) >= 2:
        found["front"] = front(frame, objectives, measures=measures)
    found["scaling"] = loss_over_size(scaling) if scaling else None
    if len(finished) >= 2:
        top, bottom = int(finished["rung"].max()), int(finished["rung"].min())
        found["fitness"] = fitness_over_generations(frame, objectives, top, scores, measures)
        if bottom < top:
            found["fitness-first"] = fitness_over_generations(frame, objectives, bottom, scores, measures)
        found["progress"] = progress(frame, objectives, measures)
        found["genealogy"] = genealogy(frame, history)
    if finished["number"].isin(curves["number"]).any():
        found["curves"] = learning_curves(curves, frame, objectives, loss=space.loss, measures=measures)
    found["agreement"] = agreement(history)
    if len(finished) >= 2:
        found["genes"] = gene_values(frame, space)
        found["distributions"] = gene_distributions(frame, space)
        found["parallel"] = parallel_coordinates(frame, space)
        found["importance"] = gene_importance(history)
    found["timeline"] = timeline(frame)
    found["failures"] = failures(frame)
    return Figures({name: figure for name, figure in found.items() if figure is not None})


def gene_importance(history: History) -> go.Figure | None:
    """Which genes matter for each objective; None where too few evaluations have finished."""
    space, peers = history.space, history.fullest
    if len(peers) < LEAST:
        return None
    some = peers.among(peers[:: -(-len(peers) // SAMPLE)])
    # What the best tenth have in common takes more than a few of them to say.
    method: Method = "ped-anova" if len(some) >= ENOUGH else "fanova"
    names = [*space.objectives]
    shares = importances_of(some, names, method)
    ranges = ranges_of(some, shares, method)
    return importances(shares, method, len(some), space.rungs[peers[0].rung], ranges, space.measure)
