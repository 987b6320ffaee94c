"""Where text comes from and how it becomes tokens."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    SerializeAsAny,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from signal_model.support.errors import listed
from signal_model.support.files import explain, parse_value
from signal_model.support.settings import Config


class CorpusConfig(Config):
    """Where text comes from: the running Python, files, or a Hugging Face data set."""

    source: ClassVar[str]

    @classmethod
    def parse(cls, data: Any) -> Any:
        """`python`, `{path: …}` or `{dataset: …}`."""
        if data == "python":
            return PythonCorpusConfig()
        if isinstance(data, dict):
            for kind in (PythonCorpusConfig, FilesCorpusConfig, DatasetCorpusConfig):
                if kind.source in data:
                    return kind.model_validate(data)
        if isinstance(data, CorpusConfig):
            return data
        raise PydanticCustomError(
            "unknown_kind",
            "{value} is no corpus; accepted: python, a mapping with `path`, a mapping with `dataset`",
            {"value": repr(data)},
        )


class PythonCorpusConfig(CorpusConfig):
    """The documentation and the standard library's source of the running Python, split by file."""

    source = "python"
    python: Literal[True] = True


class FilesCorpusConfig(CorpusConfig):
    """Files of text: a file, a folder, a glob, several of them, or one of these for each split."""

    source = "path"
    path: str | tuple[str, ...] | dict[Literal["train", "validation", "test"], str | tuple[str, ...]]
    split: Literal["file", "position"] = Field(
        "file", description="By whole files, or, where there is one file only, by position inside it (90/5/5)"
    )
    text: str = Field("text", description="The column of .jsonl and .parquet files that holds the text")

    @field_validator("path")
    @classmethod
    def _names_something(cls, path: Any) -> Any:
        # An empty path would be the whole working folder.
        for given in path.values() if isinstance(path, dict) else [path]:
            if not given or "" in ([given] if isinstance(given, str) else given):
                raise ValueError(f"names no file, got {given!r}")
        return path

    def resolved(self, base: Path) -> FilesCorpusConfig:
        """The same with paths made absolute, so that it means the same from any folder."""

        def absolute(paths: str | tuple[str, ...]) -> str | tuple[str, ...]:
            if isinstance(paths, str):
                return str(base / Path(paths).expanduser())
            return tuple(str(base / Path(path).expanduser()) for path in paths)

        if isinstance(self.path, dict):
            return self.model_copy(update={"path": {split: absolute(p) for split, p in self.path.items()}})
        return self.model_copy(update={"path": absolute(self.path)})


class DatasetCorpusConfig(CorpusConfig):
    """A data set that `datasets.load_dataset` finds, local or on the hub."""

    source = "dataset"
    dataset: str
    config: str | None = None
    text: str = Field("text", description="The column that holds the text")

    @property
    def is_local(self) -> bool:
        """Whether it lies on this machine, or is said to; others are downloaded."""
        return self.dataset.startswith((".", "/", "~")) or Path(self.dataset).exists()


AnyCorpus = Annotated[SerializeAsAny[CorpusConfig], BeforeValidator(CorpusConfig.parse)]


def corpus_option(text: str) -> CorpusConfig:
    """What `--corpus` of a command line means: python, a file, folder or glob, or a YAML mapping.

    Paths mean the same from any folder afterwards. Raises InputError for anything else.
    """
    data = parse_value(text) if text.lstrip().startswith("{") else text if text == "python" else {"path": text}
    try:
        corpus = TypeAdapter(AnyCorpus).validate_python(data)
    except ValidationError as error:
        raise explain(error, "--corpus") from None
    return corpus.resolved(Path.cwd()) if isinstance(corpus, FilesCorpusConfig) else corpus


def corpus_in_words(name: str, sizes: Mapping[str, int]) -> str:
    """`files 8dbae83a5ca0: 7,204 training, 401 validation and 399 test tokens`; the name alone where none are known."""
    told = [f"{count:,} {'training' if split == 'train' else split}" for split, count in sizes.items()]
    return f"{name}: {listed(told)} tokens" if told else name


class TokenizerConfig(Config):
    """Bytes, all or those that occur in the text, or byte-pair encoding trained on the training split."""

    kind: Literal["bytes", "bpe"] = "bytes"
    size: int = Field(
        256, ge=2, le=65536, description="Size of the vocabulary; bytes below 256: as many as occur, with end of text"
    )

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
