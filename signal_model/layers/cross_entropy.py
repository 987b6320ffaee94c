"""The loss of a head whose logits are never held for all positions at once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from signal_model.transforms.fast import Fast, Kept, Tensors
from signal_model.transforms.precision import wide

# Logits that are held at once, on a CPU as many as stay in its cache; and the least rows, for products to be fast.
AT_ONCE = {"cpu": (2**18, 128)}
AT_ONCE_ELSEWHERE = (2**27, 2048)
# A target that does not count, as everywhere in torch.
IGNORED = -100


def linear_cross_entropy(features: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """Mean nats of `targets` (N,) under logits `features` (N, K) · `weight` (V, K)ᵀ: a scalar, at least in float32.

    Targets of -100 do not count. Under autocast the products are of its precision, as those of a linear layer.
    """
    device = features.device.type
    if torch.is_autocast_enabled(device):
        features, weight = (tensor.to(torch.get_autocast_dtype(device)) for tensor in (features, weight))
    with torch.autocast(device, enabled=False):
        return _LinearCrossEntropy.run(features, weight, targets, torch.is_grad_enabled())[0]


class _LinearCrossEntropy(Fast):
    """Takes the gradient along with the value, chunk by chunk, while the logits are there."""

    @staticmethod
    def plain(features: Tensor, weight: Tensor, targets: Tensor, differentiate: bool) -> Tensors:
        return (F.cross_entropy(wide(F.linear(features, weight)), targets),)

    @staticmethod
    def fast(features: Tensor, weight: Tensor, targets: Tensor, differentiate: bool) -> tuple[Tensors, Kept]:
        left_out = (targets == IGNORED)[:, None]
        count = (~left_out).sum()
        features = features.masked_fill(left_out, 0)
        total = wide(features.new_zeros(()))
        for_features = torch.empty_like(features) if differentiate else None
        for_weight = wide(torch.zeros_like(weight)) if differentiate else None
        most, least = AT_ONCE.get(features.device.type, AT_ONCE_ELSEWHERE)
        rows = max(least, most // len(weight))
        for start in range(0, len(targets), rows):
            chunk, answers = features[start : start + rows], targets[start : start + rows]
            logarithms = F.log_softmax(wide(chunk @ weight.T), -1)
            total = total + F.nll_loss(logarithms, answers, reduction="sum")
            if for_features is not None and for_weight is not None:
                # Of logits: their probabilities, less one at the answer.
                surplus = logarithms.exp_()
                places = answers[:, None].clamp(min=0)
                surplus.scatter_add_(1, places, surplus.new_full((1, 1), -1.0).expand_as(places))
                surplus = surplus.to(weight.dtype)
                torch.mm(surplus, weight, out=for_features[start : start + rows])
                if for_weight.dtype == weight.dtype:
                    for_weight.addmm_(surplus.T, chunk)
                else:
                    for_weight += surplus.T @ chunk
        if for_features is not None:
            for_features.masked_fill_(left_out, 0)
        return (total / count,), (for_features, for_weight, count)

    @staticmethod
    def gradient(inputs: tuple[Any, ...], kept: Kept, gradients: Tensors) -> Kept:
        _, weight, _, _ = inputs
        for_features, for_weight, count = kept
        assert for_features is not None
        assert for_weight is not None
        assert count is not None
        scale = gradients[0] / count
        return for_features * scale, (for_weight * scale).to(weight.dtype), None
