"""Whether a model hears what it says it does: a causal one no future, another some; and whether two forms agree."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from signal_model.model import SignalClassifier, SignalLLM
from signal_model.support.modes import in_evaluation


@torch.no_grad()
def causality_violation(model: SignalLLM | SignalClassifier, length: int, seed: int = 0) -> float:
    """The largest change at any position when only later input changes, relative to the largest output.

    Of logits of tokens, or of a classifier's frames before the mean. Random tokens or samples, `length` of them, are
    replaced from several positions on, and all outputs before those positions are compared in float64 (float32 where
    the device has no more), in which rounding stays below 1e-12 (1e-5). Not a number if the model's outputs are not.
    The model's weights are left as they were.
    """
    generator = torch.Generator().manual_seed(seed)
    stride = model.config.stride
    positions = -(-length // stride)
    chosen = np.random.default_rng(seed).integers(1, max(2, positions), 4)
    cuts = sorted({1, max(1, positions - 1), *map(int, chosen)})
    with _exact(model):
        base = model.example(1, length, generator)
        other = _elsewhere(model, base, generator)
        before = torch.arange(length, device=base.device) < torch.tensor(cuts, device=base.device)[:, None] * stride
        # What is unchanged goes alone, so that a leak between the rows of a batch shows too.
        reference = model.by_position(base)[0]
        outputs = model.by_position(torch.where(before, base, other))
    changes = [(output[:cut] - reference[:cut]).abs().max() for output, cut in zip(outputs, cuts, strict=True)]
    return _relative(torch.stack(changes).max(), reference)


def causality_fault(model: SignalLLM | SignalClassifier, violation: float, device: torch.device) -> str:
    """What is wrong with a violation of causality, in words; empty where a model does what its config says."""
    if model.config.causal and not violation <= causality_tolerance(device):
        heard = "tokens" if model.config.classes is None else "samples"
        return f"leak: looks at future {heard} (logits change by {violation:.2g} of the largest)"
    if not model.config.causal and not violation > causality_tolerance(device):
        return "causal: false: no output changes with later input, as if the model were causal"
    return ""


@torch.no_grad()
def disagreement_of_forms(model: SignalLLM, length: int, seed: int = 0) -> float:
    """The largest difference between the logits of `step` and of `forward`, relative to the largest logit.

    Of random tokens, `length` of them, in float64 (float32 where the device has no more). Not a number if the logits
    are not. The model's weights are left as they were.
    """
    generator = torch.Generator().manual_seed(seed)
    with _exact(model):
        given = model.example(1, length, generator)
        reference = model(given)
        states, steps = model.start(1), []
        for position in range(length):
            logits, states = model.step(given[:, position], states)
            steps.append(logits)
    return _relative((torch.stack(steps, dim=1) - reference).abs().max(), reference)


def _elsewhere(model: SignalLLM | SignalClassifier, given: Tensor, generator: torch.Generator) -> Tensor:
    """Other random input of the same shape; no token is the same."""
    if given.is_floating_point():
        rows, length = given.shape
        return model.example(rows, length, generator)
    size = model.config.vocab_size
    return (given + torch.randint(1, size, given.shape, generator=generator).to(given.device)) % size


@contextmanager
def _exact(model: SignalLLM | SignalClassifier) -> Iterator[None]:
    """A model in evaluation and in float64, where its device has that; as it was afterwards."""
    parameter = next(model.parameters())
    dtype = parameter.dtype
    if parameter.device.type != "mps":
        model.double()
    try:
        with in_evaluation(model):
            yield
    finally:
        model.to(dtype)


def _relative(change: Tensor, reference: Tensor) -> float:
    return float(change / reference.abs().max().clamp_min(torch.finfo(reference.dtype).tiny))


def causality_tolerance(device: torch.device) -> float:
    """The violation above which a model leaks rather than rounds."""
    return 1e-4 if device.type == "mps" else 1e-9


def forms_tolerance(device: torch.device) -> float:
    """The disagreement above which two forms differ rather than round: they add up in different orders."""
    return 1e-2 if device.type == "mps" else 1e-6
