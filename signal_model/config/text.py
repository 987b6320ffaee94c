"""Where text comes from and how it becomes tokens."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from signal_model.config.corpus import CorpusConfig, LoadedConfig, OnDiskConfig, Paths
from signal_model.support.settings import Config


class PythonCorpusConfig(CorpusConfig):
    """The documentation and the standard library's source of the running Python, split by file."""

    keys = ("python",)
    built_in = True
    python: Literal[True] = True


class FilesCorpusConfig(OnDiskConfig):
    """Files of text: a file, a folder, a glob, several of them, or one of these for each split."""

    keys = ("path",)
    path: Paths
    split: Literal["file", "position"] = Field(
        "file", description="By whole documents (file), or one document by position inside it, 90/5/5 % (position)"
    )
    text: str = Field("text", description="The column of .jsonl, .ndjson and .parquet files that holds the text")


class DatasetCorpusConfig(LoadedConfig):
    """A data set of texts that `datasets.load_dataset` finds, local or on the hub."""

    keys = ("dataset",)
    text: str = Field("text", description="The column that holds the text")


class TokenizerConfig(Config):
    """Bytes, all or those that occur in the text, or byte-pair encoding trained on the training split."""

    kind: Literal["bytes", "bpe"] = Field("bytes", description="bpe: byte-pair encoding")
    size: int = Field(
        256, ge=2, le=65536, description="Size of the vocabulary; bytes below 256: as many as occur, with end of text"
    )

    @property
    def words(self) -> str:
        """`bytes`, `bpe 512`."""
        return self.kind if self == TokenizerConfig() else f"{self.kind} {self.size}"

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, data: Any) -> Any:
        return {"kind": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def _size_fits(self) -> Self:
        if self.kind == "bytes" and self.size > 256:
            raise ValueError(f"bytes have a vocabulary of at most 256, got {self.size}")
        if self.kind == "bpe" and self.size < 258:
            raise ValueError(f"bpe needs a size of at least 258 (256 bytes, end of text, one merge), got {self.size}")
        return self
