"""Which optimizer has which weights, what decays, and how the learning rate runs."""

from __future__ import annotations

import numpy as np
import torch

from signal_model.config import ModelConfig, TrainingConfig
from signal_model.model import build_model
from signal_model.training.muon import Muon
from signal_model.training.optimizers import build_optimizers, learning_rate_factor, set_learning_rates
from tests.tools.models import HYBRID


def test_weight_decay_is_for_matrices_and_coefficients_only() -> None:
    kinds = ("harmonic", "fourier_attention", "attention")
    layers = [{"mixer": {"kind": kind}, "filter_bank": {"kind": "learned"}} for kind in kinds]
    spectral = {"kind": "spectral", "frequencies": [1, 8], "learnable_frequencies": True}
    config = {"width": 16, "layers": layers, "embedding": spectral, "positions": {"kind": "signal"}}
    model = build_model(ModelConfig.model_validate(config), 0)
    (adamw,) = build_optimizers(model, TrainingConfig(weight_decay=0.1))
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    assert sorted(names.values()) == sorted(names[id(p)] for group in adamw.param_groups for p in group["params"])
    spared = {names[id(p)] for p in adamw.param_groups[1]["params"]}
    assert [group["weight_decay"] for group in adamw.param_groups] == [0.1, 0.0]
    ends = ("frequencies", "log_frequency", "log_decay", "log_scale", "short.weight", "filters", "norm.weight")
    assert all(name.endswith(ends) for name in spared)
    assert {name.rsplit(".", 2)[-1] for name in names.values() if name not in spared} == {"weight", "coefficients"}


def test_schedule_warms_up_and_falls_as_a_cosine() -> None:
    config = TrainingConfig(steps=100, warmup=0.1, final_learning_rate=0.2)
    factors = [learning_rate_factor(step, config) for step in range(100)]
    np.testing.assert_allclose(factors[:10], np.arange(1, 11) / 10)
    expected = 0.2 + 0.8 * (1 + np.cos(np.pi * np.arange(90) / 89)) / 2
    np.testing.assert_allclose(factors[10:], expected)


def test_stable_rate_then_straight_line_down() -> None:
    config = TrainingConfig(steps=100, warmup=0.1, final_learning_rate=0.2, schedule={"kind": "wsd", "decay": 0.25})  # type: ignore[arg-type]
    factors = [learning_rate_factor(step, config) for step in range(100)]
    np.testing.assert_allclose(factors[:10], np.arange(1, 11) / 10)
    np.testing.assert_allclose(factors[10:75], 1)
    np.testing.assert_allclose(factors[74:], np.linspace(1, 0.2, 26))


def test_muon_takes_the_matrices_of_blocks_and_adamw_the_rest() -> None:
    model = build_model(ModelConfig.model_validate(HYBRID), 0)
    muon, adamw = build_optimizers(model, TrainingConfig(optimizer={"kind": "muon", "learning_rate": 0.05}))  # type: ignore[arg-type]
    assert isinstance(muon, Muon)
    assert isinstance(adamw, torch.optim.AdamW)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    by_muon, by_adamw = (
        {names[id(p)] for group in optimizer.param_groups for p in group["params"]} for optimizer in (muon, adamw)
    )
    assert by_muon | by_adamw == {name for name, p in model.named_parameters() if p.requires_grad}
    assert not by_muon & by_adamw
    assert {"blocks.0.mixer.project.weight", "blocks.2.feedforward.output.weight"} <= by_muon
    assert {"embedding.standard.weight", "blocks.0.mixer.coefficients", "blocks.0.mixer.short.weight"} <= by_adamw
    set_learning_rates([muon, adamw], 0.5)
    assert {group["lr"] for group in muon.param_groups} == {0.025}
    assert {group["lr"] for group in adamw.param_groups} == {0.0015}
