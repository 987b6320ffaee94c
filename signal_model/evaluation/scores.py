"""How well a model predicts text it was not trained on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from signal_model.support.errors import InputError, counted

LN2 = math.log(2)
# Of one batch. Logits of a large vocabulary over a long context are far larger than all else that a score needs.
MOST_WINDOWS, MOST_LOGITS = 32, 2**26


@dataclass(frozen=True)
class TextScore:
    """Loss over a number of windows of text."""

    nats: float = 0.0
    tokens: int = 0
    bytes: int = 0
    correct: int = 0
    """Tokens that the model held likeliest."""

    def __add__(self, other: TextScore) -> TextScore:
        """Of the windows of both."""
        return TextScore(
            self.nats + other.nats, self.tokens + other.tokens, self.bytes + other.bytes, self.correct + other.correct
        )

    @property
    def bits_per_byte(self) -> float:
        """Comparable between tokenizers: total nats / ln 2 / bytes of text predicted."""
        return self.nats / LN2 / self.bytes

    @property
    def nats_per_token(self) -> float:
        """The cross-entropy that training minimises."""
        return self.nats / self.tokens

    @property
    def perplexity(self) -> float:
        """e to the nats per token; comparable between models of the same tokenizer only."""
        return math.exp(self.nats_per_token) if self.nats_per_token < 700 else math.inf

    @property
    def accuracy(self) -> float:
        """Share of tokens that the model held likeliest."""
        return self.correct / self.tokens


def fixed_windows(tokens: np.ndarray, context: int, limit: int) -> np.ndarray:
    """Windows of context + 1 tokens, (N, context + 1), int64: at most limit / context (but at least
    one), evenly spread, their predicted tokens never overlapping; the same for the same split.

    Raises InputError if the split is shorter than one window.
    """
    available = (len(tokens) - 1) // context
    if available < 1:
        raise InputError(
            f"corpus: a split of {counted(len(tokens), 'token')} is shorter than one window of context + 1 = "
            f"{context + 1}"
        )
    count = max(1, min(available, limit // context))
    starts = np.arange(count) * available // count * context
    return np.asarray(tokens[starts[:, None] + np.arange(context + 1)], dtype=np.int64)


def whole_windows(tokens: np.ndarray, context: int) -> list[np.ndarray]:
    """Windows that predict every token but the first once: as many of context + 1 as there are, and one of the rest."""
    full = (len(tokens) - 1) // context
    starts = np.arange(full) * context
    windows = [np.asarray(tokens[starts[:, None] + np.arange(context + 1)], np.int64)] if full else []
    rest = np.asarray(tokens[full * context :], np.int64)
    return [*windows, rest[None]] if len(rest) > 1 else windows


@torch.no_grad()
def score_text(model: nn.Module, windows: np.ndarray, byte_lengths: np.ndarray, device: torch.device) -> TextScore:
    """Loss of `model` on windows (N, T + 1): each token predicted from those before it in its window.

    `byte_lengths` (V,) says how many bytes of text each token stands for.
    """
    nats, correct = 0.0, 0
    for logits, targets in _predictions(model, windows, byte_lengths.size, device):
        nats += F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum").item()
        correct += int((logits.argmax(-1) == targets).sum())
    predicted = windows[:, 1:]
    return TextScore(nats, predicted.size, int(byte_lengths[predicted].sum()), correct)


@torch.no_grad()
def loss_by_position(model: nn.Module, windows: np.ndarray, vocab_size: int, device: torch.device) -> np.ndarray:
    """Mean nats of the token at each position of windows (N, T + 1), (T,): what a longer past is worth.

    A model that makes use of its past has a curve that falls; one that does not hold beyond the
    length it was trained on has one that rises there.
    """
    total = torch.zeros(windows.shape[1] - 1, device=device)
    for logits, targets in _predictions(model, windows, vocab_size, device):
        total += F.cross_entropy(logits.transpose(1, 2), targets, reduction="none").sum(0)
    result: np.ndarray = total.cpu().numpy() / len(windows)
    return result


def _predictions(
    model: nn.Module, windows: np.ndarray, vocab_size: int, device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """Logits (B, T, V), at least in float32, and the tokens (B, T) that came, batch by batch."""
    batch_size = max(1, min(MOST_WINDOWS, MOST_LOGITS // ((windows.shape[1] - 1) * vocab_size)))
    training = model.training
    model.eval()
    try:
        for start in range(0, len(windows), batch_size):
            batch = torch.from_numpy(windows[start : start + batch_size]).to(device)
            yield model(batch[:, :-1]).float(), batch[:, 1:]
    finally:
        model.train(training)
