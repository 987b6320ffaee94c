"""Scaling laws: fitted as another optimiser fits them, with intervals that hold what they say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import huber

from hrfevo.results.scaling.law import DELTA, Interval, Law, Seeds, crossing, fit

SIZES = 1e4 * 4.0 ** np.arange(5)


def law(floor: float, scale: float, exponent: float, reference: float = 1e5) -> Law:
    return Law(np.array(floor), np.array(scale), np.array(exponent), reference)


def by_scipy(sizes: np.ndarray, losses: np.ndarray) -> tuple[np.ndarray, float]:
    """E, A and α of the least Huber loss of logarithms, from several starts; x₀ is the geometric mean."""
    relative = sizes / np.exp(np.log(sizes).mean())

    def cost(logs: np.ndarray) -> float:
        floor, scale, exponent = np.exp(logs)
        return float(huber(DELTA, np.log(floor + scale * relative**-exponent) - np.log(losses)).sum())

    options = {"xatol": 1e-9, "fatol": 1e-16, "maxiter": 5000}
    starts = [(np.log(e), np.log(a), np.log(x)) for e in (0.5, 1.5) for a in (0.5, 1.5) for x in (0.1, 0.4, 1.0)]
    best = min((minimize(cost, s, method="Nelder-Mead", options=options) for s in starts), key=lambda one: one.fun)
    return np.exp(best.x), float(best.fun)


@pytest.mark.parametrize("outlier", [1.0, 1.05])
def test_a_law_is_the_least_huber_loss_of_logarithms_that_scipy_finds_too(outlier: float) -> None:
    scattered = np.exp(0.003 * np.random.default_rng(1).standard_normal(5)) * [1, outlier, 1, 1, 1]
    losses = law(1.5, 1.0, 0.3).at(SIZES) * scattered
    found = fit(SIZES, losses)
    (floor, scale, exponent), least = by_scipy(SIZES, losses)
    cost = huber(DELTA, np.log(found.at(SIZES)) - np.log(losses)).sum()
    assert cost <= least * 1.01 + 1e-9
    assert found.at(SIZES * 16) == pytest.approx(floor + scale * (SIZES * 16 / found.reference) ** -exponent, rel=2e-3)
    # One that is far off the line, as a training that went wrong, hardly moves it.
    assert found.at(SIZES[-1:]) == pytest.approx(law(1.5, 1.0, 0.3).at(SIZES[-1:]), rel=0.01)


def test_many_series_are_fitted_as_each_of_them_alone() -> None:
    series = law(1.2, 0.9, 0.4).at(SIZES) * np.exp(0.01 * np.random.default_rng(2).standard_normal((7, 5)))
    together, alone = fit(SIZES, series), [fit(SIZES, one) for one in series]
    assert together.exponent == pytest.approx([float(one.exponent) for one in alone])
    assert together.at(SIZES) == pytest.approx(np.stack([one.at(SIZES) for one in alone]))


def test_two_sizes_give_a_power_law_and_a_loss_that_rises_a_flat_one() -> None:
    two = fit(SIZES[:2], law(0.0, 2.0, 0.2).at(SIZES[:2]))
    assert (float(two.floor), float(two.exponent)) == (0.0, pytest.approx(0.2, rel=1e-3))
    rising = fit(SIZES, np.array([2.0, 2.1, 2.2, 2.3, 2.4]))
    assert np.ptp(rising.at(SIZES)) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("seeds", [2, 4])
def test_intervals_hold_the_truth_as_often_as_they_say(seeds: int) -> None:
    generator = np.random.default_rng(seeds)
    truths, far = (law(1.5, 1.0, 0.3), law(1.5, 0.98, 0.31)), SIZES[-1:] * 4
    held = {"loss": 0, "difference": 0}
    for _ in range(30):
        # What a seed does to both sides alike is larger than what it does to either.
        common = 0.003 * generator.standard_normal((5, 1, seeds))
        own = 0.002 * generator.standard_normal((5, 2, seeds))
        means = np.stack([truth.at(SIZES) for truth in truths], axis=1)
        trained = Seeds(tuple(means[:, :, None] * np.exp(common + own)))
        moved = trained.redrawn(generator, draws=100)
        pairs = zip(trained.means, moved.swapaxes(0, 1), strict=True)
        told = [(fit(SIZES, m, trained.error), fit(SIZES, m * f, trained.error)) for m, f in pairs]
        (first, firsts), (second, seconds) = ((one.at(far)[0], many.at(far)[:, 0]) for one, many in told)
        held["loss"] += float(truths[0].at(far)[0]) in Interval.of(first, firsts)
        difference = float((truths[0].at(far) - truths[1].at(far))[0])
        held["difference"] += difference in Interval.of(first - second, firsts - seconds)
    assert min(held.values()) >= 26, held


def test_redrawn_means_scatter_as_students_t_says() -> None:
    trained = Seeds(tuple(np.exp(0.01 * np.random.default_rng(3).standard_normal((4, 1, 3)))))
    logs = np.log(trained.redrawn(np.random.default_rng(4), draws=20000))[:, 0, 0]
    from scipy.stats import t

    expected = t.ppf(0.975, trained.freedom) * trained.error
    assert np.quantile(logs, 0.975) == pytest.approx(expected, rel=0.1)
    assert trained.freedom == 8


def test_one_seed_has_no_doubt_that_is_known() -> None:
    trained = Seeds(tuple(np.full((3, 2, 1), 2.0)))
    assert (trained.freedom, trained.error) == (0, 0.0)
    assert not Interval.of(1.0, None).is_known
    assert 1e9 in Interval.of(1.0, None)


def test_laws_cross_where_they_are_equal() -> None:
    first, second = law(1.5, 0.8, 0.2), law(1.5, 1.0, 0.3)  # equal where 0.8 = x^-0.1
    expected = 1e5 * 0.8**-10
    found = crossing(first, second, 1e4, 1e7)
    assert found.at is not None
    assert found.at.value == pytest.approx(expected, rel=1e-3)
    assert crossing(first, second, 1e4, expected / 2).at is None
    spread = np.random.default_rng(5).normal(0.3, 0.002, 300)
    many = Law(np.full(300, 1.5), np.full(300, 1.0), spread, 1e5)
    fixed = Law(np.full(300, 1.5), np.full(300, 0.8), np.full(300, 0.2), 1e5)
    doubted = crossing(first, second, 1e4, 1e7, (fixed, many))
    assert doubted.at is not None
    assert doubted.share == 1.0
    assert (doubted.at.low, doubted.at.high) == pytest.approx(
        1e5 * 0.8 ** (-1 / (np.quantile(spread, [0.975, 0.025]) - 0.2)), rel=1e-2
    )


@pytest.mark.filterwarnings("error")
def test_laws_that_keep_their_distance_cross_nowhere_and_nothing_is_said_of_it() -> None:
    """Their difference hardly changes from size to size: a line through two of its values ends beyond all numbers."""
    assert crossing(law(3.0, 1.0 + 1e-9, 0.3), law(2.0, 1.0, 0.3), 1e4, 1e7).at is None


def test_an_exponent_at_the_end_of_those_looked_for_is_told() -> None:
    assert Interval(0.01, 0.01, 0.01).reaches(0.01, 3)
    assert Interval(0.4, 0.2, 3.0).reaches(0.01, 3)
    assert not Interval(0.4, 0.2, 0.7).reaches(0.01, 3)
    assert not Interval(0.4, -np.inf, np.inf).reaches(0.01, 3), "nothing is known of one seed"
