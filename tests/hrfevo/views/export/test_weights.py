"""Recipes and weights taken away are the run's own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from hrfevo.results.history import History
from signal_model.config import ModelConfig, Recipe
from signal_model.data.corpus import load_corpus
from signal_model.interchange import SignalLLMForCausalLM
from signal_model.model import build_model
from signal_model.training.checkpoints import load_checkpoint, load_figures
from signal_model.training.trainer import Trainer, run_recipe
from tests.conftest import assert_one_clear_line, command
from tests.tools.exports import exported
from tests.tools.synthetic import read

CPU = torch.device("cpu")


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_a_recipe_and_a_model_are_the_genomes_in_either_format(suffix: str, run: Path, tmp_path: Path) -> None:
    exported(run, "--output", tmp_path / f"recipe.{suffix}")
    exported(run, "--format", "model", "--output", tmp_path / f"model.{suffix}")
    recipe = Recipe.load(tmp_path / f"recipe.{suffix}")
    assert recipe == Recipe.load(run / "best.yaml")
    assert ModelConfig.from_yaml(tmp_path / f"model.{suffix}") == recipe.model
    if suffix == "json":
        assert json.loads((tmp_path / "recipe.json").read_text()) == recipe.to_dict()


def test_weights_score_as_the_search_measured_and_load_in_transformers(run: Path, tmp_path: Path) -> None:
    """The winner's training was dropped when it ended; the same seed trains it again to the last digit."""
    space, evaluations = read(run)
    best = History(space, tuple(evaluations)).front[0]
    said = exported(run, "--weights", "--output", tmp_path / "model")
    score = f"{best.metrics['bits_per_byte']:.6f} bits per byte"
    assert said.splitlines()[-1].endswith(f"; {score} on validation, the same as in the search")
    figures = load_figures(tmp_path / "model")
    assert figures["validation"]["bits_per_byte"] == best.metrics["bits_per_byte"]
    assert (figures["genome"], figures["steps"], figures["run"]) == (best.genome, 6, run.name)
    assert score in command("signal-model", "evaluate", tmp_path / "model", "--threads", 1).stdout

    exported(run, best.genome, "--format", "huggingface", "--output", tmp_path / "hub")
    model = load_checkpoint(tmp_path / "model", CPU)[0]
    tokens = torch.randint(1, 256, (2, 20), generator=torch.Generator().manual_seed(0))
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "hub")
    assert isinstance(loaded, SignalLLMForCausalLM)
    assert torch.equal(loaded(tokens).logits, model(tokens))


def test_weights_that_the_search_kept_are_used_and_trained_on(run: Path, tmp_path: Path) -> None:
    """Kept, trained on from what was kept, and trained again: each to the same weights as one training from scratch."""
    space, evaluations = read(run)
    promoted = {e.genome for e in evaluations if e.rung == 1}
    waiting = next(e for e in evaluations if (run / "checkpoints" / e.genome).is_dir() and e.genome not in promoted)
    exported(run, waiting.genome, "--output", tmp_path / "recipe.yaml")
    recipe = Recipe.load(tmp_path / "recipe.yaml")
    corpus = load_corpus(space.corpus, space.tokenizer)
    torch.set_num_threads(1)
    early = Trainer(build_model(recipe.model, recipe.training.seed), corpus, recipe.training, CPU)
    early.run(until=3)
    late, _, score = run_recipe(recipe, corpus, CPU)

    said = exported(run, waiting.genome, "--weights", "--output", tmp_path / "kept")
    assert "weights that the search kept at step 3;" in said
    assert "the same as in the search" in said
    assert_weights(tmp_path / "kept", early.model.state_dict())
    said = exported(run, waiting.genome, "--weights", "--steps", 6, "--output", tmp_path / "on")
    assert f"kept by the search at step 3, trained on to 6; {score.bits_per_byte:.6f} bits" in said
    assert "which the search did not measure" in said
    assert_weights(tmp_path / "on", late.state_dict())

    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    kept = copy / "checkpoints" / waiting.genome / "training.safetensors"
    kept.write_bytes(kept.read_bytes()[:-20])
    said = exported(copy, waiting.genome, "--weights", "--output", tmp_path / "again")
    assert "trained again from scratch to step 3;" in said
    assert_weights(tmp_path / "again", early.model.state_dict())


def assert_weights(folder: Path, expected: Mapping[str, torch.Tensor]) -> None:
    written = load_file(folder / "model.safetensors")
    assert written.keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in written.items())


def test_a_changed_corpus_is_refused(run: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    recorded = json.loads((copy / "run.json").read_text())
    recorded["corpus"]["hash"] = "that of other text"
    (copy / "run.json").write_text(json.dumps(recorded))
    refused = command("hrfevo", "export", copy, "--weights", "--output", tmp_path / "model")
    assert_one_clear_line(refused, "the corpus has changed since the run began")
    assert not (tmp_path / "model").exists()
