"""An evaluation measures what it says, goes on from what was kept, and fails with a reason."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hrfevo.algorithms.registry import make_algorithm
from hrfevo.space.genome import Genome, express
from hrfevo.space.search_space import SearchSpace
from hrfevo.space.sections import Bounds
from hrfevo.store.run_folder import RunFolder
from hrfevo.store.store import Store
from hrfevo.workers.base import Job, Unfit
from hrfevo.workers.evaluation import TrainingEvaluator
from hrfevo.workers.inline import InlineWorkers
from signal_model.data.corpus import load_corpus
from signal_model.model import build_model, count_parameters
from signal_model.training.trainer import Trainer
from tests.conftest import command, only_run
from tests.tools.searches import QUIET, search, statuses

LAYER = {"mixer.kind": "harmonic", "feedforward.expansion": 1.0}


def test_an_evaluation_measures_what_it_says(space: SearchSpace) -> None:
    genome = Genome({"training.learning_rate": 0.01, "embedding.kind": "standard", "layers": [LAYER]})
    evaluator = TrainingEvaluator(space, load_corpus(space.corpus, space.tokenizer), "cpu")
    outcome = evaluator(Job(0, genome, 0, 7))
    assert outcome.status == "finished"
    recipe = express(space, genome, seed=7)
    assert outcome.metrics["parameters"] == count_parameters(build_model(recipe.model, 7))
    assert outcome.metrics["train_tokens"] == 3 * 4 * 32
    assert [point.step for point in outcome.curve] == [1, 2, 3]
    assert evaluator(Job(1, genome, 0, 7)).metrics["bits_per_byte"] == outcome.metrics["bits_per_byte"]
    assert evaluator(Job(2, genome, 0, 8)).metrics["bits_per_byte"] != outcome.metrics["bits_per_byte"]


def test_a_promoted_genome_goes_on_from_its_checkpoint_to_the_same_score(space: SearchSpace, tmp_path: Path) -> None:
    genome = Genome({"training.learning_rate": 0.01, "embedding.kind": "standard", "layers": [LAYER]})
    long = space.model_copy(update={"rungs": [7, 50]})
    evaluator = TrainingEvaluator(long, load_corpus(space.corpus, space.tokenizer), "cpu")
    kept = tmp_path / "checkpoints" / "one"
    first = evaluator(Job(0, genome, 0, 7, str(kept)))
    assert [path.name for path in kept.iterdir()] == ["training.safetensors"]
    steps = []
    step = Trainer._take_step

    def counted(trainer: Trainer) -> None:
        steps.append(trainer.step)
        step(trainer)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_take_step", counted)
        going_on = evaluator(Job(1, genome, 1, 7, str(kept)))
    assert steps == [*range(7, 50)]
    whole = evaluator(Job(2, genome, 1, 7))
    assert going_on.metrics["bits_per_byte"] == whole.metrics["bits_per_byte"] != first.metrics["bits_per_byte"]
    assert [p.bits_per_byte for p in first.curve + going_on.curve] == [p.bits_per_byte for p in whole.curve]
    (kept / "training.safetensors").write_bytes(b"cut off")
    assert evaluator(Job(3, genome, 1, 7, str(kept))).metrics["bits_per_byte"] == whole.metrics["bits_per_byte"]


def test_offspring_begin_with_the_weights_that_fit(space: SearchSpace, tmp_path: Path) -> None:
    def genome(rate: float, expansion: float) -> Genome:
        layer = {"mixer.kind": "harmonic", "feedforward.expansion": expansion}
        return Genome({"training.learning_rate": rate, "embedding.kind": "standard", "layers": [layer]})

    heirs = space.model_copy(update={"inherit": True, "rungs": [40]})
    evaluator = TrainingEvaluator(heirs, load_corpus(space.corpus, space.tokenizer), "cpu")
    parent, same, other = (str(tmp_path / name) for name in ("parent", "same", "other"))
    first = evaluator(Job(0, genome(0.01, 1.0), 0, 7, parent))
    child = evaluator(Job(1, genome(0.009, 1.0), 0, 7, same, parent))
    wider = evaluator(Job(2, genome(0.009, 2.0), 0, 7, other, parent))
    orphan = evaluator(Job(3, genome(0.009, 1.0), 0, 7, None, str(tmp_path / "gone")))
    assert first.metrics["inherited"] == orphan.metrics["inherited"] == 0
    assert child.metrics["inherited"] == 1
    assert 0 < wider.metrics["inherited"] < 1
    assert child.metrics["bits_per_byte"] < orphan.metrics["bits_per_byte"] - 0.1
    plain = TrainingEvaluator(heirs.model_copy(update={"inherit": False}), evaluator.corpus, "cpu")
    assert plain(Job(4, genome(0.009, 1.0), 0, 7)).metrics["bits_per_byte"] == orphan.metrics["bits_per_byte"]


def test_a_search_with_inheritance_marks_every_result_and_its_confirmation_has_none(
    tiny_space: Path, tmp_path: Path
) -> None:
    options = ["--backend", "inline", "--set", "inherit=true", "--set", "confirm={top: 1, seeds: 2, baseline: false}"]
    result = command("hrfevo", "run", tiny_space, "--out", tmp_path / "out", "--evaluations", 24, *options)
    assert result.returncode == 0, result.stderr
    folder = RunFolder.open(only_run(tmp_path / "out"))
    with closing(folder.open_store()) as store:
        evaluations = store.evaluations(folder.id)
    finished = [e for e in evaluations if e.status == "finished"]
    assert all((e.metrics["inherited"] > 0) <= bool(e.parents) for e in finished)
    assert any(e.metrics["inherited"] > 0 for e in finished)
    assert "lineage" in (folder.path / "report.html").read_text()
    winners = RunFolder.open(folder.path / "confirmation" / "1" / "winners")
    with closing(winners.open_store()) as store:
        assert not any("inherited" in e.metrics for e in store.evaluations(winners.id))


def test_constraints_stop_a_genome_before_it_is_trained(space: SearchSpace) -> None:
    genome = Genome({"training.learning_rate": 0.01, "embedding.kind": "standard", "layers": [LAYER]})
    corpus = load_corpus(space.corpus, space.tokenizer)
    bounded = space.model_copy(update={"constraints": {"parameters": Bounds(max=100)}})
    outcome = TrainingEvaluator(bounded, corpus, "cpu")(Job(0, genome, 0, 7))
    assert outcome.status == "infeasible"
    assert "parameters" in outcome.reason
    assert "above 100" in outcome.reason
    assert not outcome.curve


def test_divergence_and_defects_are_outcomes_with_a_reason(space: SearchSpace, monkeypatch: pytest.MonkeyPatch) -> None:
    import hrfevo.workers.evaluation as evaluation

    layer = {"mixer.kind": "attention", "feedforward.expansion": 1.0}
    genome = Genome({"training.learning_rate": 0.01, "embedding.kind": "standard", "layers": [layer]})
    corpus = load_corpus(space.corpus, space.tokenizer)
    wild = space.model_copy(update={"training": dict(space.training) | {"weight_decay": 1e30}})
    assert TrainingEvaluator(wild, corpus, "cpu")(Job(0, genome, 0, 7)).reason.startswith("diverged: the loss is")

    def broken(*_: Any) -> None:
        raise RuntimeError("a defect\nin two lines")

    monkeypatch.setattr(evaluation, "Trainer", broken)
    outcome = TrainingEvaluator(space, corpus, "cpu")(Job(0, genome, 0, 7))
    assert (outcome.status, outcome.reason) == ("failed", "error: RuntimeError: a defect in two lines")
    assert "Traceback" in outcome.detail


@pytest.mark.usefixtures("undrawn")
def test_a_probe_is_an_objective_measured_once(tiny_space: Path, tmp_path: Path) -> None:
    settings = ("objectives={bits_per_byte: minimize, memorization: maximize}", "probe_steps=5", "rungs=[2, 4]")
    arguments = [part for setting in settings for part in ("--set", setting)]
    result = command(
        "hrfevo", "run", tiny_space, "--out", tmp_path, "--backend", "inline", "--algorithm", "random",
        "--evaluations", 9, *arguments,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    (path,) = tmp_path.glob("tiny-*")
    run = RunFolder.open(path)
    evaluations = run.open_store().evaluations(run.id)
    promoted = [e for e in evaluations if e.rung == 1]
    assert promoted
    for upper in promoted:
        lower = next(e for e in evaluations if e.genome == upper.genome and e.rung == 0)
        assert upper.metrics["memorization"] == lower.metrics["memorization"]


# --- workers that lack what no genome can bring along ---------------------------------------------


def unfit_of(evaluator: Any, space: SearchSpace) -> str:
    genome = make_algorithm("random", space, np.random.SeedSequence(0)).ask().genome  # type: ignore[union-attr]
    with pytest.raises(Unfit) as error:
        evaluator(Job(0, genome, 0, 0))
    return str(error.value)


def test_what_a_worker_lacks_is_nobodys_failure(
    space: SearchSpace, monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    """A missing package, part, module of a part, or device: no genome fails or is infeasible of it."""
    from hrfevo.workers import evaluation
    from signal_model.config import EmbeddingConfig
    from signal_model.layers import registry

    evaluator = TrainingEvaluator(space, load_corpus(space.corpus, space.tokenizer), "cpu")
    assert "device: cuda:99 is not available" in unfit_of(replace(evaluator, device="cuda:99"), space)

    elsewhere = space.model_copy(update={"model": space.model | {"positions": {"kind": "fancy"}}})
    assert "'fancy' is no kind" in unfit_of(replace(evaluator, space=elsewhere), elsewhere)

    def without(*_: object) -> None:
        raise ModuleNotFoundError("No module named 'pywt'")

    with monkeypatch.context() as patched:
        patched.setattr(evaluation, "build_model", without)
        assert unfit_of(evaluator, space).endswith("No module named 'pywt'")
        with pytest.raises(Unfit):
            search(space, InlineWorkers(evaluator), store, "run").run(QUIET)
    assert statuses(store) == ["running"]

    class Orphan(EmbeddingConfig):  # no kind of its own: files cannot name it
        pass

    with pytest.raises(ImportError, match="no module implements Orphan"):
        registry.build(Orphan(kind="orphan"), None)  # type: ignore[arg-type]


def test_who_was_lost_after_its_training_was_kept_is_the_evaluation_that_it_would_have_been(
    space: SearchSpace, tmp_path: Path
) -> None:
    """As where a kill came while it was scored: what it trained is there, and is its own."""
    genome = Genome({"training.learning_rate": 0.01, "embedding.kind": "standard", "layers": [LAYER]})
    long = space.model_copy(update={"rungs": [2, 6]})
    evaluator = TrainingEvaluator(long, load_corpus(space.corpus, space.tokenizer), "cpu")
    kept = str(tmp_path / "one")
    evaluator(Job(0, genome, 0, 7, kept))
    first, again = (evaluator(Job(1, genome, 1, 7, kept)) for _ in range(2))
    assert first.metrics["train_steps"] == again.metrics["train_steps"] == 4
    assert [point.step for point in first.curve] == [3, 4, 5, 6]
    assert first.curve == again.curve
    assert first.metrics["bits_per_byte"] == again.metrics["bits_per_byte"]
