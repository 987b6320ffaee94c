"""What models learn from: the kinds of corpora, and what all of them have in common."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import BeforeValidator, SerializeAsAny, TypeAdapter, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from signal_model.support.errors import InputError, closest, listed
from signal_model.support.files import expanded, explain, parse_value
from signal_model.support.settings import Config

Split = Literal["train", "validation", "test"]
SPLITS: tuple[str, ...] = get_args(Split)
Paths = str | tuple[str, ...] | dict[Split, str | tuple[str, ...]]
"""A file, a folder, a glob, several of them, or one of these for each split."""


class CorpusConfig(Config):
    """Where what a model learns from comes from: what is built in, files, or a Hugging Face data set."""

    keys: ClassVar[tuple[str, ...]] = ()
    """The settings that tell this kind from the others; of one that is built in, its name."""
    built_in: ClassVar[bool] = False
    unit: ClassVar[str] = "byte"
    """What losses are told per."""

    @property
    def is_local(self) -> bool:
        """Whether it lies on this machine, or is said to; others are downloaded."""
        return True

    def refuse_beside(self, file: Path, place: str) -> None:
        """Raise InputError, naming the place, for what is not in the working folder, where it is looked for, but
        beside the file that names it."""

    def resolved(self, base: Path) -> Self:
        """The same with paths made absolute, so that it means the same from any folder."""
        return self

    @classmethod
    def descendants(cls) -> Iterator[type[CorpusConfig]]:
        """Its kinds, in the order of definition."""
        for child in cls.__subclasses__():
            yield from [child] if child.keys else []
            yield from child.descendants()

    @classmethod
    def parse(cls, data: Any) -> Any:
        """`python`, `chirps`, `{path: …}`, `{audio: …}` or `{dataset: …}`."""
        if isinstance(data, CorpusConfig):
            return data
        kinds = sorted(cls.descendants(), key=lambda kind: -len(kind.keys))
        given = data if isinstance(data, dict) else [data] if isinstance(data, str) else []
        for kind in kinds:
            if all(key in given for key in kind.keys) and (kind.built_in or isinstance(data, dict)):
                return kind.model_validate(data if isinstance(data, dict) else {})
        names = [kind.keys[0] for kind in cls.descendants() if kind.built_in]
        keys = [*dict.fromkeys(kind.keys[0] for kind in cls.descendants() if not kind.built_in)]
        hint = next(filter(None, (closest(word, (*names, *keys)) for word in given)), "")
        mappings = ", ".join(f"a mapping with `{key}`" for key in keys)
        raise PydanticCustomError(
            "unknown_kind",
            "{value} is no corpus{hint}; accepted: {names}, {mappings}",
            {"value": repr(data), "hint": hint, "names": ", ".join(names), "mappings": mappings},
        )


class OnDiskConfig(CorpusConfig):
    """A corpus in files, which the first of its `keys` names."""

    @field_validator("path", "audio", mode="before", check_fields=False)
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
    def given(self) -> Paths:
        """The paths as they were told."""
        told: Paths = getattr(self, self.keys[0])
        return told

    @property
    def paths(self) -> tuple[str, ...]:
        """All of them, of whatever split."""
        several = self.given.values() if isinstance(self.given, dict) else [self.given]
        return tuple(path for given in several for path in ([given] if isinstance(given, str) else given))

    def refuse_beside(self, file: Path, place: str) -> None:
        for given in self.paths:
            path = expanded(given)
            beside = file.parent / path
            if not path.is_absolute() and not _is_there(path) and _is_there(beside):
                raise InputError(
                    f"{place}.{self.keys[0]}: {given}: no such file in {Path.cwd()}, where relative paths are looked "
                    f"up; there is one at {beside}, beside {file.name}: write that path, or give the command in "
                    f"{file.parent.resolve()}"
                )

    def resolved(self, base: Path) -> Self:
        def absolute(paths: str | tuple[str, ...]) -> str | tuple[str, ...]:
            if isinstance(paths, str):
                return str(base / expanded(paths))
            return tuple(str(base / expanded(path)) for path in paths)

        told = self.given
        changed = {s: absolute(p) for s, p in told.items()} if isinstance(told, dict) else absolute(told)
        return self.model_copy(update={self.keys[0]: changed})


class LoadedConfig(CorpusConfig):
    """A data set that `datasets.load_dataset` finds, local or on the hub."""

    dataset: str
    config: str | None = None

    @property
    def is_local(self) -> bool:
        return self.dataset.startswith((".", "/", "~")) or Path(self.dataset).exists()

    @property
    def name(self) -> str:
        """The data set and its configuration."""
        return f"{self.dataset}/{self.config}" if self.config else self.dataset


def _is_there(path: Path) -> bool:
    return path.exists() or any(True for _ in glob.iglob(str(path), recursive=True))


AnyCorpus = Annotated[SerializeAsAny[CorpusConfig], BeforeValidator(CorpusConfig.parse)]


def corpus_option(text: str) -> CorpusConfig:
    """What `--corpus` of a command line means: the name of one that is built in, a file, folder or glob of text, or a
    YAML mapping.

    Paths mean the same from any folder afterwards. Raises InputError for anything else.
    """
    names = [kind.keys[0] for kind in CorpusConfig.descendants() if kind.built_in]
    data = parse_value(text) if text.lstrip().startswith("{") else text if text in names else {"path": text}
    try:
        corpus: CorpusConfig = TypeAdapter(AnyCorpus).validate_python(data)
    except ValidationError as error:
        raise explain(error, "--corpus") from None
    return corpus.resolved(Path.cwd())


def corpus_in_words(name: str, sizes: Mapping[str, int]) -> str:
    """`files 8dbae83a5ca0: 7,204 training, 401 validation and 399 test tokens`; the name alone where none are known."""
    told = [f"{count:,} {'training' if split == 'train' else split}" for split, count in sizes.items()]
    return f"{name}: {listed(told)} tokens" if told else name
