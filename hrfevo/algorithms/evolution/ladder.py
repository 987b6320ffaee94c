"""How an objective goes from rung to rung."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# It is believed of two rungs before they are measured, as strongly as by so many genomes, that they differ by a
# constant.
PRIOR_PAIRS = 3.0


@dataclass(frozen=True)
class Ladder:
    """Measurements of one objective, carried to the last rung by a line: slope · value + shift for each rung."""

    slopes: np.ndarray
    shifts: np.ndarray

    @classmethod
    def fit(cls, values: np.ndarray) -> Ladder:
        """From values (genomes, rungs), not a number where not measured.

        Each step is least squares over the genomes measured at both rungs, its slope drawn towards 1 as by
        `PRIOR_PAIRS` more of them; steps are chained.
        """
        rungs = values.shape[1]
        slopes, shifts = np.ones(rungs), np.zeros(rungs)
        for rung in range(rungs - 2, -1, -1):
            both = ~np.isnan(values[:, rung : rung + 2]).any(axis=1)
            slope, shift = _line(values[both, rung], values[both, rung + 1], values[:, rung])
            slopes[rung] = slope * slopes[rung + 1]
            shifts[rung] = shift * slopes[rung + 1] + shifts[rung + 1]
        return cls(slopes, shifts)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Values (genomes, rungs) as they would be at the last."""
        carried: np.ndarray = self.slopes * values + self.shifts
        return carried


def _line(below: np.ndarray, above: np.ndarray, all_below: np.ndarray) -> tuple[float, float]:
    if not len(below):
        return 1.0, 0.0
    deviations, rises = below - below.mean(), above - above.mean()
    prior = PRIOR_PAIRS * float(np.nanvar(all_below)) + 1e-12
    slope = float((deviations @ rises + prior) / (deviations @ deviations + prior))
    return slope, float(above.mean() - slope * below.mean())
