"""Layers that are repeated, with weights of their own or with one set of them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from signal_model.analysis.activations import activations
from signal_model.analysis.costs import measure_cost
from signal_model.analysis.counting import flops_per_token, recurrent_state_size
from signal_model.config import ModelConfig, Recipe
from signal_model.data.tokenizers import ByteTokenizer
from signal_model.evaluation.causality import causality_violation, disagreement_of_forms
from signal_model.interchange import SignalLLMForCausalLM, from_transformers, to_transformers
from signal_model.model import SignalLLM, build_model, count_parameters
from signal_model.support.errors import InputError
from signal_model.training.checkpoints import load_checkpoint, save_checkpoint

ATTENTION = {"mixer": {"kind": "attention", "heads": 2}}
HARMONIC = {
    "mixer": {"kind": "harmonic", "bases": 4},
    "filter_bank": {"kind": "learned", "filters": 2, "taps": 2},
    "feedforward": {"kind": "spectral"},
}


def config(*layers: dict[str, Any]) -> ModelConfig:
    return ModelConfig.model_validate({"width": 16, "context": 24, "layers": [*layers]})


SHARED = config(HARMONIC | {"repeat": 3, "share": True}, ATTENTION, ATTENTION | {"repeat": 2})
WRITTEN_OUT = config(HARMONIC, HARMONIC, HARMONIC, ATTENTION, ATTENTION, ATTENTION)
BLOCK_OF = (0, 0, 0, 1, 2, 3)


def with_copies(model: SignalLLM) -> SignalLLM:
    """The same function with a block for every layer."""
    whole, weights = build_model(WRITTEN_OUT, 1), model.state_dict()
    copied = {name: tensor for name, tensor in weights.items() if not name.startswith("blocks.")}
    for layer, block in enumerate(BLOCK_OF):
        own = {name: tensor for name, tensor in weights.items() if name.startswith(f"blocks.{block}.")}
        copied |= {name.replace(f"blocks.{block}.", f"blocks.{layer}.", 1): tensor for name, tensor in own.items()}
    whole.load_state_dict(copied, strict=True)
    return whole


def test_a_layer_that_is_repeated_is_one_that_is_written_out_as_often() -> None:
    repeated, out = config(HARMONIC | {"repeat": 3}, ATTENTION | {"repeat": 3}), WRITTEN_OUT
    assert repeated.depth == out.depth == SHARED.depth == 6
    first, second = build_model(repeated, 0), build_model(out, 0)
    tokens = torch.randint(256, (2, 24), generator=torch.Generator().manual_seed(0))
    assert torch.equal(first(tokens), second(tokens)), "to the bit, the initial weights too"


def test_shared_layers_are_copies_that_are_counted_and_trained_once() -> None:
    model = build_model(SHARED, 0)
    whole = with_copies(model)
    tokens = torch.randint(256, (2, 24), generator=torch.Generator().manual_seed(0))
    for one in (model, whole):
        one(tokens, tokens).backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(model(tokens), whole(tokens))
    for name, weights in model.blocks[0].named_parameters():
        copies = [whole.blocks[layer].get_parameter(name).grad for layer in range(3)]
        if weights.grad is not None:
            torch.testing.assert_close(weights.grad, sum(copies), rtol=1e-4, atol=1e-6)
    # Weights are there once; what is computed and what is held is there for every layer.
    in_block = count_parameters(model.blocks[0])
    assert count_parameters(model) == count_parameters(whole) - 2 * in_block
    assert flops_per_token(model) == flops_per_token(whole)
    assert recurrent_state_size(model) == recurrent_state_size(whole)
    cost = measure_cost(model, repeats=0)
    assert sum(row.count for row in cost.parameters) == count_parameters(model)
    assert cost.flops() == measure_cost(whole, repeats=0).flops()
    assert causality_violation(model, 24) < 1e-5
    assert disagreement_of_forms(model, 12) < 1e-5
    windows = tokens.numpy()
    found, known = (activations(one, windows, ["embedded", f"blocks.{at}"]) for one, at in ((model, 0), (whole, 2)))
    for mine, others in zip(found.values(), known.values(), strict=True):
        torch.testing.assert_close(mine, others)


def test_files_hold_shared_weights_once_and_give_the_same_model(tmp_path: Path) -> None:
    model, recipe = build_model(SHARED, 0).eval(), Recipe(model=SHARED)
    save_checkpoint(tmp_path / "one", model, recipe, ByteTokenizer(), {})
    assert load_checkpoint(tmp_path / "one", torch.device("cpu"))[1] == recipe
    to_transformers(tmp_path / "one", tmp_path / "theirs")
    theirs = SignalLLMForCausalLM.from_pretrained(tmp_path / "theirs").eval()
    theirs.save_pretrained(tmp_path / "saved")
    shutil.copy(tmp_path / "theirs" / "tokenizer.json", tmp_path / "saved")
    from_transformers(tmp_path / "saved", tmp_path / "back")
    again, _, _ = load_checkpoint(tmp_path / "back", torch.device("cpu"))
    tokens = torch.randint(256, (1, 24), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(again(tokens), model(tokens))
        output = theirs(tokens, output_hidden_states=True)
        torch.testing.assert_close(output.logits, model(tokens))
        assert len(output.hidden_states) == theirs.config.num_hidden_layers + 1 == 7
        prompt = tokens[:, :8]
        cached, whole = (theirs.generate(prompt, max_new_tokens=4, use_cache=use) for use in (True, False))
        assert torch.equal(cached, whole)


def test_settings_of_before_are_written_as_they_were() -> None:
    assert "repeat" not in ModelConfig().to_yaml()
    assert "share" not in ModelConfig().to_yaml()
    assert ModelConfig.from_yaml(SHARED.to_yaml()) == SHARED
    with pytest.raises(InputError, match="at most 1,024 layers, got 1,026, those that are repeated included"):
        ModelConfig.from_yaml("layers: [{repeat: 1024}, {repeat: 2}]")
