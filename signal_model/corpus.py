"""Text as memory-mapped tokens: the running Python, files or a Hugging Face data set, split by document.

Text is never normalised: what the bytes of a file say is what a model reads. A *document* is a file, or
a row of a data set. Equal documents count once, and none is in two splits. Where the source has no
splits of its own, documents are dealt out in the order of their SHA-256, so that a split depends on what
they say and not on their names, their order or the machine.

What has been tokenised once is kept in a folder of `cache_directory()`. The text itself is held in
memory while it is read; tokens are not.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import os
import platform
import shutil
import sysconfig
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

import numpy as np

from signal_model.config import (
    CorpusConfig,
    DatasetCorpusConfig,
    FilesCorpusConfig,
    PythonCorpusConfig,
    TokenizerConfig,
)
from signal_model.errors import InputError
from signal_model.files import write_json

if TYPE_CHECKING:
    import tokenizers

Documents = dict[bytes, str]  # SHA-256 of a text -> the text, in the order of the digests
SPLITS = ("train", "validation", "test")
FORMAT = 1  # of the cache; a change of what is written, or of how text is split, needs a new number
END_OF_TEXT = "<|endoftext|>"
PIECE = 2**16  # characters; longer texts are encoded in pieces, to bound memory


# --- tokenizers ----------------------------------------------------------------------------------


class Tokenizer(Protocol):
    """Text to tokens and back, without loss."""

    vocab_size: int
    byte_lengths: np.ndarray
    """(vocab_size,) int64: bytes of text that each token stands for, 0 for end-of-text."""
    end_of_text: int
    """The separator that follows every document."""

    def encode(self, text: str) -> np.ndarray:
        """Tokens, (n,) of `token_dtype(vocab_size)`, without an end-of-text."""

    def decode(self, tokens: Sequence[int]) -> str:
        """Text; end-of-text is dropped, bytes that are no UTF-8 become U+FFFD."""

    def to_json(self) -> str:
        """JSON that `tokenizer_from_json` reads."""


def token_dtype(vocab_size: int) -> np.dtype[Any]:
    """The smallest unsigned little-endian integer that holds every token."""
    return np.dtype("<u1" if vocab_size <= 2**8 else "<u2" if vocab_size <= 2**16 else "<u4")


class ByteTokenizer:
    """A token is a byte of UTF-8; 0 is end-of-text."""

    vocab_size = 256
    end_of_text = 0

    def __init__(self) -> None:
        self.byte_lengths = np.ones(256, np.int64)
        self.byte_lengths[self.end_of_text] = 0

    def encode(self, text: str) -> np.ndarray:
        # A NUL character would read as end-of-text. It becomes U+FFFD: the one change ever made to text.
        return np.frombuffer(text.replace("\0", "\ufffd").encode(), np.uint8)

    def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
        return [self.encode(text) for text in texts]

    def decode(self, tokens: Sequence[int]) -> str:
        return bytes(int(token) for token in tokens if token != self.end_of_text).decode(errors="replace")

    def to_json(self) -> str:
        return '{"kind": "bytes"}'


class BPETokenizer:
    """Byte-level byte-pair encoding; token 0 is end-of-text, which no text encodes to.

    Texts of more than `PIECE` characters are encoded in pieces of that length, which may cut a word.
    """

    end_of_text = 0

    def __init__(self, tokenizer: tokenizers.Tokenizer) -> None:
        """Raises ValueError unless `tokenizer` is of the kind that `train` makes."""
        if _settings(tokenizer) != _settings(_untrained()):
            raise ValueError("not byte-level BPE with end-of-text as its only special token")
        byte, tokens = _byte_of_character(), tokenizer.get_vocab()
        first, *words = sorted(tokens, key=tokens.__getitem__)
        numbered = first == END_OF_TEXT and sorted(tokens.values()) == list(range(len(tokens)))
        if not (numbered and byte.keys() <= tokens.keys() and byte.keys() >= set("".join(words))):
            raise ValueError("its vocabulary is not end-of-text, 256 bytes and pairs, numbered from 0")
        self._bytes = [b"", *(bytes(byte[character] for character in word) for word in words)]
        self._tokenizer = tokenizer
        # Text that spells the separator is text. The flag is not part of the JSON.
        tokenizer.encode_special_tokens = True
        self.vocab_size = len(self._bytes)
        self.byte_lengths = np.array([len(piece) for piece in self._bytes], np.int64)

    @classmethod
    def train(cls, texts: Iterable[str], size: int) -> BPETokenizer:
        """Learn a vocabulary of exactly `size`; the same texts give the same one.

        Raises InputError when the texts are too small for it.
        """
        from tokenizers.pre_tokenizers import ByteLevel
        from tokenizers.trainers import BpeTrainer

        trainer = BpeTrainer(
            vocab_size=size,
            special_tokens=[END_OF_TEXT],
            initial_alphabet=sorted(ByteLevel.alphabet()),
            show_progress=False,
        )
        tokenizer = _untrained()
        tokenizer.train_from_iterator((piece for piece, _ in _pieces(texts)), trainer)
        if (reached := tokenizer.get_vocab_size()) != size:
            raise InputError(
                f"tokenizer.size: the training text repeats enough for {reached} tokens, not for {size}; "
                "give more text or a smaller size"
            )
        return cls(tokenizer)

    def encode(self, text: str) -> np.ndarray:
        tokens = self.encode_batch([piece for piece, _ in _pieces([text])])
        return np.concatenate([np.empty(0, token_dtype(self.vocab_size)), *tokens])

    def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
        dtype = token_dtype(self.vocab_size)
        encoded = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [np.array(one.ids, dtype) for one in encoded]

    def decode(self, tokens: Sequence[int]) -> str:
        return b"".join(self._bytes[int(token)] for token in tokens).decode(errors="replace")

    def to_json(self) -> str:
        return str(self._tokenizer.to_str())


def tokenizer_from_json(text: str, name: str) -> ByteTokenizer | BPETokenizer:
    """The tokenizer that `to_json` wrote. Raises InputError, naming `name`, when it is not one."""
    try:
        if json.loads(text) == {"kind": "bytes"}:
            return ByteTokenizer()
        from tokenizers import Tokenizer as AnyTokenizer

        try:
            parsed = AnyTokenizer.from_str(text)
        except Exception as error:  # tokenizers raises nothing more specific
            raise ValueError(str(error)) from error
        return BPETokenizer(parsed)
    except ValueError as error:
        raise InputError(f"{name}: is not a tokenizer of signal_model: {error}") from error


def _untrained() -> tokenizers.Tokenizer:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([END_OF_TEXT])
    return tokenizer


def _settings(tokenizer: tokenizers.Tokenizer) -> dict[str, Any]:
    """All that a tokenizer is, but for what it learned."""
    data: dict[str, Any] = json.loads(tokenizer.to_str())
    data["model"] |= {"vocab": None, "merges": None}
    return data


def _byte_of_character() -> dict[str, int]:
    """How byte-level BPE writes bytes: printable ones as themselves, the others from U+0100 on."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + n): byte for n, byte in enumerate(others)}


def _pieces(texts: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """Texts in pieces of at most `PIECE` characters, and whether a piece is the last of its text."""
    for text in texts:
        for start in range(0, len(text), PIECE):
            yield text[start : start + PIECE], start + PIECE >= len(text)


# --- text and its splits -------------------------------------------------------------------------


def _documents(texts: Iterable[str]) -> Documents:
    """Distinct texts by digest; texts of nothing but white space are left out."""
    found = {hashlib.sha256(text.encode()).digest(): text for text in texts if text and not text.isspace()}
    return dict(sorted(found.items()))


def _carve(documents: Documents, names: Sequence[str], what: str, remedy: str) -> dict[str, Documents]:
    """Take 5 % of the bytes, in whole documents, for each of `names`; the rest is for training.

    In the order of their digests, a document goes to the split that has most room left, if that brings
    it closer to its 5 %, or else to training. A split that is empty then gets the document whose size
    is nearest to its 5 %. Raises InputError for too few documents, naming `what` and the `remedy`.
    """
    if len(documents) <= len(names):
        raise InputError(f"{what}: too few distinct documents to split by document ({len(documents)}); {remedy}")
    sizes = {digest: len(text.encode()) for digest, text in documents.items()}
    share = sum(sizes.values()) / 20
    room = dict.fromkeys(names, share)
    parts: dict[str, Documents] = {"train": {}, **{name: {} for name in names}}
    for digest, text in documents.items():
        emptiest = max(names, key=room.__getitem__)
        if sizes[digest] < 2 * room[emptiest]:
            room[emptiest] -= sizes[digest]
            parts[emptiest][digest] = text
        else:
            parts["train"][digest] = text
    for name in names:
        if not parts[name]:
            nearest = min(parts["train"], key=lambda digest: abs(sizes[digest] - share))
            parts[name][nearest] = parts["train"].pop(nearest)
    return parts


def _python_splits() -> dict[str, Documents]:
    """The .py, .txt and .rst files of the standard library: its source, and the documentation in pydoc_data.

    Tests and installed packages are left out; so is what the build of this Python generated, which would
    make one version's text differ from machine to machine, and files that are not UTF-8.
    """
    root = Path(sysconfig.get_path("stdlib"))
    others = {"site-packages", "dist-packages", "__pycache__", "test", "tests", "idle_test", "_bundled"}
    texts = []
    for file in _files_under(root, lambda n: n in others or n.startswith(("config-", "_sysconfigdata"))):
        if file.suffix in (".py", ".txt", ".rst"):
            try:
                texts.append(file.read_bytes().decode())
            except UnicodeDecodeError:
                continue
    remedy = "this Python comes without its library's source; use `path` or `dataset`"
    return _carve(_documents(texts), ("validation", "test"), f"python: {root}", remedy)


def _files_splits(corpus: FilesCorpusConfig) -> dict[str, Documents]:
    """Files as documents, split as `corpus` says. Raises InputError, naming what cannot be used."""
    if isinstance(corpus.path, dict):
        return _given_splits(corpus.path, corpus.split)
    paths = _listed(corpus.path)
    what = f"path: {', '.join(paths)}"
    documents = _documents(_read_files(paths).values())
    if not documents:
        raise InputError(f"{what}: there is no text, only emptiness")
    if corpus.split == "file":
        remedy = "it takes 3: give train, validation and test, or a single file and `split: position`"
        return _carve(documents, ("validation", "test"), what, remedy)
    if len(documents) > 1:
        raise InputError(f"{what}: `split: position` is for one file, not {len(documents)}; use `split: file`")
    (text,) = documents.values()
    if len(text) < 20:
        raise InputError(f"{what}: {len(text)} characters are too few to split by position; it takes 20")
    start, end = len(text) * 90 // 100, len(text) * 95 // 100
    parts = zip(SPLITS, (text[:start], text[start:end], text[end:]), strict=True)
    return _without_empty({name: _documents([part]) for name, part in parts}, what)


def _given_splits(paths: dict[Any, str | tuple[str, ...]], split: str) -> dict[str, Documents]:
    if split == "position":
        raise InputError("path: `split: position` is for one file, not for train, validation and test")
    if missing := [name for name in SPLITS if name not in paths]:
        raise InputError(f"path: train, validation and test are all needed, {' and '.join(missing)} missing")
    parts: dict[str, Documents] = {}
    for name in SPLITS:
        texts = _read_files(_listed(paths[name]))
        parts[name] = _documents(texts.values())
        for other in parts.keys() - {name}:
            for shared in parts[name].keys() & parts[other].keys():
                file = next(file for file, text in texts.items() if text == parts[name][shared])
                raise InputError(f"path: {file}: the same text is in {other} and in {name}")
    return _without_empty(parts, "path")


def _listed(paths: str | tuple[str, ...]) -> tuple[str, ...]:
    return (paths,) if isinstance(paths, str) else paths


def _read_files(paths: tuple[str, ...]) -> dict[Path, str]:
    """The text of files, of all files of folders that are not hidden, and of what globs match.

    Folders are read to any depth; links to folders are not followed. Every file must be UTF-8.
    Raises InputError naming the path that is missing, without files, unreadable or not text.
    """
    texts = {}
    for given in paths:
        path = Path(given).expanduser()
        try:
            if path.is_dir():
                found = list(_files_under(path, lambda name: name.startswith(".")))
            else:
                matches = [path] if path.exists() else map(Path, glob.glob(str(path), recursive=True))
                found = [match for match in matches if match.is_file()]
            if not found:
                problem = "holds no file" if path.is_dir() else "no such file, and as a glob it matches none"
                raise InputError(f"path: {given}: {problem}")
            for file in sorted(found):
                texts[file] = file.read_bytes().decode()
        except UnicodeDecodeError as error:
            raise InputError(
                f"path: {file}: is not UTF-8 text ({error.reason} at byte {error.start}); "
                "to pick some files of a folder, give a glob such as folder/**/*.txt"
            ) from None
        except OSError as error:
            raise InputError(f"path: {error.filename or given}: cannot be read: {error.strerror or error}") from None
    return texts


def _files_under(root: Path, is_left_out: Callable[[str], bool]) -> Iterator[Path]:
    """Files at any depth, except where the name of the file or of a folder on the way is left out."""

    def fail(error: OSError) -> None:
        raise error

    for folder, folders, names in os.walk(root, onerror=fail):
        folders[:] = [name for name in folders if not is_left_out(name)]
        files = (Path(folder) / name for name in names if not is_left_out(name))
        yield from (file for file in files if file.is_file())


def _dataset_splits(corpus: DatasetCorpusConfig) -> dict[str, Documents]:
    """The data set's own splits; validation and test are carved out of train where it has none.

    A row is a document. Two exceptions keep running text together: text files are whole documents, not
    rows of one line; and where every row is one line that kept its newline (wikitext), the rows of a
    split, in their order, are one document. A row that a data set has in several of its splits stays in
    test, or else in validation. Raises InputError when the data set, configuration or column is not there.
    """
    what = f"dataset: {_dataset_name(corpus)}"
    rows = _read_dataset(corpus, what)
    remedy = "save it as text files and use `path`"
    if all(row.find("\n") == len(row) - 1 for texts in rows.values() for row in texts):
        remedy = f"its rows are lines of one text: {remedy}"
        rows = {name: ["".join(texts)] for name, texts in rows.items()}
    parts = {name: _documents(rows[name]) for name in SPLITS if name in rows}
    for name, others in (("train", ("validation", "test")), ("validation", ("test",))):
        for digest in [digest for other in others for digest in parts.get(other, ())]:
            parts.get(name, {}).pop(digest, None)
    parts = _without_empty(parts, what)
    if missing := [name for name in SPLITS if name not in parts]:
        parts |= _carve(parts["train"], missing, f"{what}: no {' and '.join(missing)} split", remedy)
    return parts


def _dataset_name(corpus: DatasetCorpusConfig) -> str:
    return f"{corpus.dataset}/{corpus.config}" if corpus.config else corpus.dataset


def _read_dataset(corpus: DatasetCorpusConfig, what: str) -> dict[str, list[str]]:
    """The rows of each split that are not empty. Raises InputError with what `datasets` says."""
    import datasets

    folder = Path(corpus.dataset).expanduser()
    place = str(folder) if folder.exists() else corpus.dataset
    if corpus.dataset.startswith((".", "/", "~")) and not folder.exists():
        raise InputError(f"{what}: there is no such folder")
    try:
        if (folder / "dataset_dict.json").exists() or (folder / "state.json").exists():
            loaded = datasets.load_from_disk(place)
        else:
            is_text = datasets.load_dataset_builder(place, corpus.config).name == "text"
            options = {"sample_by": "document"} if is_text else {}
            loaded = datasets.load_dataset(place, corpus.config, **options)
    except Exception as error:  # of any of a dozen libraries, and always about this data set
        because = f": {error.__cause__}" if error.__cause__ else ""
        problem = " ".join(f"{error}{because}".split())
        raise InputError(f"{what}: cannot be loaded: {problem[:300]}") from error
    parts = loaded if isinstance(loaded, dict) else {"train": loaded}
    if "train" not in parts:
        raise InputError(f"{what}: there is no train split; there is {', '.join(map(str, parts))}")
    rows: dict[str, list[str]] = {}
    for name in [name for name in SPLITS if name in parts]:
        columns = parts[name].features
        if corpus.text not in columns:
            raise InputError(f"{what}: there is no column {corpus.text!r}; there is {', '.join(columns)}")
        if (kind := getattr(columns[corpus.text], "dtype", "lists")) not in ("string", "large_string"):
            raise InputError(f"{what}: column {corpus.text!r} holds {kind}, not text")
        batches = parts[name].select_columns([corpus.text]).with_format("arrow").iter(10_000)
        rows[name] = [row for batch in batches for row in batch.column(0).to_pylist() if row]
    return rows


def _without_empty(parts: dict[str, Documents], what: str) -> dict[str, Documents]:
    for name, documents in parts.items():
        if not documents:
            raise InputError(f"{what}: the {name} split holds no text of its own")
    return parts


# --- the corpus and its cache --------------------------------------------------------------------


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


Entry = tuple[ByteTokenizer | BPETokenizer, dict[str, np.ndarray]]


def cache_directory() -> Path:
    """$SIGNAL_MODEL_CACHE, else $XDG_CACHE_HOME/signal_model, else ~/.cache/signal_model."""
    if own := os.environ.get("SIGNAL_MODEL_CACHE"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "signal_model"


def load_corpus(corpus: CorpusConfig, tokenizer: TokenizerConfig, cache: Path | None = None) -> Corpus:
    """Read the text, and tokenise it unless that is in `cache` (default: `cache_directory()`) already.

    The cache is keyed by content: a changed file is a new entry. Any number of processes may do this at
    once and be killed at any moment. Raises InputError when the text, the tokenizer's size for it or the
    cache cannot be used.
    """
    if isinstance(corpus, PythonCorpusConfig):
        name, parts = f"python {platform.python_version()}", _python_splits()
    elif isinstance(corpus, FilesCorpusConfig):
        parts = _files_splits(corpus)
        name = f"files {_text_hash(parts)[:12]}"
    elif isinstance(corpus, DatasetCorpusConfig):
        name, parts = _dataset_name(corpus), _dataset_splits(corpus)
    else:
        raise TypeError(f"{type(corpus).__name__} is no corpus that can be loaded")
    content_hash = _hash(f"format {FORMAT}", _text_hash(parts), tokenizer.model_dump_json())
    folder = (cache or cache_directory()) / content_hash
    read, splits = _open(folder, tokenizer) or _build(folder, parts, tokenizer, name)
    return Corpus(name, content_hash, read, **splits)


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
    tokenizer = BPETokenizer.train(train, settings.size) if settings.kind == "bpe" else ByteTokenizer()
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
        pieces = _pieces(texts)
        while batch := list(islice(pieces, 256)):
            encoded = tokenizer.encode_batch([piece for piece, _ in batch])
            for tokens, (_, is_last) in zip(encoded, batch, strict=True):
                out.write(tokens.tobytes() + end.tobytes() * is_last)
                count += len(tokens) + is_last
    return count
