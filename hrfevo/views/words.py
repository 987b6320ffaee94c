"""Sentences, numbers and genes of a report, as plain text."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from hrfevo.results.frames import best_of, finished_at
from hrfevo.space.search_space import SearchSpace
from hrfevo.views.figures.style import measured, measurement_in_words, shown
from hrfevo.views.terminal.tables import short_names
from signal_model.support.errors import counted, listed

INHERITED_WEIGHTS = (
    "Offspring began with weights of their parents (inherit: true): a score of the search is that of a lineage, not of "
    "one training from scratch."
)


def gene_lines(values: Mapping[str, Any], space: SearchSpace) -> list[tuple[str, list[tuple[str, str]]]]:
    """The genes in few words: a line of (name, value) for the model, one for each layer, like layers as one."""
    inner = getattr(space.genes.get("layers"), "genes", {})
    names = short_names([*space.genes, *inner])
    outer = {name: value for name, value in values.items() if name != "layers"}
    lines = [("", _pairs(outer, names))] if outer else []
    runs: list[tuple[int, int, list[tuple[str, str]]]] = []
    for index, layer in enumerate(values.get("layers", ()), start=1):
        pairs = _pairs(layer, names)
        if runs and runs[-1][2] == pairs:
            runs[-1] = (runs[-1][0], index, pairs)
        else:
            runs.append((index, index, pairs))
    return lines + [(f"layer {a}" if a == b else f"layers {a}–{b}", pairs) for a, b, pairs in runs]


def _pairs(values: Mapping[str, Any], names: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(names.get(name, name), shown(value)) for name, value in values.items()]


def moment(seconds: float) -> str:
    """Seconds since the epoch as date and time."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


def tally(statuses: Iterable[str], run_state: str) -> str:
    """How many evaluations came to what; those without an end are cut off where the run is not running."""
    counts = Counter(statuses)
    words = {status: status for status in ("finished", "failed", "infeasible")}
    words["running"] = "running" if run_state == "running" else "cut off"
    told = [f"{counts[status]:,} {word}" for status, word in words.items() if counts[status] or status == "finished"]
    return ", ".join(told)


def summary(frame: pd.DataFrame, space: SearchSpace) -> str:
    """Who won and by how much it is better than where the search began."""
    metric, direction = space.first_objective
    top = finished_at(frame)
    if top.empty:
        return "No evaluation has finished yet, so there is no score to show."
    sign = 1 if direction == "minimize" else -1
    best = best_of(top, space.objectives)
    score = measurement_in_words(metric, measured(metric, best[metric]), space.measure)
    seeds = f", the mean of {best['seeds']} seeds," if best["seeds"] > 1 else ""
    said = f"Best genome {best['genome']}: {score}{seeds} after {counted(best['steps'], 'training step')}"
    first = top[top["generation"] == 0][metric]
    if len(top) == 1:
        return f"{said}. It is the only one that has finished there, so there is nothing to compare it with."
    if len(first) < 2:
        return f"{said}. Too few of the first generation were trained that far to say what the search has gained."
    everyone = finished_at(frame, 0)["generation"] == 0
    who = "the median of the first generation"
    if len(first) < everyone.sum():
        who = f"the median of the {len(first)} of the first generation that were trained as far"
    median, champion = float(first.median()), float(sign * (sign * first).min())
    gains = [
        f"{_gain(metric, sign * (reference - best[metric]), reference)} than {who} ({measured(metric, reference)})"
        for reference, who in ((median, who), (champion, "the best of them"))
        if sign * (reference - best[metric]) > 0
    ]
    if best["generation"] == 0:
        since = "none was trained that far since" if len(first) == len(top) else "no later one is better"
        return f"{said}. It is of the first generation{': ' + gains[0] if gains else ''}; {since}."
    return f"{said}. That is {listed(gains)}." if gains else f"{said}, no better than the first generation."


def _gain(metric: str, difference: float, reference: float) -> str:
    share = f" ({abs(difference / reference):.1%})" if reference else ""
    return f"{measured(metric, difference)}{share} better"


def caveat(seeds: int, confirmed: bool, inherited: bool) -> str:
    """How far the scores can be trusted. The winners' are means over at most so many `seeds`."""
    if inherited:
        return f"{INHERITED_WEIGHTS} {caveat(seeds, confirmed, False)}"
    if confirmed:
        return (
            f"Scores of the search, below, are from {_trainings(seeds)} each, and flatter the winners, which were "
            "chosen by them. Quote the confirmed ones."
        )
    trained = "one training with one seed" if seeds <= 1 else f"{_trainings(seeds)} with seeds of their own"
    return (
        f"Not confirmed. Every score is from the validation split and from {trained}, and the winners were chosen by "
        "these very scores, so they are flattered by chance: expect less when they are trained again with fresh seeds "
        "and measured on the test split."
    )


def _trainings(seeds: int) -> str:
    return "one training" if seeds <= 1 else f"one to {seeds} trainings"
