"""Texts in files, and the documents that a corpus made of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
from pyarrow import parquet

from signal_model.config import FilesCorpusConfig, TokenizerConfig
from signal_model.data import corpus as module
from signal_model.data.corpus import Corpus

BYTES = TokenizerConfig()
PROSE = [f"The {n}th wave carries {n * n} of its neighbours' tones; naïve or not, 🌊.\n" * 5 for n in range(40)]


def write(folder: Path, contents: list[str], name: str = "{}.txt") -> Path:
    """A folder with a file for each text."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(contents):
        (folder / name.format(number)).write_bytes(content.encode())
    return folder


def files(path: Any, split: str = "file") -> FilesCorpusConfig:
    """The config of a corpus of files; `path` may be of any type, as in a file of a user."""
    return FilesCorpusConfig.model_validate({"path": path, "split": split})


def documents(tokens: np.ndarray) -> list[str]:
    """What stands between the zeros that bytes are separated by."""
    assert tokens[-1] == 0
    return [part.decode() for part in bytes(tokens).split(b"\0")[:-1]]


def split_documents(corpus: Corpus) -> dict[str, list[str]]:
    """The documents of each split."""
    return {name: documents(getattr(corpus, name)) for name in module.SPLITS}


def together(corpus: Corpus) -> list[str]:
    """The documents of all splits."""
    return [text for part in split_documents(corpus).values() for text in part]


def parquet_of(texts: Any, column: str = "text") -> bytes:
    """A Parquet file of them, with a column of numbers beside."""
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.table({"id": [3] * len(texts), column: texts}), sink)
    return bytes(sink.getvalue())


# Arrow takes a writer's word that bytes are text.
BROKEN = parquet_of(pyarrow.array([b"fine", b"\xff\xfe"], pyarrow.binary()).view(pyarrow.utf8()))
