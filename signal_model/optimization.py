"""Optimisers and learning rates: which parameter is stepped by what, and how fast at each step."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from signal_model.config import MuonConfig, TrainingConfig, WarmupStableDecayConfig
from signal_model.model import SignalLLM


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
        start = max(warmup, last - round(config.schedule.decay * config.steps))
        falling = 1 - max(0, step - start) / max(1, last - start)
    else:
        falling = (1 + math.cos(math.pi * (step - warmup) / max(1, last - warmup))) / 2
    return config.final_learning_rate + (1 - config.final_learning_rate) * falling


def parameter_groups(parameters: Sequence[Tensor], weight_decay: float) -> list[dict[str, object]]:
    """Weight decay for matrices; none for vectors, scalars and filters' rates."""
    return [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]


def build_optimizers(model: SignalLLM, config: TrainingConfig) -> list[torch.optim.Optimizer]:
    """AdamW (Loshchilov & Hutter 2019) for all parameters or, with Muon (Jordan et al. 2024), for those
    that are no matrix of a linear map inside a block. Together they hold every trained parameter once."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    matrices: list[Tensor] = []
    optimizers: list[torch.optim.Optimizer] = []
    if isinstance(config.optimizer, MuonConfig):
        linear = [module for module in model.blocks.modules() if isinstance(module, nn.Linear)]
        matrices = [module.weight for module in linear if module.weight.requires_grad]
        muon = torch.optim.Muon(
            matrices,
            lr=config.optimizer.learning_rate,
            momentum=config.optimizer.momentum,
            weight_decay=config.weight_decay,
        )
        optimizers.append(muon)
    taken = {id(matrix) for matrix in matrices}
    rest = [parameter for parameter in trained if id(parameter) not in taken]
    groups = parameter_groups(rest, config.weight_decay)
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
