"""Every figure of a search by name, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from hrfevo.importance import LEAST, gene_importances, importance_rung
from hrfevo.report.failure_figure import failures
from hrfevo.report.figures import fitness_over_generations, front, learning_curves
from hrfevo.report.gene_figure import gene_values
from hrfevo.report.importance_figure import importances
from hrfevo.space import SearchSpace
from hrfevo.store import Evaluation

# Genes' importance is taken from about so many evaluations, evenly spread.
SAMPLE = 400


def gallery(
    frame: pd.DataFrame, curves: pd.DataFrame, space: SearchSpace, evaluations: Sequence[Evaluation]
) -> dict[str, go.Figure]:
    """The figures that there are data for."""
    found: dict[str, go.Figure | None] = {}
    finished = frame[frame["status"] == "finished"]
    if len(finished) >= 2:
        found["fitness"] = fitness_over_generations(frame, space.objectives)
        found["front"] = front(frame, space.objectives)
    if not finished.empty and finished["number"].isin(curves["number"]).any():
        found["learning curves"] = learning_curves(curves, frame, space.objectives)
    if len(finished) >= 2:
        found["genes"] = gene_values(frame, space)
    rung = importance_rung(evaluations)
    peers = [e for e in evaluations if e.status == "finished" and e.rung == rung]
    if len(peers) >= LEAST:
        some = peers[:: -(-len(peers) // SAMPLE)]
        shares = {name: gene_importances(space, some, name, "ped-anova") for name in space.objectives}
        found["importance"] = importances(shares)
    found["failures"] = failures(frame)
    return {name: figure for name, figure in found.items() if figure is not None}
