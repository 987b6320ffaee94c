"""What searches had attained after how much training, on common axes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from hrfevo.pareto import Hypervolume
from hrfevo.space.metrics import METRICS, Direction, Metric, measure
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.records import RunRecord
from hrfevo.views.figures.style import figure, measured, metric_axis, metric_format, text
from signal_model.support.errors import counted, listed

# Okabe & Ito, the same run in the same colour everywhere; dashes where colours end.
COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = ("solid", "dash", "dot", "dashdot")


@dataclass(frozen=True)
class Course:
    """Finished evaluations of the longest training that a run has reached, in the order in which they ended.

    `spent` are the minutes of training, over all workers, that had ended by then, (N,); `scores` the objectives,
    (N, objectives). `lasted` is all training until now, `unit` what the corpus is counted in.
    """

    objectives: tuple[tuple[Metric, Direction], ...]
    steps: int
    corpus: str
    spent: np.ndarray
    scores: np.ndarray
    lasted: float
    unit: str

    @property
    def kind(self) -> tuple[object, ...]:
        """Scores are only compared among runs in which all of this is the same."""
        return self.objectives, self.steps, self.corpus

    @property
    def losses(self) -> np.ndarray:
        """The scores, smaller being better, (N, objectives)."""
        signs = [1.0 if direction == "minimize" else -1.0 for _, direction in self.objectives]
        losses: np.ndarray = self.scores * signs
        return losses


def course_of(run: RunRecord, space: SearchSpace, records: pd.DataFrame) -> Course | None:
    """The course of a run from `record_frame` of its evaluations; None if nothing has finished yet."""
    ended = records[records["ended_event"].notna()].sort_values("ended_event")
    finished = ended["status"] == "finished"
    if not finished.any():
        return None
    rung = int(ended.loc[finished, "rung"].max())
    seconds = (ended["ended"].fillna(0.0) - ended["started"].fillna(0.0)).clip(lower=0.0)
    spent = np.cumsum(seconds.to_numpy() / 60)
    reached = (finished & (ended["rung"] == rung)).to_numpy()
    scores = ended.loc[reached, [*space.objectives]].to_numpy()
    # Of one text earlier versions noted less.
    told = run.settings.get("corpus")
    corpus = json.dumps(told.get("hash", told) if isinstance(told, dict) else told, sort_keys=True)
    objectives = tuple(space.objectives.items())
    return Course(objectives, space.rungs[rung], corpus, spent[reached], scores, float(spent[-1]), space.corpus.unit)


def attainment(courses: Mapping[str, Course], colours: Mapping[str, int]) -> dict[str, go.Figure]:
    """Best and hypervolume over training time, one figure for each group of runs that can be compared."""
    figures = {}
    order = sorted(courses, key=lambda name: repr(courses[name].kind))
    for number, (_, names) in enumerate(groupby(order, key=lambda name: courses[name].kind), start=1):
        group = {name: courses[name] for name in sorted(names, key=lambda name: colours[name])}
        figures[f"best {number}"] = _best(group, colours)
        if len(next(iter(group.values())).objectives) > 1:
            figures[f"hypervolume {number}"] = _hypervolume(group, colours)
    return figures


def _best(group: Mapping[str, Course], colours: Mapping[str, int]) -> go.Figure:
    first = next(iter(group.values()))
    metric, direction = first.objectives[0]
    lines = {}
    for name, course in group.items():
        best = np.minimum.accumulate(course.losses[:, 0]) * (1 if direction == "minimize" else -1)
        lines[name] = _stairs(course, np.flatnonzero(np.diff(best, prepend=np.nan)), best)
    ends = [f"{name} {measured(metric, y[-1])}" for name, (_, y) in lines.items()]
    caption = f"{METRICS[metric].words} after {counted(first.steps, 'step')}: ".capitalize() + f"{listed(ends)}."
    fig = _figure("Best over training time", caption)
    fig.update_yaxes(metric_axis(metric, measures=lambda name: measure(name, first.unit)))
    return _with_lines(fig, lines, colours, metric_format(metric))


def _hypervolume(group: Mapping[str, Course], colours: Mapping[str, int]) -> go.Figure:
    scale = Hypervolume.around(np.vstack([course.losses for course in group.values()]))
    lines = {}
    for name, course in group.items():
        places, volumes = scale.growth(course.losses)
        values = np.zeros(len(course.spent))
        values[places] = volumes
        lines[name] = _stairs(course, places, values)
    ends = [f"{name} {y[-1]:.1%}" for name, (_, y) in lines.items()]
    names = listed([METRICS[name].words for name, _ in next(iter(group.values())).objectives])
    fig = _figure(
        "Hypervolume over training time",
        f"Share of the box from best to worst, over all runs shown, of {names} that the front covers: {listed(ends)}.",
    )
    fig.update_yaxes(title_text="hypervolume", tickformat=".0%", rangemode="tozero")
    return _with_lines(fig, lines, colours, ".2%")


def _stairs(course: Course, places: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The corners of a stair, which goes on until now."""
    return np.append(course.spent[places], course.lasted), np.append(values[places], values[places[-1]])


def _figure(title: str, caption: str) -> go.Figure:
    xaxis = {"title": {"text": "training, minutes over all workers"}, "rangemode": "tozero"}
    return figure(title, caption, xaxis=xaxis, height=340)


def _with_lines(
    fig: go.Figure, lines: Mapping[str, tuple[np.ndarray, np.ndarray]], colours: Mapping[str, int], form: str
) -> go.Figure:
    for name, (x, y) in lines.items():
        place = colours[name]
        fig.add_scatter(
            x=x,
            y=y,
            mode="lines",
            name=text(name),
            showlegend=True,
            line={
                "shape": "hv",
                "width": 2.5,
                "color": COLOURS[place % len(COLOURS)],
                "dash": DASHES[place // len(COLOURS) % len(DASHES)],
            },
            hovertemplate=f"%{{fullData.name}}<br>%{{x:.1f}} min: %{{y:{form}}}<extra></extra>",
        )
    return fig
