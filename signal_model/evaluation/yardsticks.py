"""What any model has to beat: scores of those that only count tokens, and of programs that compress files."""

from __future__ import annotations

import lzma
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from signal_model.data.corpus import Corpus

# Tokens of the longest n-gram. Counted are at most so many tokens of training text: a second's work.
LONGEST, MOST_COUNTED = 6, 2**20
# Bytes of training text that a compressor has seen before; zlib looks back no further.
ZLIB_PAST, LZMA_PAST = 2**15, 2**18
# A model within this share of the unigram has learned which tokens are frequent, and no more.
LEARNED = 0.99

Yardsticks = Mapping[str, float]
"""Bits per byte by name: unigram, bigram, 6-gram, zlib, lzma; of classifiers, error rates."""


@dataclass(frozen=True)
class _Grams:
    """All n-grams of one length that a text has: sorted keys (context · V + token), and how often each came.

    By context: how many tokens followed, and how many different ones.
    """

    keys: np.ndarray
    counts: np.ndarray
    totals: np.ndarray
    kinds: np.ndarray

    def find(self, keys: np.ndarray) -> np.ndarray:
        """Numbers of n-grams, -1 where the text has none."""
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[places] == keys, places, -1)


class NGrams:
    """Counts of n-grams up to a length, interpolated with those of shorter ones.

    P(x | h) = (c(hx) + d(h) · P(x | h')) / (c(h) + d(h)), with d(h) the number of different tokens that followed h and
    h' the history without its first token; below the unigram all V tokens are alike (Witten & Bell 1991, method C).
    """

    def __init__(self, tokens: np.ndarray, vocab_size: int, longest: int = LONGEST) -> None:
        self._vocab_size = vocab_size
        self._levels: list[_Grams] = []
        tokens = np.asarray(tokens, np.int64)
        contexts, known = np.zeros(len(tokens), np.int64), 1
        for _ in range(min(longest, len(tokens))):
            keys, numbers, counts = np.unique(contexts * vocab_size + tokens, return_inverse=True, return_counts=True)
            of = keys // vocab_size
            totals = np.bincount(of, counts, known).astype(np.int64)
            self._levels.append(_Grams(keys, counts, totals, np.bincount(of, minlength=known)))
            # What stands before a token is the n-gram that ends before it.
            contexts, tokens, known = numbers[:-1], tokens[1:], len(keys)

    def probabilities(self, windows: np.ndarray) -> list[np.ndarray]:
        """Of each token of windows (N, T + 1) but the first, (N, T), from those before it in its window: by length."""
        windows = np.asarray(windows, np.int64)
        probability = np.full((len(windows), windows.shape[1] - 1), 1 / self._vocab_size)
        contexts = np.zeros_like(windows)
        found = []
        for grams in self._levels:
            numbers = np.where(contexts < 0, -1, grams.find(contexts * self._vocab_size + windows))
            count = np.where(numbers < 0, 0, grams.counts[numbers])[:, 1:]
            totals, kinds = (np.where(contexts < 0, 0, one[contexts])[:, 1:] for one in (grams.totals, grams.kinds))
            probability = np.where(totals, (count + kinds * probability) / np.maximum(1, totals + kinds), probability)
            found.append(probability)
            contexts = np.concatenate([np.full((len(windows), 1), -1), numbers[:, :-1]], axis=1)
        return found


def yardsticks(corpus: Corpus, context: int, validation_tokens: int) -> dict[str, float]:
    """Scores on the windows of the validation split that models are scored on, from training text alone."""
    from signal_model.evaluation.scores import fixed_windows  # torch is not needed to tell of scores that are known

    windows = fixed_windows(corpus.validation, context, validation_tokens)
    tokenizer = corpus.tokenizer
    size = int(tokenizer.byte_lengths[windows[:, 1:]].sum())
    by_length = NGrams(corpus.train[:MOST_COUNTED], tokenizer.vocab_size).probabilities(windows)
    names = ["unigram", "bigram", *(f"{length}-gram" for length in range(3, len(by_length) + 1))]
    scores = {name: -float(np.log2(p).sum()) / size for name, p in zip(names, by_length, strict=False)}
    told = {name: scores[name] for name in dict.fromkeys([*names[:2], names[-1]]) if name in scores}
    text = tokenizer.to_bytes(windows[:, 1:].ravel().tolist())
    past = tokenizer.to_bytes(corpus.train[-LZMA_PAST:].tolist())[-LZMA_PAST:]
    return told | {"zlib": 8 * _by_zlib(text, past) / size, "lzma": 8 * _by_lzma(text, past) / size}


def most_frequent_label(corpus: Corpus) -> dict[str, float]:
    """The error rate on the validation split of who always says the most frequent label of the training split."""
    most = np.bincount(corpus.labels["train"], minlength=len(corpus.classes)).argmax()
    return {"most frequent label": float(np.mean(corpus.labels["validation"] != most))}


def _by_zlib(text: bytes, past: bytes) -> int:
    packer = zlib.compressobj(9, zdict=past[-ZLIB_PAST:])
    return len(packer.compress(text) + packer.flush())


def _by_lzma(text: bytes, past: bytes) -> int:
    return len(lzma.compress(past + text)) - len(lzma.compress(past))


def listed(scores: Yardsticks) -> str:
    """`unigram 4.9321, bigram 3.6124, …`"""
    return ", ".join(f"{name} {score:.4f}" for name, score in scores.items())


def judged(score: float, scores: Yardsticks) -> str:
    """What a loss, in bits per byte, is worth beside them, in words; empty where none is known."""
    if not scores or math.isnan(score):
        return ""
    unigram = scores.get("unigram", math.inf)
    if score >= LEARNED * unigram:
        how = "no" if score >= unigram else "hardly"
        return f"{how} better than knowing how frequent each token is (unigram {unigram:.4f}): nothing was learned"
    unbeaten = {name: other for name, other in scores.items() if score >= other}
    if unbeaten:
        return f"not as good as {listed(unbeaten)}, which need{'s' if len(unbeaten) == 1 else ''} no model"
    return f"better than what needs no model ({listed(scores)})"
