"""The mode of a model while something is asked of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def in_evaluation(model: nn.Module) -> Iterator[None]:
    """A model in evaluation, whatever it was in; in that again afterwards."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
