"""Where text comes from and how it becomes tokens."""

from __future__ import annotations

import glob
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

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

from signal_model.support.errors import InputError, closest, listed
from signal_model.support.files import expanded, explain, parse_value
from signal_model.support.settings import Config

Split = Literal["train", "validation", "test"]
SPLITS: tuple[str, ...] = get_args(Split)


class CorpusConfig(Config):
    """Where text comes from: the running Python, files, or a Hugging Face data set."""

    source: ClassVar[str]

    def refuse_beside(self, file: Path, place: str) -> None:
        """Raise InputError, naming the place, for text that is not in the working folder, where it is looked for, but
        beside the file that names it."""

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
        words = data if isinstance(data, dict) else [data]
        hint = next(filter(None, (closest(word, ("python", "path", "dataset")) for word in words)), "")
        raise PydanticCustomError(
            "unknown_kind",
            "{value} is no corpus{hint}; accepted: python, a mapping with `path`, a mapping with `dataset`",
            {"value": repr(data), "hint": hint},
        )


class PythonCorpusConfig(CorpusConfig):
    """The documentation and the standard library's source of the running Python, split by file."""

    source = "python"
    python: Literal[True] = True


class FilesCorpusConfig(CorpusConfig):
    """Files of text: a file, a folder, a glob, several of them, or one of these for each split."""

    source = "path"
    path: str | tuple[str, ...] | dict[Split, str | tuple[str, ...]]
    split: Literal["file", "position"] = Field(
        "file", description="By whole documents (file), or one document by position inside it, 90/5/5 % (position)"
    )
    text: str = Field("text", description="The column of .jsonl, .ndjson and .parquet files that holds the text")

    @field_validator("path", mode="before")
    @classmethod
    def _names_files(cls, path: Any) -> Any:
        for split, given in path.items() if isinstance(path, dict) else [("", path)]:
            place = (split,) if split else ()
            if split and split not in SPLITS:
                message = f"is no split{closest(split, SPLITS)}; accepted: {', '.join(SPLITS)}"
                raise PydanticCustomError("misfit", "{message}", {"place": place, "message": message})
            names = [given] if isinstance(given, str) else given
            if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
                either = "a path or a list of paths" + ("" if split else f", or one for each of {listed([*SPLITS])}")
                message = f"expected {either}, got {given!r}"
                raise PydanticCustomError("misfit", "{message}", {"place": place, "message": message})
            if not names or "" in names:  # an empty path would be the whole working folder
                message = f"names no file, got {given!r}"
                raise PydanticCustomError("misfit", "{message}", {"place": place, "message": message})
        if not path:
            raise ValueError(f"names no file, got {path!r}")
        return path

    @property
    def paths(self) -> tuple[str, ...]:
        """All of them, of whatever split."""
        several = self.path.values() if isinstance(self.path, dict) else [self.path]
        return tuple(path for given in several for path in ([given] if isinstance(given, str) else given))

    def refuse_beside(self, file: Path, place: str) -> None:
        for given in self.paths:
            path = expanded(given)
            beside = file.parent / path
            if not path.is_absolute() and not _is_there(path) and _is_there(beside):
                raise InputError(
                    f"{place}: {given}: no such file in {Path.cwd()}, where relative paths are looked up; there is one "
                    f"at {beside}, beside {file.name}: write that path, or give the command in {file.parent.resolve()}"
                )

    def resolved(self, base: Path) -> FilesCorpusConfig:
        """The same with paths made absolute, so that it means the same from any folder."""

        def absolute(paths: str | tuple[str, ...]) -> str | tuple[str, ...]:
            if isinstance(paths, str):
                return str(base / expanded(paths))
            return tuple(str(base / expanded(path)) for path in paths)

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


def _is_there(path: Path) -> bool:
    return path.exists() or any(True for _ in glob.iglob(str(path), recursive=True))


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
