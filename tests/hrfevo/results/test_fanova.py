"""Shares of variance by sums over pairs of leaves are those that Optuna finds by walking its trees."""

from __future__ import annotations

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import FanovaImportanceEvaluator

from hrfevo.results import fanova, importance
from hrfevo.results.fanova import explained

DISTRIBUTIONS = {
    "choice": CategoricalDistribution(["a", "b", "c"]),
    "count": IntDistribution(1, 4),
    "rate": FloatDistribution(-3.0, 5.0),
    "unread": FloatDistribution(0.0, 1.0),
}


@pytest.mark.parametrize("seed", range(4))
def test_shares_are_those_that_optuna_finds(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fanova, "TREES", 12)
    generator = np.random.default_rng(seed)
    study = optuna.create_study()
    parameters = [
        {
            "choice": str(generator.choice(["a", "b", "c"])),
            "count": int(generator.integers(1, 5)),
            "rate": float(generator.uniform(-3, 5)),
            "unread": float(generator.uniform()),
        }
        for _ in range(30)
    ]
    scores = np.array([own["rate"] * own["count"] + 4 * (own["choice"] == "b") for own in parameters])
    for own, score in zip(parameters, scores, strict=True):
        study.add_trial(optuna.create_trial(params=own, distributions=DISTRIBUTIONS, value=float(score)))
    expected = FanovaImportanceEvaluator(n_trees=12, seed=seed).evaluate(study)
    found = dict(importance._by_fanova(parameters, DISTRIBUTIONS, scores, seed))
    assert found == pytest.approx(expected, abs=1e-12)
    assert 0 < sum(found.values()) < 1, "genes together explain the rest"


def test_one_gene_explains_all_that_follows_from_it() -> None:
    points = np.random.default_rng(0).uniform(size=(40, 3))
    bounds = np.array([[0.0, 1.0]] * 3)
    alone = explained(points, (points[:, 1] > 0.5).astype(float), bounds, [[0], [1], [2]], 0)
    assert alone == pytest.approx([0, 1, 0], abs=1e-9)
    # Of two that decide only together neither explains anything, and both as one gene explain all.
    corners = np.array([[x, y, 0.5] for x in (0.1, 0.9) for y in (0.1, 0.9)] * 12)
    both = explained(corners, np.logical_xor(*(corners[:, :2] > 0.5).T).astype(float), bounds, [[0, 1], [2]], 0)
    assert both == pytest.approx([1, 0], abs=1e-9)
    assert (explained(points, np.ones(40), bounds, [[0], [1]], 0) == 0).all()


def test_a_space_of_one_gene() -> None:
    points = np.random.default_rng(0).uniform(size=(20, 1))
    assert explained(points, points[:, 0], np.array([[0.0, 1.0]]), [[0]], 0) == pytest.approx([1])
