"""Comparison of runs: hypervolumes are those of pymoo, tests of significance those of the books."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pymoo.indicators.hv import Hypervolume
from scipy import stats

from hrfevo.results.comparison.compare import SHARES, compare, of_one_text, read_searches
from hrfevo.results.comparison.significance import between_groups, between_winners, grouped
from hrfevo.results.confirmation.confirmed import Confirmed
from hrfevo.store.settings import CorpusRecord
from signal_model.support.errors import InputError
from tests.conftest import answer
from tests.tools.synthetic import SPACE, dominating, read, write_run


def fronts_at(path: Path, seconds: float) -> np.ndarray:
    """Objectives to minimize of all that the top rung had finished by then."""
    space, evaluations = read(path)
    spent, points = 0.0, []
    for e in sorted((e for e in evaluations if e.ended_event is not None), key=lambda e: e.ended_event or 0):
        spent += (e.ended or 0) - (e.started or 0)
        if e.status == "finished" and e.rung == 1 and spent <= seconds + 1e-6:
            points.append([-w * e.metrics[m] for w, m in zip(space.weights, space.objectives, strict=True)])
    return np.array(points).reshape(-1, 3)


def test_hypervolumes_are_those_of_pymoo(written_runs: list[Path]) -> None:
    comparison = compare(read_searches(written_runs))
    assert comparison.reference is not None
    assert comparison.objectives == {"bits_per_byte": "minimize", "step_time": "minimize", "parameters": "maximize"}
    reference = np.array([*comparison.reference.values()]) * [1, 1, -1]
    volume = Hypervolume(ref_point=reference, normalize=False)
    whole = volume(np.concatenate([fronts_at(path, math.inf) for path in written_runs]))
    spent = [sum((e.ended or 0) - (e.started or 0) for e in read(path)[1] if e.ended) for path in written_runs]
    assert comparison.shortest == pytest.approx(min(spent))
    for path, row, seconds in zip(written_runs, comparison.rows, spent, strict=True):
        space, evaluations = read(path)
        top = [e for e in evaluations if e.status == "finished" and e.rung == 1]
        assert row.seconds == pytest.approx(seconds)
        assert row.best == min(e.metrics["bits_per_byte"] for e in top)
        assert row.front == len(dominating(space, top))
        assert row.hypervolume == pytest.approx(volume(fronts_at(path, math.inf)) / whole)
        for share, found in zip(SHARES, row.at_shares, strict=True):
            points = fronts_at(path, share * min(spent))
            assert found == pytest.approx(volume(points) / whole if len(points) else 0.0)
            found_front = points[[not any((q <= p).all() and (q < p).any() for q in points) for p in points]]
            assert (found_front <= reference).all()  # what a front holds counts, its ends too
    assert any("only the columns of shares compare equal training" in note for note in comparison.notes)


def test_a_step_that_was_timed_alone_takes_as_long_as_in_the_front(written_runs: list[Path]) -> None:
    search = read_searches(written_runs[:1])[0]
    times = {one.genome: one.metrics["step_time"] for one in search.history.front}
    alone = {genome: ({"step_time": times[genome] / 2},) for genome in [*times][::2]}
    history = search.history.among(replace(one, timings=alone.get(one.genome, ())) for one in search.history)
    found = replace(search, history=history).points()
    expected = [[-w * one.metrics[m] for m, w in zip(search.space.objectives, search.space.weights, strict=True)]
                for one in history.front]  # fmt: skip
    assert any(one.metrics["step_time"] < times.get(one.genome, 0) for one in history.front)
    np.testing.assert_array_equal(found, np.unique(expected, axis=0))


def test_groups_are_tested_by_ranks(written_runs: list[Path]) -> None:
    comparison = compare(read_searches(written_runs))
    groups = grouped(comparison)
    assert [group.name for group in groups] == ["questions evolution", "questions random"]
    (test,), notes = between_groups(comparison, groups)
    own, other = (group.hypervolumes for group in groups)
    assert test.difference == pytest.approx(np.median(own) - np.median(other))

    def u(chosen: Sequence[float], rest: Sequence[float]) -> float:
        return sum((a > b) + 0.5 * (a == b) for a in chosen for b in rest)

    # Every way in which the six could have been dealt to two groups of three.
    every = own + other
    dealt = [u([every[i] for i in c], [every[i] for i in range(6) if i not in c])
             for c in itertools.combinations(range(6), 3)]  # fmt: skip
    at_least = sum(abs(value - 4.5) >= abs(u(own, other) - 4.5) for value in dealt) / len(dealt)
    assert test.p == pytest.approx(at_least)
    assert any("with 3 and 3 searches p cannot be below 0.1" in note for note in notes)


def test_equal_hypervolumes_do_not_make_p_smaller_than_the_ways_to_deal_them(written_runs: list[Path]) -> None:
    comparison = compare(read_searches(written_runs))
    groups = grouped(comparison)

    def p_of(own: Sequence[float], other: Sequence[float]) -> float:
        sides = [
            replace(group, rows=tuple(replace(r, hypervolume=v) for r, v in zip(group.rows, values, strict=True)))
            for group, values in zip(groups, (own, other), strict=True)
        ]
        (test,), _ = between_groups(comparison, sides)
        return test.p

    # As of searches that all found the best front; by the normal distribution 0.047.
    assert p_of([0.8, 0.8, 0.8], [1.0, 1.0, 1.0]) == pytest.approx(2 / math.comb(6, 3))
    assert p_of([1.0, 1.0, 1.0], [1.0, 1.0, 1.0]) == 1.0
    own, other = [0.7, 0.8, 0.8], [0.8, 1.0, 1.0]
    every = own + other
    ranks = stats.rankdata(every)
    sums = [sum(ranks[list(c)]) for c in itertools.combinations(range(6), 3)]
    lower = sum(one <= sum(ranks[:3]) + 1e-9 for one in sums) / len(sums)
    assert p_of(own, other) == pytest.approx(min(1.0, 2 * lower))


def test_groups_without_repetitions_are_not_tested(written_runs: list[Path]) -> None:
    searches = read_searches(written_runs)
    comparison = compare(searches[:3])
    tests, notes = between_groups(comparison, grouped(comparison))
    assert tests == []
    assert any("Not tested: questions random" in note for note in notes)
    same = replace(searches[2], settings=searches[2].settings.changed(seed=0, overrides=("population=9",)))
    comparison = compare([searches[0], same, searches[1], searches[3]])
    tests, notes = between_groups(comparison, grouped(comparison))
    assert tests == []
    assert any("seed 0 stands more than once" in note for note in notes)
    assert any("differ in more than the seed" in note for note in notes)


def confirmed(test: tuple[float, ...], place: int = 0) -> Confirmed:
    return Confirmed("abc", "search", {}, 1000, 60, tuple(range(len(test))), (2.0,) * len(test), test, place)


def test_winners_are_tested_as_welch_did(written_runs: list[Path]) -> None:
    one, other = read_searches(written_runs[:2])
    a, b = (2.31, 2.35, 2.30, 2.33), (2.40, 2.52, 2.43)
    worse = confirmed((9.0, 9.5), place=1)  # not the first choice, so not compared
    sides = [replace(one, confirmed=[worse, confirmed(a)]), replace(other, confirmed=[confirmed(b)])]
    (test,), notes = between_winners(compare(sides))
    parts = [np.var(side, ddof=1) / len(side) for side in (a, b)]
    degrees = sum(parts) ** 2 / sum(p**2 / (len(side) - 1) for p, side in zip(parts, (a, b), strict=True))
    error = math.sqrt(sum(parts))
    difference = np.mean(a) - np.mean(b)
    assert test.difference == pytest.approx(difference)
    assert test.p == pytest.approx(2 * stats.t.sf(abs(difference) / error, degrees))
    assert (test.low, test.high) == pytest.approx(stats.t.interval(0.95, degrees, difference, error))
    assert any("not about the searches" in note for note in notes)
    # One seed, other text or no spread at all: nothing is claimed.
    for changed in (
        replace(sides[1], confirmed=[confirmed((2.4,))]),
        replace(sides[1], settings=other.settings.changed(corpus=CorpusRecord(name="other", hash="2e"))),
        replace(sides[1], confirmed=[]),
    ):
        tests, notes = between_winners(compare([sides[0], changed]))
        assert tests == []
        assert notes[0].startswith("One search each says nothing about significance")
    flat = [replace(side, confirmed=[confirmed((2.0, 2.0))]) for side in sides]
    assert between_winners(compare(flat))[0] == []


def test_what_cannot_be_compared_is_refused_or_said(written_runs: list[Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="takes at least two runs, got 1"):
        answer("compare", written_runs[0])
    with pytest.raises(InputError, match="is named twice"):
        answer("compare", written_runs[0], written_runs[0].parent / "." / written_runs[0].name)
    fewer = SPACE.replace(", parameters: maximize", "")
    other = write_run(tmp_path, "two", 40, text=fewer)
    with pytest.raises(
        InputError, match=r"have different objectives: minimize bits_per_byte, .*; minimize bits_per_byte"
    ):
        answer("compare", written_runs[0], other)
    shorter = write_run(tmp_path, "shorter", 60, text=SPACE.replace("rungs: [20, 60]", "rungs: [20, 40]"))
    elsewhere = write_run(tmp_path, "elsewhere", 60, corpus={"name": "books", "hash": "2e"})
    result = json.loads(answer("compare", written_runs[0], shorter, elsewhere, "--format", "json", "--group"))
    said = " ".join(result["notes"])
    assert "The corpora differ" in said
    assert "The highest rungs reached differ (steps: evolution-0: 60, shorter: 40, elsewhere: 60)" in said
    assert result["tests"] == []
    pieces = {"name": "python", "hash": "3f"}  # of the same text
    other = write_run(tmp_path, "pieces", 60, text=SPACE + "tokenizer: {kind: bpe, size: 512}\n", corpus=pieces)
    assert "The corpora differ" in answer("compare", elsewhere, other)
    said = answer("compare", written_runs[0], other)
    assert "Same text, but the tokenizers differ (evolution-0: bytes, pieces: bpe 512): bits per byte still" in said
    assert "tokenizers" not in answer("compare", *written_runs[:2])
    assert not of_one_text(read_searches([written_runs[0], other, elsewhere]))
    nothing = [write_run(tmp_path, name, 1) for name in ("empty", "void")]
    result = json.loads(answer("compare", *nothing, "--format", "json"))
    assert [row["hypervolume"] for row in result["rows"]] == [None, None]
    assert "–" in answer("compare", *nothing)


def test_compare_prints_tables_json_and_csv(written_runs: list[Path]) -> None:
    result = json.loads(answer("compare", *written_runs, "--format", "json"))
    assert [row["run"] for row in result["rows"]] == [path.name for path in written_runs]
    frame = pd.read_csv(
        pd.io.common.StringIO(answer("compare", *written_runs, "--format", "csv").split("The longest")[0])
    )
    assert list(frame["hypervolume"]) == [row["hypervolume"] for row in result["rows"]]
    table = answer("compare", *written_runs, "--group")
    assert "questions evolution" in table
    assert "Mann-Whitney U, p = " in table
