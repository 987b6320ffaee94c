"""Muon: momentum whose matrices are brought to equal singular values before they become a step."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from signal_model.support.devices import fast_bfloat16

# Jordan et al. (2024): after five rounds of x ← (a + b·xxᵀ + c·(xxᵀ)²) x singular values lie between about 0.7 and 1.2.
ROUNDS = 5
A, B, C = 3.4445, -4.7750, 2.0315
EPSILON = 1e-7


class Muon(torch.optim.Optimizer):
    """Muon (Jordan et al. 2024) for matrices: what `torch.optim.Muon` computes, faster.

    Matrices of one shape, or of its transpose, are orthogonalised in one batch, in the precision that is fast on
    their device: PyTorch's takes bfloat16 everywhere, at twenty to eighty times the time of float32 where a
    processor has no units for it. The state of a parameter is its `momentum_buffer`, as PyTorch has it.
    """

    def __init__(self, params: Iterable[nn.Parameter], lr: float, momentum: float, weight_decay: float) -> None:
        """Raises ValueError for a parameter that is no matrix."""
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.ndim != 2:
                    raise ValueError(f"Muon steps matrices, got a parameter of shape {tuple(parameter.shape)}")

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of every parameter that has a gradient; the loss of `closure`, if one is given."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for alike in _alike(group["params"]):
                directions = torch.stack([self._direction(parameter, group["momentum"]) for parameter in alike])
                dtype = torch.bfloat16 if fast_bfloat16(directions.device) else torch.float32
                for parameter, update in zip(alike, orthogonalized(directions, dtype), strict=True):
                    rows, columns = parameter.shape
                    rate = group["lr"] * math.sqrt(max(1, rows / columns))
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    parameter.add_(update if rows <= columns else update.T, alpha=-rate)
        return loss

    def _direction(self, parameter: nn.Parameter, momentum: float) -> Tensor:
        """Nesterov's momentum, wide rather than tall: (m, n) with m ≤ n."""
        gradient = parameter.grad
        assert gradient is not None
        state = self.state[parameter]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(gradient)
        direction = gradient.lerp(state["momentum_buffer"].lerp_(gradient, 1 - momentum), momentum)
        return direction if parameter.shape[0] <= parameter.shape[1] else direction.T


def _alike(parameters: list[nn.Parameter]) -> list[list[nn.Parameter]]:
    """Those with a gradient, by device, type and shape or transposed shape."""
    groups = defaultdict(list)
    for parameter in parameters:
        if parameter.grad is not None:
            groups[parameter.device, parameter.dtype, *sorted(parameter.shape)].append(parameter)
    return [*groups.values()]


def orthogonalized(matrices: Tensor, dtype: torch.dtype) -> Tensor:
    """Matrices (N, m, n), m ≤ n, with singular values near one and singular vectors as they were: (N, m, n) in `dtype`.

    Newton–Schulz rounds, the matrices scaled to a norm of one before them. Every round multiplies by a polynomial of
    the same small matrix xxᵀ. So in float32 only that one, (m, m), is taken from round to round, and the matrix itself
    is multiplied once by the product of the polynomials, which for n ≥ 2m is less work. In bfloat16 it would lose the
    small singular values, which xxᵀ holds squared.
    """
    x = matrices.to(dtype)
    x = x / torch.linalg.matrix_norm(x, keepdim=True).clamp(min=EPSILON)
    if dtype == torch.bfloat16 or x.shape[2] < 2 * x.shape[1]:
        for _ in range(ROUNDS):
            gram = x @ x.mT
            x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=B, alpha=C), x, beta=A)
        return x
    gram = x @ x.mT
    product = torch.eye(x.shape[1], dtype=dtype, device=x.device)
    for _ in range(ROUNDS):
        polynomial = torch.baddbmm(gram, gram, gram, beta=B, alpha=C)
        polynomial.diagonal(dim1=1, dim2=2).add_(A)
        product = polynomial @ product
        gram = polynomial @ gram @ polynomial
    result: Tensor = product @ x
    return result
