"""A corpus as memory-mapped tokens, split by document, tokenised once.

What has been tokenised is kept in a folder of `cache_directory()`. The text itself is held in memory
while it is read; tokens are not.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from uuid import uuid4

import numpy as np

from signal_model.config import (
    CorpusConfig,
    DatasetCorpusConfig,
    FilesCorpusConfig,
    PythonCorpusConfig,
    TokenizerConfig,
)
from signal_model.config.text import corpus_in_words
from signal_model.data.text import (
    SPLITS,
    Documents,
    dataset_name,
    dataset_splits,
    files_splits,
    python_splits,
    whole_text,
)
from signal_model.data.tokenizers import (
    LONGEST_RUN,
    BPETokenizer,
    ByteTokenizer,
    Tokenizer,
    has_long_runs,
    pieces,
    token_dtype,
    tokenizer_from_json,
)
from signal_model.support.errors import InputError, counted
from signal_model.support.files import expanded, write_json

MOST_LOOKED_AT = 2**26
FORMAT = 1  # of the cache; a change of what is written, or of how text is split, needs a new number


@dataclass(frozen=True, eq=False)
class Corpus:
    """Tokens of the three splits: 1-D, memory-mapped, read-only, an end-of-text after every document."""

    name: str
    content_hash: str
    """SHA-256, in hex, of the documents, their split and the tokenizer's settings."""
    tokenizer: Tokenizer
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    @property
    def sizes(self) -> dict[str, int]:
        """Tokens by split."""
        return {split: len(getattr(self, split)) for split in SPLITS}

    @property
    def words(self) -> str:
        """What it is called and how large it is."""
        return corpus_in_words(self.name, self.sizes)

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


Entry = tuple[ByteTokenizer | BPETokenizer, dict[str, np.ndarray]]


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
    """Read the text, and tokenise it unless that is in `cache` (default: `cache_directory()`) already.

    What takes long it will `say`.

    The cache is keyed by content: a changed file is a new entry. Any number of processes may do this at
    once and be killed at any moment. Raises InputError when the text, the tokenizer's size for it or the
    cache cannot be used.
    """
    name, parts = _read(corpus)
    learned = [f"runs of {LONGEST_RUN}"] if tokenizer.kind == "bpe" and has_long_runs(parts["train"].values()) else []
    content_hash = _hash(f"format {FORMAT}", _text_hash(parts), tokenizer.model_dump_json(), *learned)
    folder = (cache or cache_directory()) / content_hash
    if (found := _open(folder, tokenizer)) is None:
        size = sum(map(len, parts["train"].values()))
        if tokenizer.kind == "bpe":
            say(f"tokenizer of {counted(tokenizer.size, 'token')}: learning from {counted(size, 'character')}")
        found = _build(folder, parts, tokenizer, name)
    read, splits = found
    return Corpus(name, content_hash, read, **splits)


def split_tokens(corpus: CorpusConfig, split: str, tokenizer: Tokenizer) -> tuple[str, np.ndarray]:
    """The name of a corpus and one of its splits in tokens of any tokenizer; nothing is kept in the cache.

    Raises InputError when the text cannot be used.
    """
    name, parts = _read(corpus)
    return name, _joined(parts[split].values(), tokenizer)


def whole_tokens(corpus: FilesCorpusConfig, tokenizer: Tokenizer) -> np.ndarray:
    """All text of files in tokens, an end-of-text before the first document and after each; nothing is split.

    Raises InputError when the files cannot be used.
    """
    end = np.array([tokenizer.end_of_text], token_dtype(tokenizer.vocab_size))
    return np.concatenate([end, _joined(whole_text(corpus).values(), tokenizer)])


def _joined(texts: Iterable[str], tokenizer: Tokenizer) -> np.ndarray:
    end = np.array([tokenizer.end_of_text], token_dtype(tokenizer.vocab_size))
    return np.concatenate([part for text in texts for part in (tokenizer.encode(text), end)])


def _read(corpus: CorpusConfig) -> tuple[str, dict[str, Documents]]:
    """The name of a corpus, and the documents of its splits."""
    if isinstance(corpus, PythonCorpusConfig):
        return f"python {platform.python_version()}", python_splits()
    if isinstance(corpus, FilesCorpusConfig):
        parts = files_splits(corpus)
        return f"files {_text_hash(parts)[:12]}", parts
    if isinstance(corpus, DatasetCorpusConfig):
        return dataset_name(corpus), dataset_splits(corpus)
    raise TypeError(f"{type(corpus).__name__} is no corpus that can be loaded")


def _text_hash(parts: dict[str, Documents]) -> str:
    return _hash(*(f"{split} {digest.hex()}" for split in SPLITS for digest in parts[split]))


def _hash(*lines: str) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _open(folder: Path, tokenizer: TokenizerConfig) -> Entry | None:
    """The cache entry in `folder`; None where there is none, or a file is missing, damaged or cut short."""
    try:
        counts = json.loads((folder / "meta.json").read_text(encoding="utf-8"))["tokens"]
        text = (folder / "tokenizer.json").read_text(encoding="utf-8")
        found = tokenizer_from_json(text, str(folder))
        dtype = token_dtype(found.vocab_size)
        sizes = {name: (folder / f"{name}.bin").stat().st_size for name in SPLITS}
        expected = {name: counts[name] * dtype.itemsize for name in SPLITS}
        if found.vocab_size != tokenizer.size or sizes != expected:
            return None
        return found, {name: np.memmap(folder / f"{name}.bin", dtype, mode="r") for name in SPLITS}
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _build(folder: Path, parts: dict[str, Documents], settings: TokenizerConfig, name: str) -> Entry:
    """Tokenise, and put the result at `folder` in one step, or use what another process put there first."""
    train = parts["train"].values()
    tokenizer: ByteTokenizer | BPETokenizer
    if settings.kind == "bpe":
        tokenizer = BPETokenizer.train(train, settings.size)
    else:
        every = chain.from_iterable(parts[split].values() for split in SPLITS)
        tokenizer = ByteTokenizer() if settings.size == 256 else ByteTokenizer.of(every, settings.size)
    temporary = folder.with_name(f".{folder.name}.{uuid4().hex}")
    try:
        temporary.mkdir(parents=True)
        counts = {split: _write(temporary / f"{split}.bin", parts[split].values(), tokenizer) for split in SPLITS}
        (temporary / "tokenizer.json").write_text(tokenizer.to_json(), encoding="utf-8")
        dtype = token_dtype(tokenizer.vocab_size).str
        meta = {"name": name, "format": FORMAT, "dtype": dtype, "tokens": counts}
        write_json(temporary / "meta.json", meta)
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


def _write(file: Path, texts: Iterable[str], tokenizer: ByteTokenizer | BPETokenizer) -> int:
    """Write the tokens of all texts, each followed by end-of-text; their number."""
    end = np.array([tokenizer.end_of_text], token_dtype(tokenizer.vocab_size))
    count = 0
    with file.open("wb") as out:
        pending = pieces(texts)
        while batch := list(islice(pending, 256)):
            encoded = tokenizer.encode_batch([piece for piece, _ in batch])
            for tokens, (_, is_last) in zip(encoded, batch, strict=True):
                out.write(tokens.tobytes() + end.tobytes() * is_last)
                count += len(tokens) + is_last
    return count
