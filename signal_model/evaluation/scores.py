"""How well a model predicts text, or tells sounds apart, that it was not trained on."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from signal_model.config.task import CONFUSED
from signal_model.support.errors import InputError, counted
from signal_model.support.modes import in_evaluation

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

    @property
    def metrics(self) -> dict[str, float]:
        """What is searched by."""
        return {"bits_per_byte": self.bits_per_byte}

    def details(self, classes: Sequence[str]) -> dict[str, float]:
        """What is to be seen of it besides, by name: nothing."""
        return {}

    @property
    def figures(self) -> dict[str, Any]:
        """What is kept beside a model."""
        return self.metrics | {"nats_per_token": self.nats_per_token, "accuracy": self.accuracy}


@dataclass(frozen=True)
class LabelScore:
    """Loss over a number of labelled recordings."""

    nats: float
    confusion: np.ndarray
    """(classes, classes) int64: recordings of each class, by row, and what the model took them for, by column."""

    @property
    def count(self) -> int:
        """Recordings that were told apart."""
        return int(self.confusion.sum())

    @property
    def bits_per_label(self) -> float:
        """The cross-entropy that training minimises, in bits."""
        return self.nats / LN2 / self.count

    @property
    def error_rate(self) -> float:
        """Share of recordings that the model took for another class."""
        return 1 - float(np.trace(self.confusion)) / self.count

    @property
    def metrics(self) -> dict[str, float]:
        """What is searched by."""
        return {"bits_per_label": self.bits_per_label, "error_rate": self.error_rate}

    @property
    def figures(self) -> dict[str, Any]:
        """What is kept beside a model."""
        return self.metrics | {"accuracy": 1 - self.error_rate, "confusion": self.confusion.tolist()}

    def details(self, classes: Sequence[str]) -> dict[str, float]:
        """What is to be seen of it besides, by name: its confusions that are there."""
        pairs = zip(*np.nonzero(self.confusion), strict=True)
        return {
            CONFUSED + json.dumps([classes[one], classes[other]], ensure_ascii=False): float(self.confusion[one, other])
            for one, other in pairs
        }


Score = TextScore | LabelScore


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


@torch.no_grad()
def score_text(model: nn.Module, windows: np.ndarray, byte_lengths: np.ndarray, device: torch.device) -> TextScore:
    """Loss of `model` on windows (N, T + 1): each token predicted from those before it in its window.

    `byte_lengths` (V,) says how many bytes of text each token stands for.
    """
    nats, correct = 0.0, 0
    for logits, targets in predictions(model, windows, byte_lengths.size, device):
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
    for logits, targets in predictions(model, windows, vocab_size, device):
        total += F.cross_entropy(logits.transpose(1, 2), targets, reduction="none").sum(0)
    result: np.ndarray = total.cpu().numpy() / len(windows)
    return result


def predictions(
    model: nn.Module, windows: np.ndarray, vocab_size: int, device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """Logits (B, T, V), at least in float32, and the tokens (B, T) that came, batch by batch."""
    batch_size = max(1, min(MOST_WINDOWS, MOST_LOGITS // ((windows.shape[1] - 1) * vocab_size)))
    with in_evaluation(model):
        for start in range(0, len(windows), batch_size):
            batch = torch.from_numpy(windows[start : start + batch_size]).to(device)
            yield model(batch[:, :-1]).float(), batch[:, 1:]


@torch.no_grad()
def score_labels(
    model: nn.Module, batches: Iterable[tuple[np.ndarray, ...]], classes: int, device: torch.device
) -> LabelScore:
    """Loss of a classifier on batches of samples (B, T), lengths (B,) and labels (B,)."""
    nats, confusion = 0.0, np.zeros((classes, classes), np.int64)
    with in_evaluation(model):
        for batch in batches:
            samples, lengths, labels = (torch.from_numpy(part).to(device) for part in batch)
            logits = model(samples, lengths).float()
            nats += F.cross_entropy(logits, labels, reduction="sum").item()
            np.add.at(confusion, (batch[2], logits.argmax(-1).cpu().numpy()), 1)
    return LabelScore(nats, confusion)


def confusion_table(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> list[str]:
    """Recordings of each class, a line each, and what the model took them for, in lines."""
    columns = [["", *classes], *([name, *map(str, row)] for name, row in zip(classes, confusion, strict=True))]
    width = [max(len(row[place]) for row in columns) for place in range(len(columns[0]))]
    lines = ("  ".join(cell.rjust(width[place]) for place, cell in enumerate(row)) for row in columns)
    return ["rows: what it is; columns: what it was taken for", *lines]
