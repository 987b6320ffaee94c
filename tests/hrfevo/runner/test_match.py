"""Two models trained with the same seeds: what is equal, what is said, what goes on where it was cut off."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from hrfevo.runner import match
from hrfevo.runner.match import Side, of_one_size, on_one_text
from hrfevo.store.run_folder import RunFolder
from signal_model.model import build_model, count_parameters
from signal_model.support.errors import InputError
from signal_model.support.files import to_yaml
from tests.conftest import answer, command, only_run

ATTENTION = {"mixer": {"kind": "attention", "heads": 4}, "feedforward": {"kind": "mlp", "expansion": 2}}
HARMONIC = {"mixer": {"kind": "harmonic", "bases": 4}, "feedforward": {"kind": "mlp", "expansion": 2}}
INLINE = ("--backend", "inline")


@pytest.fixture
def models(tmp_path: Path, text_folder: Path) -> list[Path]:
    """A small recipe of harmonics; a larger one of attention, with Muon, which names no text."""
    paths = [tmp_path / "waves.yaml", tmp_path / "attention.yaml"]
    model = {"context": 32, "width": 16, "layers": [HARMONIC]}
    training: dict[str, Any] = {"steps": 4, "batch_size": 4, "learning_rate": 0.01, "validation_tokens": 1024}
    paths[0].write_text(to_yaml({"model": model, "training": training, "corpus": {"path": str(text_folder)}}))
    model |= {"width": 24, "layers": [ATTENTION]}
    training |= {"steps": 6, "optimizer": {"kind": "muon", "learning_rate": 0.02}, "validation_tokens": 512}
    paths[1].write_text(to_yaml({"model": model, "training": training}))
    return paths


def compared(*arguments: object) -> dict[str, Any]:
    result = command("hrfevo", "compare", *arguments, *INLINE, "--format", "json")
    assert result.returncode == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def losses(place: Path, number: int) -> dict[int, float]:
    folder = RunFolder.open(place / f"training-{number}")
    return {e.seed: e.metrics["bits_per_byte"] for e in folder.open_store().evaluations(folder.id)}


def test_two_models_are_trained_with_the_same_seeds_and_go_on(models: list[Path], tmp_path: Path) -> None:
    place = tmp_path / "match"
    found = compared(*models, "--seeds", 3, "--output", place)
    assert [row["steps"] for row in found["rows"]] == [4, 4], "as long as the first is trained"
    own, other = (losses(place, number) for number in (1, 2))
    assert own.keys() == other.keys()
    result = stats.ttest_rel([own[seed] for seed in own], [other[seed] for seed in own])
    told = found["differences"]["validation"]
    interval = result.confidence_interval(0.95)
    assert (told["low"], told["high"]) == pytest.approx((interval.low, interval.high))
    assert told["seen"] == (result.pvalue < 0.05)
    better = {True: models[0 if told["mean"] < 0 else 1].name + " is better", False: "no difference seen"}[told["seen"]]
    assert better in found["verdict"]
    again = compared(*models, "--seeds", 3, "--output", place)
    assert again == found, "nothing is trained twice"
    assert (losses(place, 1), losses(place, 2)) == (own, other)
    result = command("hrfevo", "compare", *models, "--seeds", 4, "--output", place, *INLINE)
    assert (result.returncode, "was trained on other terms" in result.stderr) == (2, True)


def test_a_model_beside_itself_shows_no_difference(models: list[Path], tmp_path: Path) -> None:
    (twin := tmp_path / "twin.yaml").write_text(models[0].read_text())
    found = compared(models[0], twin, "--seeds", 2, "--output", tmp_path / "match")
    assert found["verdict"] == "no difference seen at equal steps"
    assert found["differences"]["test"]["mean"] == 0.0


def test_at_equal_seconds_each_is_trained_for_as_long(
    models: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(match, "step_seconds", lambda *_: (0.003, 0.001))
    told = answer(
        "compare", *models, "--equal", "seconds", "--steps", 3, "--seeds", 2, "--output", tmp_path / "m", *INLINE,
    )  # fmt: skip
    lengths = [RunFolder.open(tmp_path / "m" / f"training-{number}").space().rungs for number in (1, 2)]
    assert lengths == [[3], [9]]
    assert "at equal seconds" in told


def test_steps_are_timed_in_turn(models: list[Path]) -> None:
    sides = on_one_text((Side.read(str(models[0])), Side.read(str(models[1]))))
    from hrfevo.runner.machinery import Machinery

    assert all(0 < seconds < 10 for seconds in match.step_seconds(sides, Machinery("inline", device="cpu")))


def test_at_equal_parameters_the_larger_is_narrowed(models: list[Path]) -> None:
    sides = (Side.read(str(models[0])), Side.read(str(models[1])))
    for ordered in (sides, sides[::-1]):
        narrowed = of_one_size(ordered)  # type: ignore[arg-type]
        small, large = sorted(narrowed, key=lambda side: side.name, reverse=True)
        assert small == sides[0]
        least = count_parameters(build_model(small.recipe.model, 0))
        size = count_parameters(build_model(large.recipe.model, 0))
        wider = large.recipe.model.model_validate(
            large.recipe.model.to_dict() | {"width": large.recipe.model.width + 8}
        )
        assert size <= least < count_parameters(build_model(wider, 0)), "heads divide multiples of 8 alone"


def test_at_equal_evaluations_the_rates_of_both_are_tuned(models: list[Path], tmp_path: Path) -> None:
    place = tmp_path / "match"
    terms = ("--equal", "evaluations", "--evaluations", 3, "--seeds", 2)
    assert "at equal evaluations" in compared(*models, *terms, "--output", place)["verdict"]
    genes = []
    for number in (1, 2):
        tuning, training = (RunFolder.open(place / f"{name}-{number}") for name in ("tuning", "training"))
        evaluations = tuning.open_store().evaluations(tuning.id)
        assert len(evaluations) == 3
        best = min(evaluations, key=lambda e: e.metrics["bits_per_byte"])
        (again,) = {e.genome for e in training.open_store().evaluations(training.id)}
        assert again == best.genome
        genes.append([*best.values])
    assert genes == [["training.learning_rate"], ["training.learning_rate", "training.optimizer.learning_rate"]]


def test_genomes_of_runs_are_sides_too(models: list[Path], tiny_space: Path, tmp_path: Path) -> None:
    assert command("hrfevo", "run", tiny_space, "--out", tmp_path / "runs", *INLINE, "--evaluations", 3).returncode == 0
    run = only_run(tmp_path / "runs")
    folder = RunFolder.open(run)
    evaluations = folder.open_store().evaluations(folder.id)
    best = min(evaluations, key=lambda e: e.metrics["bits_per_byte"]).genome
    other = next(e.genome for e in evaluations if e.genome != best)
    assert Side.read(str(run)).name == Side.read(f"{run}:").name == f"{run.name}:{best}"
    assert Side.read(f"{run}:{other[:6]}").name == f"{run.name}:{other}"
    found = compared(f"{run}:{other}", run, "--seeds", 2, "--output", tmp_path / "match")
    assert [row["model"] for row in found["rows"]] == [f"{run.name}:{other}", f"{run.name}:{best}"]
    assert np.isfinite(found["differences"]["test"]["mean"])


def test_what_cannot_be_compared_is_refused(models: list[Path], written_runs: list[Path], tmp_path: Path) -> None:
    run = written_runs[0]
    for arguments, says in (
        ((models[0],), "takes two models, got 1"),
        ((*models, models[0]), "takes two models, got 3"),
        ((*models, "--evaluations", 3), "--evaluations 3: goes with --equal evaluations"),
        ((*models, "--group"), "--group is for runs"),
        ((*written_runs[:2], "--steps", 3), "--steps 3: is for models"),
        ((*written_runs[:2], "--equal", "parameters"), "--equal parameters: is for models"),
        ((models[0], f"{run}:zzz"), "no genome of this run"),
        ((models[0], tmp_path / "nothing.yaml"), "nothing.yaml"),
    ):
        with pytest.raises(InputError, match=says):
            answer("compare", *arguments, *INLINE)
    (elsewhere := tmp_path / "elsewhere.yaml").write_text(models[0].read_text().replace("path:", "dataset:"))
    with pytest.raises(InputError, match="is about another text than"):
        on_one_text((Side.read(str(models[0])), Side.read(str(elsewhere))))
