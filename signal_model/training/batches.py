"""What each step of a training reads: windows of text, or labelled recordings; the seed fixes all of them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from signal_model.data.corpus import Corpus
from signal_model.data.mulaw import mulaw_decode
from signal_model.support.errors import InputError, counted

Batch = tuple[np.ndarray, ...]
"""Arrays with a row for each example."""


class Batches(ABC):
    """Endless batches, drawn one by one from a seed."""

    def __init__(self, batch_size: int, seed: int) -> None:
        self.batch_size = batch_size
        self.generator = np.random.default_rng(np.random.SeedSequence(seed))

    @abstractmethod
    def next(self) -> Batch:
        """The next batch."""

    def state_dict(self) -> dict[str, Any]:
        """All that decides what comes next, as JSON can hold it."""
        return dict(self.generator.bit_generator.state)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where the batches that gave `state` were."""
        self.generator.bit_generator.state = state

    @abstractmethod
    def _drawn(self) -> np.ndarray:
        """The examples of the next batch, by number."""


class InEpochs(Batches):
    """Batches in epochs: each example once, in random order, before any again. An epoch that ends within a batch is
    followed by the next. Subclasses shuffle once they are complete."""

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self._began, "taken": self._taken, "now": super().state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state["epoch"])
        self._shuffle()
        self._taken = state["taken"]
        if "now" in state:  # an earlier version drew nothing between two epochs, and did not keep it
            super().load_state_dict(state["now"])

    def _drawn(self) -> np.ndarray:
        taken: list[np.ndarray] = []
        while (missing := self.batch_size - sum(map(len, taken))) > 0:
            if self._taken == len(self._epoch):
                self._shuffle()
            taken.append(self._epoch[self._taken : self._taken + missing])
            self._taken += len(taken[-1])
        return np.concatenate(taken)

    def _shuffle(self) -> None:
        self._began, self._taken = super().state_dict(), 0
        self._epoch = self._order()

    @abstractmethod
    def _order(self) -> np.ndarray:
        """All examples of an epoch."""


class Windows(Batches):
    """Batches (batch_size, context + 1), int64, of windows that start anywhere."""

    def __init__(self, tokens: np.ndarray, context: int, batch_size: int, seed: int) -> None:
        if len(tokens) <= context:
            raise InputError(
                f"corpus: the training split of {counted(len(tokens), 'token')} is shorter than "
                f"one window of context + 1 = {context + 1}"
            )
        super().__init__(batch_size, seed)
        self.tokens, self.offsets = tokens, np.arange(context + 1)

    def next(self) -> Batch:
        return (np.asarray(self.tokens[self._drawn()[:, None] + self.offsets], dtype=np.int64),)

    def _drawn(self) -> np.ndarray:
        return self.generator.integers(0, len(self.tokens) - len(self.offsets) + 1, self.batch_size)


class Epochs(InEpochs, Windows):
    """The same windows in epochs: each cuts the text into windows side by side, from a new place on.

    So every token but a few at either end is a target once before any is again.
    """

    def __init__(self, tokens: np.ndarray, context: int, batch_size: int, seed: int) -> None:
        super().__init__(tokens, context, batch_size, seed)
        self._shuffle()

    def _order(self) -> np.ndarray:
        context = len(self.offsets) - 1
        first = int(self.generator.integers(0, min(context, len(self.tokens) - context)))
        count = (len(self.tokens) - 1 - first) // context
        return self.generator.permutation(count) * context + first


@dataclass(frozen=True)
class Varied:
    """How recordings are varied as they are drawn: by speed (Ko et al. 2015) and by noise.

    A recording is played by a factor drawn evenly in its logarithm, up to 1 + `speed` either way; pitch and all
    resonances move with it. To it comes white noise, whose root mean square is drawn likewise, from a hundredth of
    `noise` up.
    """

    speed: float = 0.0
    noise: float = 0.0

    def speeds(self, count: int, generator: np.random.Generator | None) -> np.ndarray:
        """Factors of so many recordings, (count, 1); unvaried ones draw nothing, and keep places whole numbers."""
        if generator is None or not self.speed:
            return np.ones((count, 1), np.int64)
        found: np.ndarray = np.exp(generator.uniform(-1, 1, (count, 1)) * math.log1p(self.speed))
        return found

    def noisy(self, samples: np.ndarray, generator: np.random.Generator | None) -> np.ndarray:
        """The samples of each row in noise, (B, T) float32."""
        if generator is None or not self.noise:
            return samples
        loudness = self.noise * np.exp(generator.uniform(math.log(0.01), 0, (len(samples), 1))).astype(np.float32)
        found: np.ndarray = samples + loudness * generator.standard_normal(samples.shape, np.float32)
        return found


class Sounds:
    """The labelled recordings of one split, of which at most `context` samples are heard at once."""

    def __init__(self, corpus: Corpus, split: str, context: int) -> None:
        self.tokens: np.ndarray = getattr(corpus, split)
        self.labels = np.asarray(corpus.labels[split], np.int64)
        self.starts, self.lengths = corpus.documents(split)
        self.context = context

    def __len__(self) -> int:
        return len(self.labels)

    def heard(
        self, numbers: np.ndarray, generator: np.random.Generator | None = None, varied: Varied = Varied()
    ) -> Batch:
        """Recordings by number: samples (B, T) float32, 0 behind an end; lengths (B,) and labels (B,) int64.

        T is the longest of them, or the context. Of longer ones the middle is heard, or with a generator some place,
        `varied`. What is played faster or slower is interpolated between samples.
        """
        speeds = varied.speeds(len(numbers), generator)
        last = self.lengths[numbers] - 1
        lengths = np.minimum((last / speeds[:, 0]).astype(np.int64) + 1, self.context)
        spare = np.maximum(last - np.ceil((lengths - 1) * speeds[:, 0]).astype(np.int64), 0)
        first = spare // 2 if generator is None else generator.integers(0, spare + 1)
        offsets = np.arange(lengths.max())
        inside = offsets < lengths[:, None]
        places = np.minimum(first[:, None] + offsets * speeds, last[:, None])
        samples = self._at(numbers, places.astype(np.int64, copy=False))
        if varied.speed:
            following = self._at(numbers, np.ceil(places).astype(np.int64))
            samples += (places % 1).astype(np.float32) * (following - samples)
        samples = varied.noisy(samples, generator)
        return np.where(inside, samples, np.float32(0)), lengths, self.labels[numbers]

    def _at(self, numbers: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Samples of recordings, each counted from its own start, (B, T)."""
        return mulaw_decode(np.asarray(self.tokens[self.starts[numbers, None] + places]))


class Recordings(Batches):
    """Batches of labelled recordings, each drawn at random; see `Sounds.heard`."""

    def __init__(self, sounds: Sounds, batch_size: int, seed: int, varied: Varied = Varied()) -> None:
        super().__init__(batch_size, seed)
        self.sounds, self.varied = sounds, varied

    def next(self) -> Batch:
        return self.sounds.heard(self._drawn(), self.generator, self.varied)

    def _drawn(self) -> np.ndarray:
        return self.generator.integers(0, len(self.sounds), self.batch_size)


class RecordingEpochs(InEpochs, Recordings):
    """The same in epochs: each recording once before any again."""

    def __init__(self, sounds: Sounds, batch_size: int, seed: int, varied: Varied = Varied()) -> None:
        super().__init__(sounds, batch_size, seed, varied)
        self._shuffle()

    def _order(self) -> np.ndarray:
        return self.generator.permutation(len(self.sounds))
