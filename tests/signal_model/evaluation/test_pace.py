"""What a generated token takes: of what it is the time."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from signal_model.analysis.counting import recurrent_state_size
from signal_model.config import ModelConfig
from signal_model.evaluation.pace import FEWEST_TOKENS, MOST_TOKENS, token_seconds
from signal_model.layers.mixers import State
from signal_model.model import SignalLLM, build_model

HYBRID = """
{width: 16, context: 24, vocab_size: 11, layers: [
  {mixer: {kind: attention, heads: 2}},
  {mixer: {kind: attention, heads: 2, window: 8}, filter_bank: {kind: learned, filters: 2, taps: 4}},
  {mixer: {kind: harmonic, bases: 4}}]}
"""


class Watched(SignalLLM):
    """Notes the numbers held after each step."""

    held: list[int]

    def step(self, tokens: Tensor, states: list[State]) -> tuple[Tensor, list[State]]:
        logits, after = super().step(tokens, states)
        self.held.append(sum(tensor.numel() for state in after for tensor in state))
        return logits, after


@pytest.mark.parametrize("context", [None, 100])
def test_every_token_that_is_timed_stands_at_the_end_of_the_context(context: int | None) -> None:
    config = ModelConfig.from_yaml(HYBRID)
    model = Watched(config)
    model.held = []
    model.train()
    before = {name: weights.clone() for name, weights in model.state_dict().items()}
    assert 0 < token_seconds(model, context) < 1
    whole = build_model(config.model_copy(update={"context": context or config.context}), 0)
    assert {*model.held} == {recurrent_state_size(whole)}
    assert FEWEST_TOKENS <= len(model.held) <= MOST_TOKENS
    assert model.training
    assert all(torch.equal(weights, before[name]) for name, weights in model.state_dict().items())


def test_the_state_that_counts_is_that_which_a_full_context_leaves() -> None:
    model = build_model(ModelConfig.from_yaml(HYBRID), 0)
    with torch.no_grad():
        _, states = model.prefill(torch.zeros(1, model.config.context, dtype=torch.long))
    held = sum(tensor.numel() for state in states for tensor in state)
    assert recurrent_state_size(model) == held > 2 * model.config.context * model.config.width, "attention's cache too"
