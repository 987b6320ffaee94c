"""How far a rung can be trusted: whether genomes stand in the same order there as at the last."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hrfevo.results.history import History
from hrfevo.space.metrics import METRICS, Metric
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.records import Evaluation
from signal_model.support.errors import counted

# Of fewer genomes nothing is said; of fewer than these nobody is warned.
LEAST, LEAST_TO_WARN = 5, 10
# The interval holds the true value in 95 of 100 searches.
NORMAL_QUANTILE = 1.959964
# A rung whose interval lies below this is poor: fewer than three of four pairs are in the same order. Where a third of
# a rung goes on, the promoted have 0.5 among them if all together would have 0.7.
POOR = 0.5


@dataclass(frozen=True)
class Agreement:
    """Kendall's τ-b of one objective between a rung and the last, over the genomes that one training took to both."""

    objective: Metric
    rung: int
    steps: int
    last_steps: int
    genomes: int
    tau: float
    low: float
    high: float
    """The ends of the 95 % interval."""

    @property
    def poor(self) -> bool:
        """Whether it is too low for chance to be the reason."""
        return self.genomes >= LEAST_TO_WARN and self.high < POOR

    @property
    def words(self) -> str:
        """`τ 0.62 (0.31 to 0.81) over 24 genomes`."""
        return f"τ {self.tau:.2f} ({self.low:.2f} to {self.high:.2f}) over {counted(self.genomes, 'genome')}"

    @property
    def warning(self) -> str:
        """What a poor order means and what to do; empty where it is not poor."""
        told = f"the order after {counted(self.steps, 'step')} says little of that after {self.last_steps:,}"
        advice = "what was given up there may have been good; train longer before choosing: a longer first of the rungs"
        return f"{told}, so {advice} (key `rungs`)" if self.poor else ""


def agreements(history: History) -> list[Agreement]:
    """For each objective that training improves, each rung below the last, lowest first.

    A step time is measured anew at every rung, but training does not improve it: it is left out. So is a rung with
    fewer than `LEAST` genomes, or where all of them have one score.
    """
    space = history.space
    found = (_agreement(history, name, rung) for name in _improved(space) for rung in _lower(space))
    return [one for one in found if one is not None]


def pairs(history: History, objective: Metric, rung: int) -> list[tuple[Evaluation, float]]:
    """Evaluations of the last rung, each with what its training had at a lower one; one per genome."""
    last, finished = len(history.space.rungs) - 1, history.finished
    below = {(e.genome, e.seed): e.metrics[objective] for e in finished if e.rung == rung}
    above = {e.genome: e for e in finished if e.rung == last and (e.genome, e.seed) in below}
    return [(e, below[e.genome, e.seed]) for e in above.values()]


def in_lines(found: Sequence[Agreement]) -> list[tuple[str, str]]:
    """Names and facts, one for each rung, then what they warn of."""
    facts = [
        ("rungs agree", f"in {one.objective} after {one.steps:,} and {counted(one.last_steps, 'step')}: {one.words}")
        for one in found
    ]
    return facts + [("beware", one.warning) for one in found if one.warning]


def interval(tau: float, count: int) -> tuple[float, float]:
    """95 % interval of a τ of so many points, by Fisher's z with a variance of 0.437 / (n - 4).

    After Fieller, Hartley & Pearson 1957, as Bonett & Wright 2000 recommend it. A perfect order counts as one with half
    a pair wrong, since of few points it is no proof.
    """
    most = 1 - 2 / (count * (count - 1))
    center, reach = math.atanh(min(max(tau, -most), most)), NORMAL_QUANTILE * math.sqrt(0.437 / (count - 4))
    return min(math.tanh(center - reach), tau), max(math.tanh(center + reach), tau)


def _improved(space: SearchSpace) -> list[Metric]:
    return [name for name in space.objectives if METRICS[name].trained and not METRICS[name].clock]


def _lower(space: SearchSpace) -> range:
    return range(len(space.rungs) - 1)


def _agreement(history: History, objective: Metric, rung: int) -> Agreement | None:
    from scipy.stats import kendalltau

    both = pairs(history, objective, rung)
    if len(both) < LEAST:
        return None
    tau = float(kendalltau([low for _, low in both], [e.metrics[objective] for e, _ in both]).statistic)
    if math.isnan(tau):
        return None
    steps, last_steps = history.space.rungs[rung], history.space.rungs[-1]
    return Agreement(objective, rung, steps, last_steps, len(both), tau, *interval(tau, len(both)))
