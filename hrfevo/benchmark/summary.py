"""Scores of many searches as a table and as curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hrfevo.benchmark.comparison import Score, median_interval, seconds_to

Measure = Literal["hypervolume", "regret"]
# At so many moments, from nothing to the whole budget, curves are drawn.
MOMENTS = 120


@dataclass(frozen=True)
class Summary:
    """One algorithm with one number of workers over all seeds; `spent` is in full trainings of the budget's unit."""

    algorithm: str
    workers: int
    final: np.ndarray
    """What each seed attained with the whole budget."""
    reached: np.ndarray
    """Share of the budget after which each seed attained the target; infinity if never."""
    curves: np.ndarray
    """(seeds, MOMENTS)"""
    workers_used: float
    proposal_ms: float
    recommended: float
    """Median of what the genomes are worth that each search would name."""

    @property
    def final_quartiles(self) -> tuple[float, float, float]:
        """Lower quartile, median, upper quartile."""
        low, middle, high = np.percentile(self.final, [25, 50, 75])
        return float(low), float(middle), float(high)

    @property
    def share_to_target(self) -> tuple[float, float, float]:
        """Median share of the budget to the target, with its 95 % bootstrap interval."""
        return median_interval(self.reached)


def summarise(scores: Sequence[Score], measure: Measure, references: Sequence[str]) -> list[Summary]:
    """One summary per algorithm and number of workers, in the order they come.

    The target, for each number of workers, is the best median that one of `references` has attained with the whole
    budget.
    """
    groups: dict[tuple[str, int], list[Score]] = {}
    for score in scores:
        groups.setdefault((score.case.algorithm, score.case.workers), []).append(score)
    better = max if measure == "hypervolume" else min
    finals = {key: np.array([_final(score, measure) for score in group]) for key, group in groups.items()}
    targets = {
        workers: better(float(np.median(finals[name, workers])) for name in references if (name, workers) in finals)
        for _, workers in groups
    }
    summaries = []
    for (name, workers), group in groups.items():
        moments = np.linspace(0, group[0].seconds, MOMENTS + 1)[1:]
        attained = [getattr(score, measure) for score in group]
        rising = measure == "hypervolume"
        reached = [
            seconds_to(a, targets[workers], rising=rising, within=score.seconds) / score.seconds
            for a, score in zip(attained, group, strict=True)
        ]
        summaries.append(
            Summary(
                name,
                workers,
                finals[name, workers],
                np.array(reached),
                np.array([a.at(moments) for a in attained]),
                float(np.median([score.workers_used for score in group])),
                float(np.median([score.proposal_ms for score in group])),
                float(np.median([getattr(score, f"recommended_{measure}") for score in group])),
            )
        )
    return summaries


def _final(score: Score, measure: Measure) -> float:
    value = float(getattr(score, measure).at(np.array([score.seconds]))[0])
    return value if np.isfinite(value) else (0.0 if measure == "hypervolume" else np.inf)


def markdown(summaries: Sequence[Summary], measure: Measure) -> str:
    """A table: what was attained, and which share of the budget the target took."""
    form = "{:.1%}" if measure == "hypervolume" else "{:.4f}"
    head = ["algorithm", "workers", f"{measure}: median (quartiles)", "recommended: median"]
    head += ["budget to the target: median (95 %)", "workers in use", "ms per proposal"]
    lines = [f"| {' | '.join(head)} |", "|---|" + "---:|" * (len(head) - 1)]
    for s in summaries:
        low, middle, high = (form.format(value) for value in s.final_quartiles)
        share = [f"{value:.0%}" if np.isfinite(value) else "never" for value in s.share_to_target]
        cells = [s.algorithm, str(s.workers), f"{middle} ({low}–{high})", form.format(s.recommended)]
        cells += [f"{share[0]} ({share[1]}–{share[2]})"]
        lines.append(f"| {' | '.join([*cells, f'{s.workers_used:.1%}', f'{s.proposal_ms:.1f}'])} |")
    return "\n".join(lines)
