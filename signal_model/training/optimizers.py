"""Optimisers and learning rates: which parameter is stepped by what, and how fast at each step."""

from __future__ import annotations

import math

import torch
from torch import nn

from signal_model.config import MuonConfig, TrainingConfig, WarmupStableDecayConfig
from signal_model.model import SignalClassifier, SignalLLM
from signal_model.training.muon import Muon


def learning_rate_factor(step: int, config: TrainingConfig) -> float:
    """The rate at `step` (from 0) as a share of the highest.

    A straight line up to 1, then down to `final_learning_rate`: along half a cosine (Loshchilov & Hutter
    2017), or, for warm-up–stable–decay (Hu et al. 2024, MiniCPM), at 1 until the last share of the steps
    and then along a straight line.
    """
    last = config.steps - 1
    warmup = round(config.warmup * config.steps)
    if step < warmup:
        return (step + 1) / warmup
    if isinstance(config.schedule, WarmupStableDecayConfig):
        start = max(warmup, last - max(1, round(config.schedule.decay * config.steps)))
        falling = 1 - max(0, step - start) / max(1, last - start)
    else:
        falling = (1 + math.cos(math.pi * (step - warmup) / max(1, last - warmup))) / 2
    return config.final_learning_rate + (1 - config.final_learning_rate) * falling


def decayed(model: nn.Module) -> set[str]:
    """Names of the parameters that weight decay pulls to zero: matrices of linear maps, and coefficients of tokens,
    positions and kernels.

    Not the others. A decay rate or a frequency is kept as a logarithm, whose zero is a time of one token; a short
    filter begins as the identity; a gain's zero is no signal at all.
    """
    linear = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    tables = {
        name
        for name, parameter in model.named_parameters()
        if name.endswith(".coefficients") or (name.startswith("embedding.") and parameter.ndim >= 2)
    }
    return linear | tables


def build_optimizers(model: SignalLLM | SignalClassifier, config: TrainingConfig) -> list[torch.optim.Optimizer]:
    """AdamW (Loshchilov & Hutter 2019) for all parameters or, with Muon (Jordan et al. 2024), for those
    that are no matrix of a linear map inside a block. Together they hold every trained parameter once."""
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    optimizers: list[torch.optim.Optimizer] = []
    if isinstance(config.optimizer, MuonConfig):
        linear = (name for name, module in model.named_modules() if isinstance(module, nn.Linear))
        inside = [f"{name}.weight" for name in linear if name.startswith("blocks.") and f"{name}.weight" in trained]
        rate, momentum = config.optimizer.learning_rate, config.optimizer.momentum
        if inside:
            optimizers.append(Muon([trained.pop(name) for name in inside], rate, momentum, config.weight_decay))
    names = decayed(model)
    groups = [
        {"params": [p for name, p in trained.items() if name in names], "weight_decay": config.weight_decay},
        {"params": [p for name, p in trained.items() if name not in names], "weight_decay": 0.0},
    ]
    optimizers.append(torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas, fused=True))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["highest_lr"] = group["lr"]
    return optimizers


def set_learning_rates(optimizers: list[torch.optim.Optimizer], factor: float) -> None:
    """Every group's rate to `factor` times its highest."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["highest_lr"] * factor
