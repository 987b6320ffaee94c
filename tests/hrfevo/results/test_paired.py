"""Two sides trained with the same seeds, and two fronts, against independent implementations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pymoo.indicators.hv import Hypervolume
from scipy import stats

from hrfevo.pareto import dominated_share, non_dominated
from hrfevo.results.comparison.fronts import front_pair, front_pair_by_seed
from hrfevo.results.comparison.paired import difference
from hrfevo.views.terminal.tables import with_reach


@pytest.mark.parametrize("pairs", [2, 3, 5, 10])
def test_the_interval_is_that_of_scipys_paired_t_test(pairs: int) -> None:
    generator = np.random.default_rng(pairs)
    hardness = generator.normal(0, 1, pairs)  # what a seed does to both alike
    first, second = (hardness + generator.normal(shift, 0.1, pairs) for shift in (0.0, 0.3))
    seeds = range(pairs)
    shuffled = {seed: second[seed] for seed in generator.permutation(pairs)} | {99: 5.0}
    found = difference(dict(zip(seeds, first, strict=True)), shuffled)
    assert found is not None
    result = stats.ttest_rel(first, second)
    low, high = result.confidence_interval(0.95)
    assert (found.mean, found.low, found.high) == pytest.approx((np.mean(first - second), low, high))
    assert found.mean / found.error == pytest.approx(result.statistic)
    assert (found.pairs, found.seen) == (pairs, result.pvalue < 0.05)


def test_what_has_no_pairs_or_one_claims_nothing() -> None:
    assert difference({1: 2.0}, {2: 3.0}) is None
    one = difference({1: 2.0, 2: 9.0}, {1: 3.0})
    assert one is not None
    assert (one.mean, one.seen, one.low) == (-1.0, False, -math.inf)
    assert "nothing is known of its doubt" in one.words()
    same = difference({1: 2.0, 2: 3.0}, {1: 2.0, 2: 3.0})
    assert same is not None
    assert same.words() == "no difference seen, +0.0000 (95 % interval +0.0000 to +0.0000, 2 seeds)"
    # Error rates of 100 recordings: one more was right each time, which rounding takes for differences that scatter.
    steps = difference({1: 0.07, 2: 0.11, 3: 0.14}, {1: 0.08, 2: 0.12, 3: 0.15})
    assert steps is not None
    assert not steps.seen
    assert steps.words() == (
        "no difference seen, -0.0100 (3 seeds with equal differences, so nothing is known of its doubt)"
    )
    assert (with_reach(steps), steps.seeds_to_see()) == ("-0.0100", None)
    worse = difference({1: 2.0, 2: 3.1}, {1: 1.0, 2: 2.0})
    assert worse is not None
    assert worse.words().startswith("1.0500 worse (95 %")
    assert worse.words(lower_is_better=False).startswith("1.0500 better (95 %")


def test_intervals_hold_the_true_difference_in_95_of_100() -> None:
    generator = np.random.default_rng(0)
    held = 0
    for _ in range(2000):
        hardness, noise = generator.normal(0, 1, 5), generator.normal(0, 0.1, (2, 5))
        sides = [dict(enumerate(hardness + shift + own)) for shift, own in zip((0.0, 0.02), noise, strict=True)]
        found = difference(*sides)
        assert found is not None
        held += found.low < -0.02 < found.high
    assert 0.935 < held / 2000 < 0.965


def test_a_front_beside_a_front_is_measured_as_by_pymoo() -> None:
    generator = np.random.default_rng(3)
    first, second = (generator.random((count, 2)) * [1.0, 1e6] for count in (9, 7))
    both = np.concatenate([first, second])
    # In units of the range, the reference a tenth of it beyond the worst.
    low, high = both.min(axis=0), both.max(axis=0)
    volume = Hypervolume(ref_point=np.array([1.1, 1.1]))
    volumes = [volume((points - low) / (high - low)) for points in (first, second, both)]
    found = front_pair(first, second)
    assert found.hypervolumes == pytest.approx((volumes[0] / volumes[2], volumes[1] / volumes[2]))
    fronts = [side[non_dominated(side)] for side in (first, second)]
    assert found.points == (len(fronts[0]), len(fronts[1])) != (9, 7), "what its own side dominates is no point of it"
    for points, by, share in ((*fronts, found.dominated[0]), (*fronts[::-1], found.dominated[1])):
        beaten = [any(all(b <= p) and any(b < p) for b in by) for p in points]
        assert share == pytest.approx(np.mean(beaten))
    assert dominated_share(first, first[:0]) == 0.0
    assert dominated_share(first[:1], first[:1]) == 0.0, "equals do not dominate one another"


@pytest.mark.parametrize("objectives", [2, 3])
def test_single_points_are_not_measured_by_themselves(objectives: int) -> None:
    """pymoo gives two of which neither dominates 52.4 % in two objectives, wherever they lie: an artefact, not said."""
    generator = np.random.default_rng(objectives)
    for _ in range(20):
        first, second = np.sort(generator.random((2, objectives)), axis=0) * [1.0, 1e6, 3.0][:objectives]
        first[0], second[0] = second[0], first[0]  # neither dominates
        low, high = np.minimum(first, second), np.maximum(first, second)
        volume = Hypervolume(ref_point=np.full(objectives, 1.1))
        own, whole = (volume((np.array(some) - low) / (high - low)) for some in ([first], [first, second]))
        if objectives == 2:
            assert own / whole == pytest.approx(1.1 / 2.1)
        found = front_pair(first[None], second[None])
        assert (found.hypervolumes, found.points, found.dominated) == (None, (1, 1), (0.0, 0.0))
        assert "1 point, the transformers' 1 point, too few to measure; it dominates 0% of theirs" in found.words
        by_seed = front_pair_by_seed(*({seed: side[None] + 0.01 * seed for seed in (1, 2)} for side in (first, second)))
        assert by_seed is not None
        assert (by_seed.hypervolumes, by_seed.difference) == (None, None), "noise of seeds is no range"
    some = front_pair(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([[0.4, 0.4], [0.5, 0.5]]))
    assert some.points == (2, 1), "what is dominated by its own side is not of its front"
    # By hand: 2 · 0.11 − 0.01, and 0.7², of 0.21 + 0.49 − (2 · 0.07 − 0.01).
    assert some.hypervolumes == pytest.approx((0.21 / 0.57, 0.49 / 0.57))
    assert "front, 2 points, holds 36.8% of the hypervolume of both together, the transformers', 1 point," in some.words


def test_a_difference_of_fewer_seeds_than_the_means_says_so() -> None:
    first, second = {1: 2.0, 2: 3.0, 3: 9.0}, {1: 1.0, 2: 2.1, 4: 0.0}
    found = difference(first, second)
    assert found is not None
    assert (found.pairs, found.unpaired) == (2, 2)
    assert "the 2 seeds that both have" in found.words()
    assert with_reach(found) == "+0.9500 ± 0.6353 (2 seeds)"
    same = difference(first, first)
    assert same is not None
    assert "seeds that both" not in same.words() + with_reach(same)


def test_hypervolumes_are_paired_by_seed() -> None:
    generator = np.random.default_rng(4)
    own = {seed: np.array([[0.2, 0.8], [0.8, 0.2]]) + generator.normal(0, 0.01) for seed in (1, 2, 3, 4)}
    worse = {seed: own[seed] + 0.1 for seed in (4, 3, 2, 9) if seed in own} | {9: np.ones((2, 2))}
    found = front_pair_by_seed(own, worse)
    assert found is not None
    assert found.dominated == (0.0, 1.0)
    assert found.difference is not None
    assert (found.difference.pairs, found.difference.seen) == (3, True)
    assert found.difference.low > 0, "more hypervolume is better"
    assert front_pair_by_seed(own, {9: np.ones((2, 2))}) is None
