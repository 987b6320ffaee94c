"""Two models trained with the same seeds: what is equal, what is said, what goes on where it was cut off."""

from __future__ import annotations

import json
import math
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from hrfevo.algorithms.base import Proposal
from hrfevo.results.confirmation.confirmed import Confirmed, trained_in
from hrfevo.runner import match
from hrfevo.runner.match import Match, Side, of_one_size, on_one_text
from hrfevo.runner.pace import LEFT_OUT, ROUNDS, Pace, pace_of
from hrfevo.runner.terms import TERMS_FILE, Terms
from hrfevo.space.genome import Genome
from hrfevo.space.reading import parse_space
from hrfevo.store.run_folder import RunFolder, locked
from hrfevo.store.settings import CONFIRMATION, RunSettings
from hrfevo.workers.base import Job, Outcome, Point
from signal_model.config import Recipe
from signal_model.model import build_model, count_parameters
from signal_model.support.errors import InputError
from signal_model.support.files import to_yaml
from signal_model.training.trainer import Trainer
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
    found: dict[str, Any] = json.loads(result.stdout, parse_constant=pytest.fail)
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
    for terms, says in (
        (("--seeds", 4), "was begun with --seeds 3, not 4; name another folder"),
        (("--seeds", 3, "--equal", "seconds"), "was begun with --equal steps, not seconds; name another folder"),
        (("--seeds", 3, "--equal", "parameters"), "was begun with --equal steps, not parameters; name another folder"),
        (("--seeds", 3, "--steps", 5), "was begun with --steps 4, not 5; name another folder"),
    ):
        with pytest.raises(InputError, match=says):
            answer("compare", *models, *terms, "--output", place, *INLINE)
    with pytest.raises(InputError, match="was begun with other models; name another folder"):
        answer("compare", models[0], models[0], "--seeds", 3, "--output", place, *INLINE)
    assert (losses(place, 1), losses(place, 2)) == (own, other), "nothing is trained in it"
    (place / TERMS_FILE).unlink()
    with pytest.raises(InputError, match="has runs in it that are of no comparison"):
        answer("compare", *models, "--seeds", 3, "--output", place, *INLINE)


@pytest.mark.parametrize("equal", ["steps", "seconds"])
def test_a_model_beside_itself_shows_no_difference(models: list[Path], tmp_path: Path, equal: str) -> None:
    (twin := tmp_path / "twin.yaml").write_text(models[0].read_text())
    for second, names in ((twin, [str(models[0]), str(twin)]), (models[0], [f"{models[0]} (1)", f"{models[0]} (2)"])):
        place = tmp_path / f"{second.stem}-{equal}"
        found = compared(models[0], second, "--seeds", 2, "--equal", equal, "--output", place)
        assert found["verdict"] == f"no difference seen at equal {equal}"
        assert found["differences"]["test"]["mean"] == 0.0
        assert [row["model"] for row in found["rows"]] == names
        assert [row["steps"] for row in found["rows"]] == [4, 4], "what differs in the timing of one recipe is noise"
        assert found["notes"] == ["Both are the same recipe, so nothing but their names differs."]


@pytest.mark.parametrize("ratio", [1.0, 1.4])
def test_equals_at_equal_seconds_are_called_better_in_at_most_5_of_100(ratio: float) -> None:
    """Two as good at equal seconds, the second `ratio` times as fast: timing and losses are noisy, the whole is drawn
    again and again. With steps of a ratio that is taken for exact, far more are called better."""
    generator = np.random.default_rng(int(10 * ratio))
    curve, seeds, steps, trials = (lambda n: 2.0 + 3.0 * n**-0.3), 5, 1000, 400
    claimed = naive = 0
    for _ in range(trials):
        disturbed = generator.normal(0, 0.05, ROUNDS - 1) + generator.exponential(0.05, ROUNDS - 1)
        pace = Pace((1.0, 1.0), tuple(ratio * np.exp(disturbed - 0.05 * math.log(2))))
        taken = round(steps * pace.ratio)
        hardness, noise = generator.normal(0, 0.1, seeds), generator.normal(0, 0.003, (2, seeds))
        means = curve(steps), curve(taken / ratio)  # as good after as many seconds
        slope = -(curve(1.01 * taken / ratio) - curve(taken / ratio)) / math.log(1.01)
        rows = [
            Confirmed("g", "search", {}, 1, steps, tuple(range(seeds)), tuple(mean + hardness + own), (1.0,) * seeds)
            for mean, own in zip(means, noise, strict=True)
        ]
        found = Match(("a", "b"), (rows[0], rows[1]), (1.0, 1.0), (1, 1), Terms("seconds"), pace, slope)
        claimed += "better" in found.verdict
        naive += "better" in replace(found, pace=None).verdict
    assert claimed <= 0.05 * trials
    assert (naive > 0.1 * trials) == (ratio > 1), "the doubt is what keeps it honest"


def test_seeds_are_advised_that_decide_beside_the_doubt_about_the_pace() -> None:
    """Five are there: by these alone four would be enough, of which the pace knows nothing."""
    pace, noise = Pace((1.0, 1.0), (1.5, 1.8, *[2.0] * 7, 2.2, 2.5)), np.array([-0.01, 0.0, 0.012, -0.004, 0.002])
    sides = [
        Confirmed("g", "search", {}, 1, 9, tuple(range(5)), tuple(losses), tuple(losses))
        for losses in (np.full(5, 2.0), 2.02 + noise)
    ]
    for slope, says in ((0.15, "about 18 seeds would"), (0.5, "is as large as the difference")):
        found = Match(("a", "b"), (sides[0], sides[1]), (1.0, 1.0), (1, 1), Terms("seconds"), pace, slope)
        assert "no difference seen" in found.verdict
        assert says in found.notes[-1]
    effect = (0.02 - 0.15 * math.log(2.2 / 2)) / noise.std(ddof=1)
    power = [stats.nct.sf(stats.t.ppf(0.975, n - 1), n - 1, effect * n**0.5) for n in (17, 18)]
    assert power[0] < 0.8 <= power[1]


def test_a_pace_is_doubted_as_much_as_it_scatters() -> None:
    """Of 11 rounds all but the extremes hold the median in 98.8 %, by the binomial distribution."""
    assert stats.binom.cdf(LEFT_OUT, ROUNDS - 1, 0.5) * 2 == pytest.approx(1 - 0.988, abs=1e-3)
    alike = Pace((1.0, 1.0), (0.9, 0.95, *[1.02] * 8, 30.0))
    assert (alike.low, alike.high, alike.ratio) == (0.95, 1.02, 1.0)
    faster = Pace((2.0, 1.0), (0.01, 1.9, *[2.0] * 7, 2.2, 30.0))
    assert (faster.low, faster.high, faster.ratio) == (1.9, 2.2, 2.0), "one round that was disturbed says nothing"


def test_one_that_was_killed_before_its_folders_were_runs_takes_them_over(models: list[Path], tmp_path: Path) -> None:
    place = tmp_path / "match"
    (place / "training-1").mkdir(parents=True)
    (place / "training-1" / "space.yaml").write_text("name: par")
    (place / "training-1" / ".run.json.x7").write_text("{")
    (place / "training-2").mkdir()
    (place / "training-2" / "own.txt").write_text("kept")
    arguments = ("compare", *models, "--seeds", 2, "--output", place, *INLINE)
    with pytest.raises(InputError, match="training-2: is there, and is no run; move it away"):
        answer(*arguments)
    assert (place / "training-2" / "own.txt").read_text() == "kept"
    (place / "training-2").rename(tmp_path / "away")
    assert "at equal steps" in answer(*arguments)
    assert sorted(path.name for path in place.iterdir()) == [".lock-compared", TERMS_FILE, "training-1", "training-2"]


def test_at_equal_seconds_each_is_trained_for_as_long(
    models: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(match, "pace_of", lambda *_: Pace((0.003, 0.001), (2.9, 2.9, *[3.0] * 7, 3.1, 3.1)))
    told = answer(
        "compare", *models, "--equal", "seconds", "--steps", 3, "--seeds", 2, "--output", tmp_path / "m", *INLINE,
    )  # fmt: skip
    lengths = [RunFolder.open(tmp_path / "m" / f"training-{number}").space().rungs for number in (1, 2)]
    assert lengths == [[3], [9]]
    assert "at equal seconds" in told
    assert "Equal seconds: a step takes 3 ms and 1 ms" in " ".join(told.split())
    again = answer(
        "compare", *models, "--equal", "seconds", "--steps", 3, "--seeds", 2, "--output", tmp_path / "m", *INLINE
    )
    assert again[again.index("model") :] == told[told.index("model") :], "the pace is kept"


def test_steps_are_timed_in_turn(models: list[Path]) -> None:
    sides = on_one_text((Side.read(str(models[0])), Side.read(str(models[1]))))
    pace = pace_of([side.recipe for side in sides], "cpu")
    assert all(0 < seconds < 10 for seconds in pace.seconds)
    assert len(pace.ratios) == ROUNDS - 1
    assert 0 < pace.low <= pace.high


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


def test_sides_that_finished_with_different_seeds_are_not_compared(models: list[Path], tmp_path: Path) -> None:
    arguments = ("compare", *models, "--seeds", 2, "--output", tmp_path / "match", *INLINE)
    answer(*arguments)
    for number in (1, 2):  # as where one diverged on either side
        with closing(sqlite3.connect(tmp_path / "match" / f"training-{number}" / "results.db")) as database, database:
            failed = "UPDATE evaluations SET status = 'failed', reason = 'diverged', metrics = '{}' WHERE number = ?"
            database.execute(failed, (number - 1,))
    with pytest.raises(InputError, match="no seed has finished on both sides; name another folder and more --seeds"):
        answer(*arguments)


def test_what_is_not_known_of_one_seed_is_null_in_json(models: list[Path], tmp_path: Path) -> None:
    compared(*models, "--seeds", 2, "--output", tmp_path / "match")
    with closing(sqlite3.connect(tmp_path / "match" / "training-1" / "results.db")) as database, database:
        database.execute("UPDATE evaluations SET status = 'failed', metrics = '{}' WHERE number = 0")
    told = compared(*models, "--seeds", 2, "--output", tmp_path / "match")["differences"]["test"]
    assert (told["low"], told["high"], told["error"], told["pairs"]) == (None, None, None, 1)
    (side,) = trained_in(RunFolder.open(tmp_path / "match" / "training-1"), is_baseline=False)
    assert (len(side.seeds), side.failed) == (1, 1)


@pytest.mark.usefixtures("undrawn")
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


def test_two_comparisons_of_one_moment_have_a_folder_each_and_one_folder_has_one_at_a_time(
    models: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.strftime", lambda *_: "20261128-120000")
    for _ in range(2):
        answer("compare", *models, "--seeds", 2, *INLINE)
    places = sorted((tmp_path / "runs").iterdir())
    assert [place.name for place in places] == ["compare-20261128-120000", "compare-20261128-120000-2"]
    before = losses(places[0], 2)
    with locked(places[0], "compared"), pytest.raises(InputError, match="is being compared; wait until"):
        answer("compare", *models, "--seeds", 2, "--output", places[0], *INLINE)
    assert losses(places[0], 2) == before


def test_what_cannot_be_compared_is_refused(models: list[Path], written_runs: list[Path], tmp_path: Path) -> None:
    run = written_runs[0]
    for arguments, says in (
        ((models[0],), "takes two models, got 1"),
        ((*models, models[0]), "takes two models, got 3"),
        ((*models, "--evaluations", 3), "--evaluations 3: goes with --equal evaluations"),
        ((*models, "--group"), "--group is for runs"),
        ((*written_runs[:2], "--steps", 3), "--steps 3: is for models"),
        (written_runs[:2], "--backend inline: is for models"),
        ((*written_runs[:2], "--equal", "parameters"), "--equal parameters: is for models"),
        ((models[0], f"{run}:zzz"), "no genome of this run"),
        ((models[0], tmp_path / "nothing.yaml"), "nothing.yaml"),
    ):
        with pytest.raises(InputError, match=says):
            answer("compare", *arguments, *INLINE)
    (elsewhere := tmp_path / "elsewhere.yaml").write_text(models[0].read_text().replace("path:", "dataset:"))
    with pytest.raises(InputError, match="is about another text than"):
        on_one_text((Side.read(str(models[0])), Side.read(str(elsewhere))))
    heard = {"corpus": {"chirps": True}, "training": {"steps": 4}}
    model = {"context": 900, "width": 32, "classes": 3, "front_end": {"kind": "strided", "stride": 20, "taps": 40}}
    predicts = Recipe.model_validate({**heard, "task": "language_modelling", "model": {"context": 64, "width": 32}})
    classifies = Recipe.model_validate({**heard, "task": "classification", "model": model})
    with pytest.raises(InputError, match="the task of a is language_modelling, that of b classification"):
        on_one_text((Side("a", predicts), Side("b", classifies)))


def test_steps_are_timed_with_the_threads_that_trainings_have(
    models: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, step, before = set(), Trainer._take_step, torch.get_num_threads()

    def watched(trainer: Trainer) -> None:
        seen.add(torch.get_num_threads())
        step(trainer)

    monkeypatch.setattr(Trainer, "_take_step", watched)
    monkeypatch.setattr("hrfevo.runner.pace.ROUNDS", 2)
    sides = on_one_text((Side.read(str(models[0])), Side.read(str(models[1]))))
    torch.set_num_threads(2)
    try:
        pace_of([side.recipe for side in sides], "cpu")
        assert (seen, torch.get_num_threads()) == ({1}, 2)
    finally:
        torch.set_num_threads(before)


def test_the_doubt_about_the_pace_of_classifiers_is_in_the_unit_of_their_score(tmp_path: Path) -> None:
    """Curves are in bits per label, falling by 0.4 for each e-fold of steps; what is compared is the share wrong."""
    text = to_yaml(
        {
            "name": "side",
            "task": "classification",
            "corpus": {"audio": "*.wav", "rate": 8000, "names": "{label}_*"},
            "model": {"classes": 3, "context": 900, "front_end": {"kind": "strided", "stride": 20, "taps": 40}},
            "genes": {"training.learning_rate": {"type": "choice", "values": [0.01]}},
            "rungs": [100],
            "budget": {"evaluations": 1},
        }
    )
    settings = RunSettings.new(text, seed=0, algorithm=CONFIRMATION, corpus={})
    folder = RunFolder.create(tmp_path, parse_space(text, "side"), text, settings, name="side")
    curve = tuple(Point(step, 1.0, 3 - 0.4 * math.log(step)) for step in (10, 60, 80, 100))
    job = Job(0, Genome({"training.learning_rate": 0.01}), 0, 1)
    with closing(folder.open_store(create=True)) as store:
        folder.begin(store)
        store.submitted(folder.id, job, Proposal(job.genome, "confirmation"))
        store.record(folder.id, Outcome(job, "finished", {"bits_per_label": 0.8, "error_rate": 0.2}, curve=curve), 1.0)
    assert match._slope(folder) == pytest.approx(0.1)
