"""Dominance and hypervolume, beside pymoo, beside moocore's measures, and counted by hand."""

from __future__ import annotations

import moocore
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pymoo.indicators.hv import HV

from hrfevo.pareto import BLOCK, Hypervolume, dominated_share, joined, non_dominated

SHAPES = st.tuples(st.integers(1, 12), st.integers(2, 3))
# Ties and objectives that are the same for all are many among few whole numbers.
WHOLE = arrays(float, SHAPES, elements=st.integers(0, 6).map(float))
# Losses below one beside parameters in millions; those that differ do so by more than floating point can lose.
UNEQUAL = arrays(float, st.tuples(st.integers(2, 12), st.just(2)), elements=st.integers(1, 10_000).map(float)).map(
    lambda points: points * [1e-4, 1e3]
)


@given(WHOLE)
@settings(max_examples=60)
def test_it_is_the_share_of_the_box_that_is_dominated(points: np.ndarray) -> None:
    scale = Hypervolume.around(points)
    places, volumes = scale.growth(points)
    # Unit cells, counted, as corners are whole numbers.
    sides = (np.arange(low, high) + 0.5 for low, high in zip(scale.ideal, scale.reference, strict=True))
    cells = np.stack(np.meshgrid(*sides, indexing="ij"), -1).reshape(-1, points.shape[1])
    assert len(cells) == scale.box

    def share(count: int) -> float:
        return float((points[:count, None] <= cells).all(axis=2).any(axis=0).mean())

    for count in range(1, len(points) + 1):
        reached = volumes[places < count]
        assert (reached[-1] if len(reached) else 0.0) == pytest.approx(share(count))
    assert (np.diff(volumes) >= 0).all()


@given(UNEQUAL, st.floats(0.01, 1))
def test_a_margin_and_a_unit_are_those_of_pymoo(points: np.ndarray, margin: float) -> None:
    scale = Hypervolume.around(points, margin)
    volume = HV(ref_point=np.ones(2))
    side = scale.reference - scale.ideal
    low, high = points.min(axis=0), points.max(axis=0)
    varies = high > low
    assert scale.reference[varies] == pytest.approx((high + margin * (high - low))[varies])
    some, scaled = points[: len(points) // 2], (points - scale.ideal) / side
    assert scale.of(some) == pytest.approx(volume(scaled[: len(some)]))
    assert scale.relative_to(points).of(some) == pytest.approx(volume(scaled[: len(some)]) / volume(scaled))
    assert scale.relative_to(points).of(points) == pytest.approx(1.0)
    # Whatever the margin, every point of the front counts.
    kept = np.unique(moocore.filter_dominated(points), axis=0)
    for index in range(len(kept)):
        assert scale.of(np.delete(kept, index, axis=0)) < scale.of(kept)


@given(UNEQUAL, st.tuples(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3)))
def test_units_of_the_objectives_do_not_matter(points: np.ndarray, factors: tuple[float, float]) -> None:
    other = points * factors
    for margin in (0.0, 0.1):
        one = Hypervolume.around(points, margin).of(points[:1])
        assert Hypervolume.around(other, margin).of(other[:1]) == pytest.approx(one, abs=1e-9)


@given(UNEQUAL, st.sampled_from([0.0, -3.0, 1e7]))
def test_an_objective_that_is_the_same_for_all_tells_nobody_apart(points: np.ndarray, value: float) -> None:
    wider = np.column_stack([points, np.full(len(points), value)])
    with_it, without = Hypervolume.around(wider, 0.1), Hypervolume.around(points, 0.1)
    assert with_it.reference[2] == value + (abs(value) or 1.0)
    assert with_it.of(wider[:2]) == pytest.approx(without.of(points[:2]))


def test_what_is_beyond_the_box() -> None:
    scale = Hypervolume.between(np.array([0.0, 0.0]), np.array([1.0, 2.0]))
    assert scale.of(np.empty((0, 2))) == 0.0
    assert scale.of(np.array([[0.5, 3.0], [1.5, -9.0]])) == 0.0, "worse than the reference in one objective"
    assert scale.of(np.array([[-1.0, 0.0]])) == pytest.approx(2.0), "better than the ideal"
    ends = np.array([[0.0, 2.0], [1.0, 0.0]])
    assert scale.of(ends) == 0.0
    assert scale.relative_to(ends).of(ends) == 0.0, "nothing of nothing"


@given(WHOLE)
def test_a_front_that_grows_point_by_point_is_the_front_of_all(points: np.ndarray) -> None:
    front = np.empty((0, points.shape[1]))
    for point in points:
        front = joined(front, point)
    expected = np.unique(points[moocore.is_nondominated(points, keep_weakly=True)], axis=0)
    assert np.unique(front, axis=0).tolist() == expected.tolist()
    assert len(front) == len(expected), "each once"
    assert dominated_share(front, points) == 0.0
    beaten = 1 - moocore.is_nondominated(points, keep_weakly=True).mean()
    assert dominated_share(points, front) == pytest.approx(beaten)


@given(WHOLE)
def test_the_front_is_what_nothing_dominates(points: np.ndarray) -> None:
    dominated = [any((other <= point).all() and (other < point).any() for other in points) for point in points]
    assert non_dominated(points).tolist() == [not one for one in dominated]
    assert non_dominated(points[:0]).tolist() == []


def test_a_long_sequence_grows_as_it_does_point_by_point() -> None:
    points = np.random.default_rng(0).normal(size=(2 * BLOCK + 7, 3)).round(1)
    scale = Hypervolume.around(points)
    places, volumes = scale.growth(points)
    front, expected = points[:0], []
    for place, point in enumerate(points):
        grown = joined(front, point)
        if grown is not front:
            expected.append((place, scale.of(grown)))
        front = grown
    assert [*zip(places.tolist(), volumes.tolist(), strict=True)] == expected
    assert places[-1] > BLOCK
