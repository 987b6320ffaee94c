"""Questions of probes have answers, and tell architectures apart."""

from __future__ import annotations

import numpy as np
import pytest

from signal_model.config import ModelConfig, TrainingConfig
from signal_model.support.errors import InputError
from signal_model.training.probes import PROBES, SHORTEST, TASKS, UNASKED, Probe, probe
from tests.tools.models import CPU


@pytest.mark.parametrize("task", PROBES)
def test_questions_of_probes_can_be_answered(task: str) -> None:
    """Whatever is asked follows from what stands before it, by the rule of the task."""
    tokens, answers = TASKS[task](200, 64, np.random.default_rng(0))  # type: ignore[index]
    asked = answers != UNASKED
    assert asked.any(axis=1).mean() > 0.9
    if task == "in_context_recall":
        for row, wanted in zip(tokens, answers, strict=True):
            seen: dict[int, int] = {}
            for place in range(0, 64, 2):
                key, value = int(row[place]), int(row[place + 1])
                assert wanted[place] == seen.get(key, UNASKED)
                seen[key] = value
    elif task == "selective_copying":
        for row, wanted in zip(tokens, answers, strict=True):
            assert [t for t in row if t < 30] == [w for w in wanted if w != UNASKED]
    elif task == "memorization":
        facts = {
            (int(k), int(w))
            for row, want in zip(tokens, answers, strict=True)
            for k, w in zip(row[::2], want[1::2], strict=True)
        }
        assert len(facts) == len({key for key, _ in facts}) == 12
    else:
        assert (tokens[:, :-1] == answers).all()


@pytest.mark.parametrize("task", PROBES)
def test_every_context_has_an_answer_or_is_refused(task: Probe) -> None:
    for context in (2, 3, 4, 11, 12, 13):
        model = ModelConfig(width=16, context=context)
        if context < SHORTEST.get(task, 0):
            with pytest.raises(InputError, match=f"^{task}: asks for a context of at least .* got {context}$"):
                probe(task, model, TrainingConfig(), CPU, steps=2)
        else:
            assert 0 <= probe(task, model, TrainingConfig(), CPU, steps=2) <= 1


def test_probes_tell_architectures_apart() -> None:
    """Attention recalls what it saw, a window of two tokens cannot; both can learn facts by heart."""
    import torch

    training = TrainingConfig(learning_rate=1.5e-2)
    whole, blind = (
        ModelConfig.model_validate(
            {
                "width": 32,
                "context": 32,
                "layers": [{"mixer": {"kind": "attention", "short_convolution": 3} | window}] * 2,
            }
        )
        for window in ({}, {"window": 2})
    )
    device = torch.device("cpu")
    recall = [probe("in_context_recall", model, training, device, steps=200) for model in (whole, blind)]
    assert recall[0] > recall[1] + 0.4
    assert probe("memorization", blind, training, device, steps=100) > 0.9
    assert probe("memorization", blind, training, device, steps=1) < 0.5


@pytest.mark.parametrize("task", PROBES)
def test_a_model_that_hears_the_answers_is_not_asked(task: Probe) -> None:
    with pytest.raises(InputError, match=r"^model\.causal: false: .* cannot be probed$"):
        probe(task, ModelConfig(causal=False), TrainingConfig(), CPU, steps=1)
