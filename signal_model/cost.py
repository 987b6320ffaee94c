"""What a model costs: operations per token, numbers kept while generating."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry, sdpa_flop_count

from signal_model.model import SignalLLM


def flops_per_token(model: SignalLLM) -> float:
    """Floating-point operations of one forward pass over a full context, per token.

    Counted by operation, as they are dispatched: matrix products, attention, convolutions, Fourier
    transforms (2.5 n log2 n for a real one of n samples, Cooley & Tukey) and the multiplications
    and additions of elements, which make up a wavelet decomposition.
    """
    device = next(model.parameters()).device
    tokens = torch.zeros(1, model.config.context, dtype=torch.long, device=device)
    with torch.no_grad(), OperationCounter() as counter:
        model(tokens)
    return float(counter.total) / model.config.context


def recurrent_state_size(model: SignalLLM) -> int:
    """Numbers held to generate the token after a full context.

    Read off the states themselves after one step and after two: what grows (attention's cache)
    grows by the same amount with each token.
    """
    device = next(model.parameters()).device
    token = torch.zeros(1, dtype=torch.long, device=device)
    sizes = []
    states = model.start(1)
    with torch.no_grad():
        for _ in range(2):
            _, states = model.step(token, states)
            sizes.append(sum(tensor.numel() for state in states for tensor in state))
    return sizes[0] + (model.config.context - 1) * (sizes[1] - sizes[0])


class OperationCounter(TorchDispatchMode):
    """Adds up the floating-point operations of everything torch dispatches inside the context."""

    def __init__(self) -> None:
        super().__init__()
        self.total: int = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        packet = func.overloadpacket
        aten = torch.ops.aten
        if packet in flop_registry:
            self.total += flop_registry[packet](*args, **(kwargs or {}), out_val=result)
        elif packet is aten._scaled_dot_product_flash_attention_for_cpu:
            self.total += sdpa_flop_count(args[0].shape, args[1].shape, args[2].shape)
        elif packet is aten._fft_r2c:
            self.total += _real_transform(args[0])
        elif packet is aten._fft_c2r:
            self.total += _real_transform(result)
        elif packet in (aten.add, aten.add_, aten.sub, aten.mul):
            self.total += result.numel() * (6 if packet is aten.mul and result.is_complex() else 1)
        elif packet is aten.addcmul:
            self.total += 2 * result.numel()
        return result


def _real_transform(signal: Tensor) -> int:
    """A real Fourier transform along the last axis of a real `signal`."""
    return round(2.5 * signal.numel() * math.log2(max(2, signal.shape[-1])))
