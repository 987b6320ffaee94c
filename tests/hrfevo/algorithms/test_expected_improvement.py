"""What a point is expected to add to a front: exact, and within the box that counts."""

from __future__ import annotations

import moocore
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hrfevo.algorithms.evolution.expected_improvement import Beliefs, Boxes, Target


@given(st.integers(0, 2**20), st.integers(0, 12), st.integers(1, 4))
@settings(max_examples=60)
def test_boxes_hold_what_a_front_leaves(seed: int, count: int, objectives: int) -> None:
    """Of a point that is known the improvement is the growth of the hypervolume, by moocore."""
    generator = np.random.default_rng(seed)
    front, points = generator.random((count, objectives)), generator.random((8, objectives)) * 1.3
    reference = np.ones(objectives)
    known = Beliefs(points, np.full(points.shape, 1e-9), np.full(objectives, np.nan))
    before = moocore.hypervolume(front, ref=reference) if count else 0.0
    grown = [moocore.hypervolume(np.vstack([front, point]), ref=reference) - before for point in points]
    np.testing.assert_allclose(Boxes.beyond(front, reference).improvement(known), grown, atol=1e-7)


@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_expected_improvement_is_the_mean_over_draws(objectives: int) -> None:
    """Of normal numbers and of numbers whose distance from an origin has a normal logarithm."""
    generator = np.random.default_rng(objectives)
    front, reference = generator.random((9, objectives)) + 0.3, np.full(objectives, 1.4)
    origins = np.array([0.1, np.nan, -0.2])[:objectives]
    means, deviations = generator.random((3, objectives)) - 0.4, generator.random((3, objectives)) * 0.5 + 0.05
    numbers = means + deviations * generator.standard_normal((40_000, 3, objectives))
    numbers = np.where(np.isnan(origins), numbers, origins + np.exp(numbers))
    boxes = Boxes.beyond(front, reference)
    known = [Beliefs(numbers[:, i], np.full((40_000, objectives), 1e-9), origins * np.nan) for i in range(3)]
    drawn = np.array([boxes.improvement(one) for one in known])
    error = 5 * drawn.std(axis=1) / np.sqrt(40_000)
    assert (np.abs(boxes.improvement(Beliefs(means, deviations, origins)) - drawn.mean(axis=1)) < error + 1e-9).all()


def test_a_front_is_extended_to_what_waits_at_lower_rungs() -> None:
    """A small model alone is at the last rung; a better one, ten times as large, is not out of sight."""
    small, waiting = np.array([[3.0, 1.0]]), np.array([[2.0, 10.0], [3.5, 0.9]])
    large = Beliefs(np.array([[2.1, 9.5]]), np.full((1, 2), 0.01), np.full(2, np.nan))
    assert Target.beyond(small, waiting).improvement(large)[0] > 0.01
    assert Target.beyond(np.empty((0, 2)), waiting).improvement(large)[0] > 0.01
    # What nothing is known of counts little farther than the front reaches.
    assert Target.beyond(np.vstack([small, [2.5, 2.0]]), np.empty((0, 2))).improvement(large)[0] == 0
