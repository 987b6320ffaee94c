"""Short convolutions with learned taps, one filter per channel, causal or centred."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from signal_model.transforms.fast import Fast, Kept, Tensors


class ShortConvolution(nn.Module):
    """y_c(t) = Σ_k w_kc x_c(t + (a - k) · dilation): depthwise; a is 0 where it is causal, else (taps - 1) // 2.

    Starts as a slightly disturbed identity. The state for one step at a time, of a causal one, is the
    (taps - 1) · dilation most recent inputs.
    """

    def __init__(self, channels: int, taps: int, dilation: int = 1, causal: bool = True) -> None:
        super().__init__()
        self.dilation = dilation
        self.ahead = 0 if causal else (taps - 1) // 2
        weight = torch.randn(taps, channels) * 0.1 / math.sqrt(taps)
        weight[self.ahead] += 1
        self.weight = nn.Parameter(weight)

    def draw_taps(self) -> None:
        """Begin with taps drawn evenly, as torch's own convolutions do, instead of the identity; one tap stays."""
        if (taps := len(self.weight)) > 1:
            nn.init.uniform_(self.weight, -1 / math.sqrt(taps), 1 / math.sqrt(taps))

    @property
    def past(self) -> int:
        """How many tokens back the filter looks, if it is causal."""
        return (self.weight.shape[0] - 1) * self.dilation

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) → (B, T, C)."""
        return depthwise(x, self.weight, self.dilation, self.ahead)

    def start(self, batch: int) -> Tensor:
        """The past before the first token: zeros, (batch, past, C)."""
        return self.weight.new_zeros(batch, self.past, self.weight.shape[1])

    def prefill(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """All positions of a beginning, (B, T, C) → (B, T, C) and the past after them."""
        return self(x), latest(x, self.past)

    def step(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """One position: (B, C) and the past, oldest first → output (B, C) and the new past."""
        window = torch.cat([past, x[:, None]], dim=1)
        output = (window.flip(1)[:, :: self.dilation] * self.weight).sum(1)
        return output, window[:, 1:]


def latest(x: Tensor, count: int) -> Tensor:
    """The last `count` positions of (B, T, C), oldest first, zeros where they lie before the start: (B, count, C)."""
    padded = F.pad(x, (0, 0, count, 0))
    return padded[:, padded.shape[1] - count :]


def depthwise(x: Tensor, weight: Tensor, dilation: int = 1, ahead: int = 0) -> Tensor:
    """y(t) = Σ_k weight[k] ⊙ x(t + (ahead - k) · dilation), zero beyond both ends: (B, T, C), (K, C) → (B, T, C)."""
    dtype = torch.promote_types(x.dtype, weight.dtype)
    shift = ahead * dilation
    return _Depthwise.run(_with_end(x.to(dtype), shift), weight.to(dtype), dilation)[0][:, shift:]


def gated_depthwise(x: Tensor, weight: Tensor, ahead: int = 0) -> tuple[Tensor, Tensor]:
    """q and k ⊙ v of q, k, v = depthwise(x, weight, ahead=ahead): (B, T, 3D), (K, 3D) → two (B, T, D)."""
    dtype = torch.promote_types(x.dtype, weight.dtype)
    query, update = _GatedDepthwise.run(_with_end(x.to(dtype), ahead), weight.to(dtype))
    return query[:, ahead:], update[:, ahead:]


def _with_end(x: Tensor, count: int) -> Tensor:
    """With so many zeros behind the end: what a causal filter has heard by then is what one that looks ahead knows."""
    return F.pad(x, (0, 0, 0, count)) if count else x


# Recorded operation by operation, each tap would fill another tensor of the size of the input, and three for the
# gradient. The functions below add up in place, and span by span, so that on a CPU a span stays in the cache.
SPAN = 2**20


class _Depthwise(Fast):
    @staticmethod
    def plain(x: Tensor, weight: Tensor, dilation: int) -> Tensors:
        length, taps = x.shape[1], weight.shape[0]
        past = (taps - 1) * dilation
        padded = F.pad(x, (0, 0, past, 0))
        result = weight[0] * x
        for k in range(1, taps):
            result = result + weight[k] * padded.narrow(1, past - k * dilation, length)
        return (result,)

    @staticmethod
    def fast(x: Tensor, weight: Tensor, dilation: int) -> tuple[Tensors, Kept]:
        result = torch.empty_like(x, memory_format=torch.contiguous_format)
        for span in _spans(x):
            _filter(x, weight, dilation, span, result[:, span])
        return (result,), ()

    @staticmethod
    def gradient(inputs: tuple[Any, ...], kept: Kept, gradients: Tensors) -> Kept:
        x, weight, dilation = inputs
        for_x, for_weight = torch.empty_like(x), torch.zeros_like(weight)
        for span in _spans(x):
            _adjoint(gradients[0][:, span], x, weight, dilation, span, for_x, for_weight)
        return for_x, for_weight


class _GatedDepthwise(Fast):
    """Filters k and v again for the gradient, unless all is one span."""

    @staticmethod
    def plain(x: Tensor, weight: Tensor) -> Tensors:
        query, key, value = _Depthwise.plain(x, weight, 1)[0].chunk(3, -1)
        return query, key * value

    @staticmethod
    def fast(x: Tensor, weight: Tensor) -> tuple[Tensors, Kept]:
        query, update = (x.new_empty(*x.shape[:2], x.shape[2] // 3) for _ in range(2))
        spans = _spans(x)
        for span in spans:
            filtered = _filter(x, weight, 1, span)
            q, k, v = filtered.chunk(3, -1)
            query[:, span] = q
            torch.mul(k, v, out=update[:, span])
        return (query, update), (filtered if len(spans) == 1 else None,)

    @staticmethod
    def gradient(inputs: tuple[Any, ...], kept: Kept, gradients: Tensors) -> Kept:
        x, weight = inputs
        for_x, for_weight = torch.empty_like(x), torch.zeros_like(weight)
        for span in _spans(x):
            _, k, v = (_filter(x, weight, 1, span) if kept[0] is None else kept[0]).chunk(3, -1)
            change = gradients[1][:, span]
            gradient = torch.cat([gradients[0][:, span], change * v, change * k], dim=-1)
            _adjoint(gradient, x, weight, 1, span, for_x, for_weight)
        return for_x, for_weight


def _spans(x: Tensor) -> list[slice]:
    """Parts of the sequence that are worked on one after another: one, except for a large tensor on a CPU."""
    batch, length, channels = x.shape
    step = max(1, SPAN // max(1, batch * channels) if x.device.type == "cpu" else length)
    return [slice(start, min(start + step, length)) for start in range(0, length, step)]


def _filter(x: Tensor, weight: Tensor, dilation: int, span: slice, out: Tensor | None = None) -> Tensor:
    """The positions `span` of the filtered sequence, written to `out` if it is given."""
    result = torch.mul(x[:, span], weight[0], out=out)
    for k in range(1, weight.shape[0]):
        lag = k * dilation
        first = max(span.start, lag)  # zeros before the start add nothing
        if first < span.stop:
            result[:, first - span.start :].addcmul_(x[:, first - lag : span.stop - lag], weight[k])
    return result


def _adjoint(
    gradient: Tensor, x: Tensor, weight: Tensor, dilation: int, span: slice, for_x: Tensor, for_weight: Tensor
) -> None:
    """Add to `for_x` and `for_weight` what the gradient of the positions `span` of the result means for them.

    Spans come in order: each is the first to write at its own positions, and adds at earlier ones.
    """
    torch.mul(gradient, weight[0], out=for_x[:, span])
    for_weight[0] += (gradient * x[:, span]).sum((0, 1))
    for k in range(1, weight.shape[0]):
        lag = k * dilation
        first = max(span.start, lag)
        if first < span.stop:
            part = gradient[:, first - span.start :]
            source = slice(first - lag, span.stop - lag)
            for_x[:, source].addcmul_(part, weight[k])
            for_weight[k] += (part * x[:, source]).sum((0, 1))
