"""Would more budget help? What as much training again may gain, by what the last doublings have gained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hrfevo.results.history import History
from hrfevo.space.metrics import Measure
from hrfevo.store.spending import Ledger

# Of searches that spent as much training again, so many gained no more than in the better of their last two doublings;
# two of three gained nothing (benchmarks/forecast.py).
WITHIN = "five of six"


@dataclass(frozen=True)
class Forecast:
    """By how much the best by the first objective may get better with as much training again.

    It is a range: what the last doublings gained bounds what the next will, in most searches, but does not say what
    within the bound it will be.
    """

    objective: Measure
    steps: int
    """Of all training so far."""
    full: int
    """Of a training to the last rung, which the best is of."""
    before: float
    """Gained from a quarter of the steps to half of them."""
    last: float
    """Gained since."""

    @property
    def most(self) -> float:
        """What as much training again should gain at most; 0 where the last two doublings gained nothing."""
        return max(self.last, self.before)

    @property
    def words(self) -> str:
        """What was gained, and what that says of more."""
        quarter, half, now = (format(self.steps / part / self.full, ",.3g") for part in (4, 2, 1))
        if not self.most:
            return f"none better since {quarter} of {now} full trainings: as much training again seldom finds better"
        form, unit = self.objective.format, self.objective.unit
        before, last, most = (format(one, form) for one in (self.before, self.last, self.most))
        gained = f"the best gained {before} from {quarter} to {half} full trainings, {last} from {half} to {now}"
        return f"{gained}; as much training again often gains nothing, in {WITHIN} searches {most} {unit}".rstrip() + (
            " at most"
        )


def forecast(history: History) -> Forecast | None:
    """Of a search by its first objective at its last rung; None where nothing had come to it after a quarter of the
    training.

    A genome counts from its first training there, by the mean of all its seeds and the times that count, if it leads by
    what can be relied on: what one lucky training seemed to gain was never gained.
    """
    objective, direction = history.space.first_objective
    sign = -1.0 if direction == "maximize" else 1.0
    rungs, broken = history.space.rungs, history.space.violation
    scores = {
        one.number: (sign * one.metrics[objective], one.doubts.get(objective, 0.0))
        for one in history.at_rung(len(rungs) - 1)
        if not (one.timings and broken(one.metrics))
    }
    ledger, spent, losses, leads = Ledger(rungs), list[int](), list[float](), math.inf
    for e in sorted((e for e in history if e.ended_event is not None), key=lambda e: e.ended_event or 0):
        ledger.add(e.genome, e.seed, e.rung, e.status, e.metrics, e.seconds)
        spent.append(ledger.spent.steps)
        mean, doubt = scores.get(e.number, (math.inf, 0.0))
        losses.append(mean if mean + doubt < leads else math.inf)
        leads = min(leads, mean + doubt)
    if (gains := doublings(spent, losses)) is None:
        return None
    return Forecast(history.space.measure(objective), spent[-1], rungs[-1], *gains)


def doublings(spent: Sequence[float], losses: Sequence[float]) -> tuple[float, float] | None:
    """By how much the least loss fell in the last two doublings of what was `spent`, which rises; the earlier first.

    None where there was none yet at a quarter of it.

    Examples:
        >>> doublings([1, 2, 3, 4], [5.0, 4.5, 4.75, 4.25])
        (0.5, 0.25)
    """
    if not spent:
        return None
    quarter, half, now = (
        min((loss for at, loss in zip(spent, losses, strict=True) if at <= share * spent[-1]), default=math.inf)
        for share in (0.25, 0.5, 1)
    )
    return None if math.isinf(quarter) else (quarter - half, half - now)
