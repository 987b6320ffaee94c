"""How an objective goes from rung to rung."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# What is believed of two rungs before they are measured, as strongly as by so many genomes: that they differ by a
# constant, give or take so large a share of the spread.
PRIOR_PAIRS, PRIOR_ERROR = 3.0, 0.25


@dataclass(frozen=True)
class Ladder:
    """How one objective goes from a rung to the last: value ≈ slope · value + shift, give or take `error`."""

    slopes: np.ndarray
    shifts: np.ndarray
    errors: np.ndarray

    @classmethod
    def flat(cls, rungs: int) -> Ladder:
        """Of an objective that no training changes, such as the number of parameters."""
        return cls(np.ones(rungs), np.zeros(rungs), np.zeros(rungs))

    @classmethod
    def fit(cls, values: np.ndarray) -> Ladder:
        """From values (genomes, rungs), not a number where not measured.

        Each step is least squares over the genomes measured at both rungs, its slope drawn towards 1 as by
        `PRIOR_PAIRS` more of them; steps are chained.
        """
        rungs = values.shape[1]
        slopes, shifts, errors = np.ones(rungs), np.zeros(rungs), np.zeros(rungs)
        for rung in range(rungs - 2, -1, -1):
            both = ~np.isnan(values[:, rung : rung + 2]).any(axis=1)
            slope, shift, error = _line(values[both, rung], values[both, rung + 1], values[:, rung])
            slopes[rung] = slope * slopes[rung + 1]
            shifts[rung] = shift * slopes[rung + 1] + shifts[rung + 1]
            errors[rung] = np.hypot(error * slopes[rung + 1], errors[rung + 1])
        return cls(slopes, shifts, errors)


def _line(below: np.ndarray, above: np.ndarray, all_below: np.ndarray) -> tuple[float, float, float]:
    known = all_below[~np.isnan(all_below)]
    spread = float(known.std()) if len(known) > 1 else 0.0
    if not len(below):
        return 1.0, 0.0, spread * PRIOR_ERROR
    deviations, rises = below - below.mean(), above - above.mean()
    prior = PRIOR_PAIRS * spread**2 + 1e-12
    slope = float((deviations @ rises + prior) / (deviations @ deviations + prior))
    residuals = rises - slope * deviations
    prior = PRIOR_PAIRS * (spread * PRIOR_ERROR) ** 2
    error = np.sqrt((residuals @ residuals + prior) / (len(below) + PRIOR_PAIRS))
    return slope, float(above.mean() - slope * below.mean()), float(error)
