"""Training on real text: repeatable, timed, in parts, in every precision, and an error where it diverges."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from signal_model.config import ModelConfig, TrainingConfig
from signal_model.data.corpus import Corpus
from signal_model.evaluation.generation import generate
from signal_model.evaluation.scores import Score
from signal_model.model import build_model
from signal_model.training.batches import Epochs
from signal_model.training.trainer import Diverged, Trainer, train, validate
from signal_model.transforms.spectra import spectral_roughness
from tests.signal_model.evaluation.test_causality import EMBEDDINGS, MIXERS
from tests.tools.models import CPU, HYBRID


def test_training_is_repeatable_to_the_bit_and_depends_on_the_seed(corpus: Corpus) -> None:
    def losses(seed: int) -> list[float]:
        config = TrainingConfig(steps=6, batch_size=2, seed=seed)
        model = build_model(ModelConfig.model_validate(HYBRID), seed)
        return [point.nats_per_token for point in train(model, corpus, config, CPU).curve]

    assert losses(1) == losses(1)
    assert losses(1) != losses(2)


def test_a_model_that_trains_on_is_scored_and_heard_as_it_is(corpus: Corpus) -> None:
    """Nothing of it is of earlier weights: a model built from its weights gives the same, to the bit."""
    bank = [{"filter_bank": {"kind": "learned", "filters": 2, "scales": 2, "taps": 2}}]
    config = ModelConfig.model_validate(HYBRID | {"layers": HYBRID["layers"] + bank})
    training = TrainingConfig(steps=9, batch_size=2, learning_rate=0.1, warmup=0, validation_tokens=96)
    trainer = Trainer(build_model(config, 0), corpus, training, CPU)

    def measured(model: Any) -> tuple[Score, list[int]]:
        return validate(model, corpus, training, CPU), [*generate(model, b"def ", 8)]

    found = []
    for step in (0, 3, 6, 9):
        trainer.run(until=step)
        again = build_model(config, 1)
        again.load_state_dict(trainer.model.state_dict())
        found.append(measured(trainer.model))
        assert found[-1] == measured(again)
    assert len({score.nats for score, _ in found}) == 4


def test_a_step_is_timed_as_if_nothing_else_ran(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine of ten steps are held up by another program; the time of a step is that of the others."""
    config = TrainingConfig(steps=40, batch_size=2)
    trainer = Trainer(build_model(ModelConfig.model_validate(HYBRID), 0), corpus, config, CPU)
    ticks, real = iter(range(10**6)), trainer._take_step

    def held_up() -> None:
        clock[0] += 0.5 if next(ticks) % 10 else 0.25
        real()

    clock = [0.0]
    monkeypatch.setattr(trainer, "_take_step", held_up)
    monkeypatch.setattr("signal_model.training.trainer.time.perf_counter", lambda: clock[0])
    assert trainer.run().step_seconds == pytest.approx(0.25)


def test_a_batch_in_parts_gives_the_gradients_of_the_whole(corpus: Corpus) -> None:
    gradients, losses = [], []
    for accumulation in (1, 4):
        model = build_model(ModelConfig.model_validate(HYBRID), 0)
        config = TrainingConfig(steps=1, batch_size=8, accumulation=accumulation, spectral_loss_weight=0.1)
        losses.append(train(model, corpus, config, CPU).curve[0].nats_per_token)
        gradients.append([p.grad for p in model.parameters() if p.grad is not None])
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    for whole, parts in zip(*gradients, strict=True):
        torch.testing.assert_close(whole, parts, atol=1e-6, rtol=1e-3)


def test_the_spectral_loss_smooths_embeddings_and_stays_out_of_the_curve(corpus: Corpus) -> None:
    assert spectral_roughness(torch.ones(3, 8)) == 0
    assert spectral_roughness(torch.tensor([1.0, -1.0]).repeat(3, 4)) == 1
    noise = torch.randn(2000, 128, generator=torch.Generator().manual_seed(0))
    assert float(spectral_roughness(noise)) == pytest.approx(1 / 3, abs=0.01)
    frequencies = np.fft.fftfreq(9)[None] * 9 / 4.5
    power = np.abs(np.fft.fft(noise[:5, :9].double().numpy())) ** 2
    expected = ((power * frequencies**2).sum(1) / power.sum(1)).mean()
    assert float(spectral_roughness(noise[:5, :9].double())) == pytest.approx(expected, rel=1e-9)
    roughness, first_loss = [], []
    for weight in (0.0, 5.0):
        model = build_model(ModelConfig(context=48, width=32), 0)
        config = TrainingConfig(steps=20, batch_size=8, learning_rate=1e-2, spectral_loss_weight=weight)
        first_loss.append(train(model, corpus, config, CPU).curve[0].nats_per_token)
        roughness.append(spectral_roughness(model.embedding(torch.arange(256))).item())
    assert roughness[1] < 0.8 * roughness[0]
    assert first_loss[0] == first_loss[1]


@settings(max_examples=200)
@given(st.integers(1, 40), st.integers(1, 400), st.integers(1, 9), st.integers(0, 3))
def test_an_epoch_is_the_whole_text_once(context: int, more: int, batch_size: int, seed: int) -> None:
    tokens = np.arange(context + more)
    windows = Epochs(tokens, context, batch_size, seed)
    seen: set[int] = set()
    for _ in range(4 + 3 * more // (context * batch_size)):
        again = Epochs(tokens, context, batch_size, seed + 1)
        again.load_state_dict(json.loads(json.dumps(windows.state_dict())))
        (batch,) = windows.next()
        assert batch.shape == (batch_size, context + 1)
        assert np.array_equal(again.next()[0], batch)
        for targets in batch[:, 1:].tolist():
            if not seen.isdisjoint(targets):
                assert len(seen) > len(tokens) - 1 - 2 * context, "a token came again before all had been"
                seen = set()
            seen.update(targets)


def test_divergence_is_an_error_not_a_number(corpus: Corpus) -> None:
    model = build_model(ModelConfig.model_validate(HYBRID), 0)
    with torch.no_grad():
        model.norm.weight.fill_(float("inf"))
    with pytest.raises(Diverged):
        train(model, corpus, TrainingConfig(steps=2, batch_size=2), CPU)


@pytest.mark.parametrize("embedding", EMBEDDINGS, ids=str)
# Who sees but itself weighs it 1 whatever its query is: nothing of that would be trained.
@pytest.mark.parametrize("mixer", [mixer for mixer in MIXERS[:5] if mixer.get("window") != 1], ids=str)
def test_every_part_trains_in_bfloat16_too(
    mixer: dict[str, object], embedding: dict[str, object], corpus: Corpus
) -> None:
    """Mixed precision as CUDA has it, here on the CPU: weights in float32, every one with a gradient."""
    layer = {"mixer": mixer, "feedforward": {"kind": "spectral", "activation": "swiglu"}}
    config = ModelConfig.model_validate({"width": 16, "context": 32, "embedding": embedding, "layers": [layer]})
    model = build_model(config, 0)
    training = TrainingConfig(steps=2, batch_size=2, precision="bfloat16", validation_tokens=64)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    assert math.isfinite(train(model, corpus, training, CPU).curve[-1].nats_per_token)
    assert math.isfinite(validate(model, corpus, training, CPU).bits_per_byte)
    for name, parameter in model.named_parameters():
        assert parameter.dtype == torch.float32
        if parameter.requires_grad:
            assert not torch.equal(parameter, before[name]), f"{name} is not trained"
