"""A corpus as memory-mapped tokens, split by document, tokenised once.

A document is a text or a recording. What has been tokenised is kept in a folder of `cache_directory()`. Documents are
held in memory while they are read; tokens are not.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from signal_model.config import CorpusConfig, TokenizerConfig
from signal_model.config.corpus import SPLITS, OnDiskConfig, corpus_in_words
from signal_model.data.content import AnyTokenizer, Content, hash_of, read_content, whole_content
from signal_model.data.tokenizers import ByteTokenizer, Vocabulary, token_dtype, tokenizer_from_json
from signal_model.support.errors import InputError, counted
from signal_model.support.files import expanded, write_json

MOST_LOOKED_AT = 2**26
FORMAT = 1  # of the cache; a change of what is written needs a new number. How text is split is part of the key


@dataclass(frozen=True, eq=False)
class Corpus:
    """Tokens of the three splits: 1-D, memory-mapped, read-only, an end-of-text after every document."""

    name: str
    content_hash: str
    """SHA-256, in hex, of the documents, their split and the tokenizer's settings."""
    tokenizer: Vocabulary
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    classes: tuple[str, ...] = ()
    """What documents are of, in order; none where that is not known."""
    labels: Mapping[str, np.ndarray] = field(default_factory=dict)
    """(documents,) int64 by split: the class of each document, by its place in `classes`."""

    @property
    def sizes(self) -> dict[str, int]:
        """Tokens by split."""
        return {split: len(getattr(self, split)) for split in SPLITS}

    @property
    def words(self) -> str:
        """What it is called and how large it is."""
        return corpus_in_words(self.name, self.sizes)

    def documents(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        """Where each document of a split begins, and its tokens without the end-of-text: two (documents,) int64."""
        ends = np.flatnonzero(getattr(self, split) == self.tokenizer.end_of_text)
        starts = np.concatenate([[0], ends[:-1] + 1])
        return starts, ends - starts

    @property
    def spare(self) -> str:
        """How to have no tokens for bytes that never occur, where these are at least half of all; empty elsewhere, and
        for text that takes long to look through."""
        if not isinstance(self.tokenizer, ByteTokenizer) or max(self.sizes.values()) > MOST_LOOKED_AT:
            return ""
        size = len(set[int]().union(*(np.unique(getattr(self, split)).tolist() for split in SPLITS)))
        if size > self.tokenizer.vocab_size // 2:
            return ""
        return (
            f"{counted(size - 1, 'byte')} of 255 occur in the text; tokenizer: {{kind: bytes, size: {size}}} leaves "
            "out the parameters of the others"
        )


Entry = tuple[AnyTokenizer, dict[str, np.ndarray], tuple[str, ...], dict[str, np.ndarray]]


def cache_directory() -> Path:
    """$SIGNAL_MODEL_CACHE, else $XDG_CACHE_HOME/signal_model, else ~/.cache/signal_model."""
    if own := os.environ.get("SIGNAL_MODEL_CACHE"):
        return expanded(own)
    return expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "signal_model"


def load_corpus(
    corpus: CorpusConfig,
    tokenizer: TokenizerConfig,
    cache: Path | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Corpus:
    """Read the documents, and tokenise them unless that is in `cache` (default: `cache_directory()`) already.

    What takes long it will `say`.

    The cache is keyed by content: a changed file is a new entry. Any number of processes may do this at
    once and be killed at any moment. Raises InputError when the documents, the tokenizer's size for them or the
    cache cannot be used.
    """
    content = read_content(corpus)
    content_hash = _content_hash(content, tokenizer)
    folder = (cache or cache_directory()) / content_hash
    if (found := _open(folder, tokenizer)) is None:
        found = _build(folder, content, tokenizer, say)
    read, splits, classes, labels = found
    return Corpus(content.name, content_hash, read, **splits, classes=classes, labels=labels)


def split_tokens(
    corpus: CorpusConfig, split: str, tokenizer: Vocabulary, settings: TokenizerConfig
) -> tuple[str, str, np.ndarray]:
    """The name of a corpus, its `content_hash` with the tokenizer's settings, and one of its splits in tokens of any
    tokenizer; nothing is kept in the cache.

    Raises InputError when the documents cannot be used, or are not of the tokenizer's kind.
    """
    content = read_content(corpus)
    tokens = np.concatenate([*content.encoded(split, tokenizer)])
    return content.name, _content_hash(content, settings), tokens


def whole_corpus(corpus: OnDiskConfig, tokenizer: Vocabulary, classes: Sequence[str]) -> Corpus:
    """All documents of files as the test split of a corpus that has no other, labelled by these classes.

    Raises InputError when the files cannot be used, are not of the tokenizer's kind, or not of these classes.
    """
    content = whole_content(corpus)
    tokens, labels = np.concatenate([*content.encoded("test", tokenizer)]), content.labels("test")
    if strange := next((label for label in labels if label not in classes), None):
        raise InputError(f"corpus: {strange!r} is none of the model's classes: {', '.join(classes)}")
    if not labels:
        raise InputError("corpus: has no labels; say where they are by `label`, or by {label} in `names`")
    numbers = {"test": np.array([classes.index(label) for label in labels], np.int64)}
    none = tokens[:0]
    return Corpus(content.name, content.digest, tokenizer, none, none, tokens, tuple(classes), numbers)


def whole_tokens(corpus: OnDiskConfig, tokenizer: Vocabulary) -> np.ndarray:
    """All documents of files in tokens, an end-of-text before the first and after each; nothing is split.

    Raises InputError when the files cannot be used, or are not of the tokenizer's kind.
    """
    end = np.array([tokenizer.end_of_text], token_dtype(tokenizer.vocab_size))
    return np.concatenate([end, *whole_content(corpus).encoded("test", tokenizer)])


def _content_hash(content: Content, settings: TokenizerConfig) -> str:
    return hash_of(f"format {FORMAT}", content.digest, settings.model_dump_json(), *content.terms(settings))


def _open(folder: Path, tokenizer: TokenizerConfig) -> Entry | None:
    """The cache entry in `folder`; None where there is none, or a file is missing, damaged or cut short."""
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        counts, classes = meta["tokens"], tuple(map(str, meta.get("classes", ())))
        labels = {name: np.asarray(meta["labels"][name], np.int64) for name in SPLITS} if classes else {}
        text = (folder / "tokenizer.json").read_text(encoding="utf-8")
        found = tokenizer_from_json(text, str(folder))
        dtype = token_dtype(found.vocab_size)
        sizes = {name: (folder / f"{name}.bin").stat().st_size for name in SPLITS}
        expected = {name: counts[name] * dtype.itemsize for name in SPLITS}
        if found.vocab_size != tokenizer.size or sizes != expected:
            return None
        splits: dict[str, np.ndarray] = {name: np.memmap(folder / f"{name}.bin", dtype, mode="r") for name in SPLITS}
        return found, splits, classes, labels
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _build(folder: Path, content: Content, settings: TokenizerConfig, say: Callable[[str], None]) -> Entry:
    """Tokenise, and put the result at `folder` in one step, or use what another process put there first."""
    tokenizer = content.tokenizer(settings, say)
    temporary = folder.with_name(f".{folder.name}.{uuid4().hex}")
    try:
        temporary.mkdir(parents=True)
        counts = {split: _write(temporary / f"{split}.bin", content.encoded(split, tokenizer)) for split in SPLITS}
        (temporary / "tokenizer.json").write_text(tokenizer.to_json(), encoding="utf-8")
        dtype = token_dtype(tokenizer.vocab_size).str
        meta = {"name": content.name, "format": FORMAT, "dtype": dtype, "tokens": counts}
        write_json(temporary / "meta.json", meta | _labels(content))
        return _install(temporary, folder, settings)
    except OSError as error:
        raise InputError(
            f"{folder.parent}: the cache of tokens cannot be written: {error.strerror or error}; "
            "set $SIGNAL_MODEL_CACHE to a folder where it can"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)  # it has mostly become `folder` by now


def _install(temporary: Path, folder: Path, settings: TokenizerConfig) -> Entry:
    """Rename, which is one step and fails where something is; a damaged entry makes way, a good one wins."""
    # Opened before it moves: memory maps stay good whatever other processes then do to the folder.
    built = _open(temporary, settings)
    if built is None:
        raise OSError(errno.EIO, "what was written reads back damaged", str(temporary))
    while True:
        try:
            os.rename(temporary, folder)
            return built
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        if (winner := _open(folder, settings)) is not None:
            return winner
        aside = folder.with_name(f".{folder.name}.{uuid4().hex}")
        try:
            os.rename(folder, aside)
        except FileNotFoundError:
            continue  # another process moved the damaged entry first
        shutil.rmtree(aside)


def _labels(content: Content) -> dict[str, Any]:
    """Classes in their order, numbers by size, and the place of each document's; nothing where none is known."""
    by_split = {split: content.labels(split) for split in SPLITS}
    names = {label for labels in by_split.values() for label in labels}
    numeric = all(name.isdecimal() for name in names)
    classes = sorted(names, key=lambda name: (int(name), name) if numeric else (0, name))
    place = {name: index for index, name in enumerate(classes)}
    labels = {split: [place[label] for label in labels] for split, labels in by_split.items()}
    return {"classes": classes, "labels": labels} if classes else {}


def _write(file: Path, encoded: Iterable[np.ndarray]) -> int:
    """Write tokens; their number."""
    count = 0
    with file.open("wb") as out:
        for tokens in encoded:
            out.write(tokens.tobytes())
            count += len(tokens)
    return count
