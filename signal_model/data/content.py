"""What a corpus is made of before it is tokens: texts, or recordings."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from typing import Any, Protocol

import numpy as np

from signal_model.config import (
    CorpusConfig,
    DatasetCorpusConfig,
    FilesCorpusConfig,
    PythonCorpusConfig,
    TokenizerConfig,
)
from signal_model.config.corpus import SPLITS, LoadedConfig, OnDiskConfig
from signal_model.config.sound import ChirpsCorpusConfig, RecordingsCorpusConfig, RecordingsDatasetConfig
from signal_model.data.mulaw import MuLaw
from signal_model.data.sound import Recordings, sound_splits, whole_sound
from signal_model.data.text import Documents, dataset_splits, files_splits, python_splits, whole_text
from signal_model.data.tokenizers import (
    LONGEST_RUN,
    BPETokenizer,
    ByteTokenizer,
    Vocabulary,
    has_long_runs,
    of_text,
    pieces,
    token_dtype,
)
from signal_model.support.errors import InputError, counted

AnyTokenizer = ByteTokenizer | BPETokenizer | MuLaw


class Content(Protocol):
    """Documents of the three splits."""

    @property
    def name(self) -> str:
        """What a corpus of them is called."""

    @property
    def digest(self) -> str:
        """SHA-256, in hex, of the documents, their labels and their split."""

    def terms(self, settings: TokenizerConfig) -> list[str]:
        """What decides their tokens besides. Raises InputError for a tokenizer that cannot be theirs."""

    def tokenizer(self, settings: TokenizerConfig, say: Callable[[str], None]) -> AnyTokenizer:
        """Their tokenizer, learned from them if it is of that kind."""

    def encoded(self, split: str, tokenizer: Vocabulary) -> Iterator[np.ndarray]:
        """The tokens of a split in pieces, an end-of-text after every document."""

    def labels(self, split: str) -> list[str]:
        """What each document of a split is of; none where that is not known."""


@dataclass(frozen=True)
class Texts:
    """Texts of the three splits."""

    parts: Mapping[str, Documents]
    title: str | None = None

    @property
    def name(self) -> str:
        return self.title or f"files {self.digest[:12]}"

    @cached_property
    def digest(self) -> str:
        return hash_of(*(f"{split} {digest.hex()}" for split in SPLITS for digest in self.parts[split]))

    def terms(self, settings: TokenizerConfig) -> list[str]:
        learns_runs = settings.kind == "bpe" and has_long_runs(self.parts["train"].values())
        return [f"runs of {LONGEST_RUN}"] if learns_runs else []

    def tokenizer(self, settings: TokenizerConfig, say: Callable[[str], None]) -> AnyTokenizer:
        train = self.parts["train"].values()
        if settings.kind == "bpe":
            size = sum(map(len, train))
            say(f"tokenizer of {counted(settings.size, 'token')}: learning from {counted(size, 'character')}")
            return BPETokenizer.train(train, settings.size)
        every = chain.from_iterable(self.parts[split].values() for split in SPLITS)
        return ByteTokenizer() if settings.size == 256 else ByteTokenizer.of(every, settings.size)

    def encoded(self, split: str, tokenizer: Vocabulary) -> Iterator[np.ndarray]:
        """Raises InputError for the tokenizer of a model of sound."""
        return _encoded(self.parts[split], of_text(tokenizer, f"corpus: {self.name} is text, and what is to read it"))

    def labels(self, split: str) -> list[str]:
        return []


@dataclass(frozen=True)
class Sounds:
    """Recordings of the three splits, at one rate."""

    parts: Recordings
    rate: int
    title: str | None = None

    @property
    def name(self) -> str:
        return self.title or f"sounds {self.digest[:12]}"

    @cached_property
    def digest(self) -> str:
        told = (
            f"{split} {one.digest.hex()} {one.label or ''}".strip() for split in SPLITS for one in self.parts[split]
        )
        return hash_of(f"rate {self.rate}", *told)

    def terms(self, settings: TokenizerConfig) -> list[str]:
        if settings != TokenizerConfig():
            raise InputError(
                f"tokenizer: {settings.words}: sound is of 256 μ-law bytes, one for each sample; accepted: bytes"
            )
        return []

    def tokenizer(self, settings: TokenizerConfig, say: Callable[[str], None]) -> AnyTokenizer:
        return MuLaw(self.rate)

    def encoded(self, split: str, tokenizer: Vocabulary) -> Iterator[np.ndarray]:
        """Raises InputError for the tokenizer of a model of text, or of another rate."""
        if not isinstance(tokenizer, MuLaw):
            raise InputError(f"corpus: {self.name} is sound, and the model is one of text")
        if tokenizer.rate != self.rate:
            raise InputError(f"corpus.rate: the model is of {tokenizer.rate:,} samples per second, not {self.rate:,}")
        end = np.array([tokenizer.end_of_text], np.uint8)
        return (np.concatenate([one.tokens, end]) for one in self.parts[split])

    def labels(self, split: str) -> list[str]:
        return [one.label for one in self.parts[split] if one.label is not None]


def read_content(corpus: CorpusConfig) -> Content:
    """The documents that a corpus names. Raises InputError where they cannot be used."""
    if isinstance(corpus, PythonCorpusConfig):
        return Texts(python_splits(), f"python {platform.python_version()}")
    if isinstance(corpus, FilesCorpusConfig):
        return Texts(files_splits(corpus))
    if isinstance(corpus, DatasetCorpusConfig):
        return Texts(dataset_splits(corpus), corpus.name)
    if isinstance(corpus, ChirpsCorpusConfig | RecordingsCorpusConfig | RecordingsDatasetConfig):
        title = corpus.name if isinstance(corpus, LoadedConfig) else "chirps" if corpus.built_in else None
        return Sounds(sound_splits(corpus), corpus.rate, title)
    raise TypeError(f"{type(corpus).__name__} is no corpus that can be loaded")


def whole_content(corpus: OnDiskConfig) -> Content:
    """Every document that files hold, as one split, `test`. Raises InputError where they cannot be used."""
    none: dict[str, Any] = {split: {} for split in SPLITS}
    if isinstance(corpus, FilesCorpusConfig):
        return Texts(none | {"test": whole_text(corpus)})
    assert isinstance(corpus, RecordingsCorpusConfig)
    return Sounds(none | {"test": whole_sound(corpus)}, corpus.rate)


def _encoded(texts: Documents, tokenizer: ByteTokenizer | BPETokenizer) -> Iterator[np.ndarray]:
    """The tokens of texts in pieces, an end-of-text after each text."""
    end = np.array([tokenizer.end_of_text], token_dtype(tokenizer.vocab_size))
    pending = pieces(texts.values())
    while batch := list(islice(pending, 256)):
        encoded = tokenizer.encode_batch([piece for piece, _ in batch])
        for tokens, (_, is_last) in zip(encoded, batch, strict=True):
            yield np.concatenate([tokens, end]) if is_last else tokens


def hash_of(*lines: str) -> str:
    """SHA-256 of lines, in hex."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
