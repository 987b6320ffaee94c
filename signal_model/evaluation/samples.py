"""Scores of text with their standard errors: which tokens are predicted, from how long a past, and in which document.

Tokens of one document are alike, so a score is as sure as it has documents, not tokens: standard errors are of
clusters (Miller 2024, arXiv 2411.00640, sections 2.2 and 4.2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import t as student_t
from torch import nn
from torch.nn import functional as F

from signal_model.evaluation.scores import LN2, TextScore, predictions
from signal_model.support.errors import InputError, counted


@dataclass(frozen=True)
class Windows:
    """Windows of equal length: tokens (N, L + 1), int64, of which the last `clusters.shape[1]` are predicted.

    `clusters` (N, P) says which document, or where there is but one which window, each predicted token belongs to.
    """

    tokens: np.ndarray
    clusters: np.ndarray


@dataclass(frozen=True)
class Sample:
    """What a model is asked of a text, and the first and last predicted token of each window, (N, 2)."""

    windows: tuple[Windows, ...]
    spans: np.ndarray
    clustered_by: str
    """`document` or `window`."""


def sample_of(tokens: np.ndarray, context: int, stride: int, limit: int | None, end_of_text: int) -> Sample:
    """Every token but the first predicted once, or at most about `limit` of them, evenly spread.

    A window predicts its last `stride` tokens from up to `context` before each: with a stride as long as the context,
    each from the beginning of its window; with a short one, nearly all from a full context. Which tokens are predicted
    depends on stride and limit alone, so models of different contexts are asked the same.

    Raises InputError for a stride beyond the context, and for a text that is shorter than one stride.
    """
    if not 1 <= stride <= context:
        raise InputError(f"stride: a window of {context:,} tokens predicts 1 to {context:,} of them, got {stride:,}")
    predicted = len(tokens) - 1
    full = predicted // stride
    if limit is not None and full < 1:
        raise InputError(
            f"corpus: a split of {counted(len(tokens), 'token')} is shorter than one window of {stride + 1}"
        )
    count = full if limit is None else max(1, min(full, limit // stride))
    begins = 1 + np.arange(count) * full // max(1, count) * stride
    spans = np.stack([begins, begins + stride - 1], axis=1)
    if limit is None and full * stride < predicted:
        spans = np.concatenate([spans, [[1 + full * stride, predicted]]])
    ends = np.flatnonzero(np.asarray(tokens) == end_of_text)
    documents = np.searchsorted(ends, spans)
    by_document = len(np.unique(documents)) > 1
    asked_of = spans[:, 1] - spans[:, 0] + 1
    lengths = asked_of + np.minimum(context - stride, spans[:, 0] - 1)
    kinds, which = np.unique(np.stack([lengths, asked_of], axis=1), axis=0, return_inverse=True)
    windows = []
    for kind, (length, asked) in enumerate(kinds):
        (rows,) = np.nonzero(which == kind)
        places = spans[rows, 1][:, None] + np.arange(-length, 1)
        given = np.asarray(tokens[places], np.int64)
        last = places[:, -asked:]
        clusters = np.searchsorted(ends, last) if by_document else np.broadcast_to(rows[:, None], last.shape)
        windows.append(Windows(given, clusters))
    return Sample(tuple(windows), spans, "document" if by_document else "window")


@dataclass(frozen=True)
class ClusteredScore:
    """Loss on each cluster of a sample: arrays of one length, in the order of the clusters' numbers."""

    clusters: np.ndarray
    nats: np.ndarray
    bytes: np.ndarray
    tokens: np.ndarray
    correct: np.ndarray
    sum_of_nats: float
    """Of all clusters, added up as a training's score is: to the same digits."""

    @property
    def total(self) -> TextScore:
        """Of all of them."""
        return TextScore(self.sum_of_nats, int(self.tokens.sum()), int(self.bytes.sum()), int(self.correct.sum()))

    @property
    def standard_error(self) -> float:
        """Of the bits per byte, were other documents drawn; not a number for one cluster."""
        return _standard_error(self.nats / LN2 - self.total.bits_per_byte * self.bytes, self.bytes)


@dataclass(frozen=True)
class PairedDifference:
    """Bits per byte of one model less those of another on the same text."""

    difference: float
    standard_error: float
    clusters: int

    @property
    def interval(self) -> tuple[float, float]:
        """Of 95 %, by Student's t over clusters."""
        reach = float(student_t.ppf(0.975, self.clusters - 1)) * self.standard_error if self.clusters > 1 else math.nan
        return self.difference - reach, self.difference + reach


def paired_difference(one: ClusteredScore, other: ClusteredScore) -> PairedDifference:
    """`one` less `other`, paired by cluster: what makes a document hard for both cancels.

    Raises ValueError where they are not scores of the same bytes.
    """
    if not (np.array_equal(one.clusters, other.clusters) and np.array_equal(one.bytes, other.bytes)):
        raise ValueError("scores of different text cannot be paired")
    difference = one.total.bits_per_byte - other.total.bits_per_byte
    error = _standard_error((one.nats - other.nats) / LN2 - difference * one.bytes, one.bytes)
    return PairedDifference(difference, error, len(one.clusters))


def _standard_error(residuals: np.ndarray, weights: np.ndarray) -> float:
    """Of a ratio of sums over clusters, by what each contributes beyond the ratio (Cochran 1977, section 2.11)."""
    count = len(residuals)
    if count < 2:
        return math.nan
    return math.sqrt(count / (count - 1) * float((residuals**2).sum())) / float(weights.sum())


@torch.no_grad()
def score_sample(model: nn.Module, sample: Sample, byte_lengths: np.ndarray, device: torch.device) -> ClusteredScore:
    """Loss of `model` on what a sample asks; `byte_lengths` (V,) says how many bytes of text each token stands for."""
    numbers, nats, lengths, right, added = [], [], [], [], 0.0
    for windows in sample.windows:
        asked = windows.clusters.shape[1]
        numbers.append(windows.clusters.ravel())
        lengths.append(byte_lengths[windows.tokens[:, -asked:]].ravel())
        for logits, targets in predictions(model, windows.tokens, byte_lengths.size, device):
            logits, targets = logits[:, -asked:].flatten(0, 1), targets[:, -asked:].flatten()
            nats.append(F.cross_entropy(logits, targets, reduction="none").cpu().numpy())
            added += F.cross_entropy(logits, targets, reduction="sum").item()
            right.append((logits.argmax(-1) == targets).cpu().numpy())
    clusters, which = np.unique(np.concatenate(numbers), return_inverse=True)

    def summed(values: Sequence[np.ndarray]) -> np.ndarray:
        return np.bincount(which, np.concatenate(values).astype(np.float64), len(clusters))

    tokens = np.bincount(which, minlength=len(clusters))
    return ClusteredScore(clusters, summed(nats), summed(lengths), tokens, summed(right), added)
