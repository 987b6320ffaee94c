"""How far a rung can be trusted: the statistic, and everywhere that it is told."""

import json
import math
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hrfevo
from hrfevo.results.agreement import LEAST, Agreement, agreements, in_lines, interval, pairs
from hrfevo.results.history import History
from hrfevo.space.reading import read_space
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.records import Evaluation
from hrfevo.views.figures import agreement
from hrfevo.views.figures.style import caption_of
from tests.conftest import answer
from tests.tools.synthetic import LAYERS, search, write_run


def counted(x: list[float], y: list[float]) -> float:
    """Kendall's τ-b as it is defined, pair by pair."""
    signs = [(np.sign(a - b), np.sign(c - d)) for (a, c), (b, d) in combinations(zip(x, y, strict=True), 2)]
    untied = math.sqrt(sum(bool(a) for a, _ in signs) * sum(bool(b) for _, b in signs))
    return sum(a * b for a, b in signs) / untied if untied else math.nan


def trained(space: SearchSpace, scores: list[list[float | None]]) -> list[Evaluation]:
    """Evaluations of genomes with these scores at each rung; None for one that failed there."""
    template = search(space, 1)[2][0]
    found = []
    for genome, losses in enumerate(scores):
        for rung, loss in enumerate(losses):
            metrics = {"step_time": float(rung), "parameters": 5.0} | ({} if loss is None else {"bits_per_byte": loss})
            status: Any = "failed" if loss is None else "finished"
            number = len(found)
            found.append(
                replace(template, number=number, genome=f"{genome:012x}", rung=rung, metrics=metrics, status=status)
            )
    return found


@given(st.lists(st.tuples(*[st.integers(0, 6)] * 2), min_size=LEAST, max_size=12))
def test_tau_is_what_counting_pairs_gives(scores: list[tuple[int, int]]) -> None:
    space = read_space(LAYERS, "layers.yaml")
    told = agreements(History(space, tuple(trained(space, [[float(a), float(b)] for a, b in scores]))))
    expected = counted(*([float(one[side]) for one in scores] for side in (0, 1)))
    if math.isnan(expected):
        assert told == []
        return
    (one,) = told
    assert one.tau == pytest.approx(expected)
    assert -1 <= one.low <= one.tau <= one.high <= 1
    assert (one.objective, one.steps, one.last_steps, one.genomes) == ("bits_per_byte", 20, 60, len(scores))


@pytest.mark.parametrize("count", [8, 30])
@pytest.mark.parametrize("true", [0.2, 0.6])
def test_the_interval_holds_the_truth_as_often_as_it_says(count: int, true: float) -> None:
    from scipy.stats import kendalltau

    random, correlation, held = np.random.default_rng(count), math.sin(math.pi * true / 2), 0
    for _ in range(400):
        x, other = random.standard_normal((2, count))
        y = correlation * x + math.sqrt(1 - correlation**2) * other
        low, high = interval(float(kendalltau(x, np.exp(y)).statistic), count)
        held += low <= true <= high
    assert 0.9 <= held / 400 <= 0.985


def test_only_trainings_that_finished_at_both_rungs_count(layers: SearchSpace) -> None:
    scores = [[1.0 * i, 2.0 * i] for i in range(6)]
    told = agreements(History(layers, tuple(trained(layers, [*scores, [0.0, None], [None, 0.0]]))))
    assert [(one.genomes, pytest.approx(one.tau)) for one in told] == [(6, 1.0)]
    again = trained(layers, scores)
    # Another seed is another training: its scores are not those of this one some steps earlier.
    other = [replace(e, seed=e.seed + e.rung) for e in again]
    assert agreements(History(layers, tuple(other))) == []
    assert agreements(History(layers, tuple(trained(layers, scores[: LEAST - 1])))) == []
    single = layers.model_copy(update={"rungs": [60]})
    assert agreements(History(single, tuple(replace(e, rung=0) for e in again if e.rung == 0))) == []


def test_every_rung_is_held_against_the_last(layers: SearchSpace) -> None:
    space = layers.model_copy(update={"rungs": [20, 60, 180]})
    random = np.random.default_rng(0).permutation(24).astype(float)
    told = agreements(
        History(space, tuple(trained(space, [[float(noise), float(i), float(i)] for i, noise in enumerate(random)])))
    )
    assert [(one.rung, one.steps, one.last_steps) for one in told] == [(0, 20, 180), (1, 60, 180)]
    assert told[1].tau == pytest.approx(1.0)
    assert told[1].low < 1.0
    assert [one.poor for one in told] == [True, False]
    warning = told[0].warning
    assert "after 20 steps" in warning
    assert "`rungs`" in warning
    assert [name for name, _ in in_lines(told)] == ["rungs agree", "rungs agree", "beware"]


def test_nobody_is_warned_of_what_may_be_chance() -> None:
    def of(tau: float, count: int) -> Agreement:
        return Agreement("bits_per_byte", 0, 20, 60, count, tau, *interval(tau, count))

    assert not of(-1.0, 9).poor
    assert not of(0.2, 12).poor
    assert of(0.2, 40).poor
    assert not of(0.45, 60).poor


def test_the_figure_draws_the_pairs_that_the_statistic_counts(layers: SearchSpace) -> None:
    _, _, evaluations, _ = search(layers, 200)
    figure, (one,) = agreement(History(layers, tuple(evaluations))), agreements(History(layers, tuple(evaluations)))
    assert figure is not None
    (dots,) = figure.data
    both = pairs(History(layers, tuple(evaluations)), "bits_per_byte", 0)
    assert len(dots.x) == one.genomes == len(both)
    by_genome = {(e.genome, e.rung): e.metrics.get("bits_per_byte") for e in evaluations}
    for genome, x, y in zip(dots.customdata, dots.x, dots.y, strict=True):
        assert (by_genome[genome, 0], by_genome[genome, 1]) == (x, y)
    assert one.words in caption_of(figure)
    assert one.poor == ("Beware" in caption_of(figure))
    assert agreement(History(layers.model_copy(update={"rungs": [60]}), ())) is None


def test_status_and_python_tell_it(tmp_path: Path) -> None:
    path = write_run(tmp_path, "one", 300)
    run = hrfevo.load(path)
    (row,) = run.agreement.to_dict("records")
    told = json.loads(answer("status", path, "--format", "json"))["agreements"]
    assert told == [{name: value for name, value in row.items() if name != "poor"}]
    assert row["poor"], "random scores have no order"
    lines = answer("status", path)
    assert f"τ {row['tau']:.2f}" in lines
    assert "beware" in lines
    few = write_run(tmp_path, "few", 9)
    assert hrfevo.load(few).agreement.empty
    assert "rungs agree" not in answer("status", few)
