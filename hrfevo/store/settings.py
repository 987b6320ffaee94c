"""What a run was started with: its `run.json`."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import ConfigDict, Field, ValidationError, field_validator

from hrfevo.store.started import Started
from hrfevo.store.versions import versions
from signal_model.config.corpus import corpus_in_words
from signal_model.support.files import explain
from signal_model.support.settings import Config

# The algorithm of a run that trains given genomes with given seeds.
CONFIRMATION = "confirmation"
_ID = re.compile("[0-9a-f]{1,32}")


class CorpusRecord(Config):
    """The text that a run's models were trained on, as it was found when the run began."""

    name: str = ""
    hash: str = ""
    tokens: dict[str, int] = Field(default_factory=dict)
    """By split; none for runs of earlier versions."""
    yardsticks: dict[str, float] = Field(default_factory=dict)
    """Losses on its validation split that need no model, in bits per byte; none for runs of earlier versions."""

    @property
    def words(self) -> str:
        """What it is called and how large it is."""
        return corpus_in_words(self.name, self.tokens)


class EarlierRun(Config):
    """A run whose results this one knew from the start, and how many.

    An hrfevo that told founders alone did not count them.
    """

    run: str
    id: str = ""
    results: int | None = None
    founders: int | None = None


class RunSettings(Config):
    """Everything that `run.json` says.

    Names in the file are those here, but for `set` and `from`, which are words of Python. What an earlier version did
    not write has its default; what is required has been there from the first.
    """

    model_config = ConfigDict(populate_by_name=True)

    id: str
    """The run's key in its store; it names a folder, too."""
    seed: int = Field(ge=0)
    algorithm: str
    synchronous: bool
    overrides: tuple[str, ...] = Field(alias="set")
    """`key=value` over the space file."""
    corpus: CorpusRecord
    directory: str
    """Where paths of the space are relative to."""
    space_hash: str | None = None
    """Of the space file; None in runs of the first version, which `hrfevo migrate` brings up to date."""
    earlier_hash: str | None = None
    """Of what it was told of earlier runs; None if nothing, or if it is of before that was a file."""
    store: str | None = None
    """Its database, without a password; None for the one in its folder."""
    storage: str | None = None
    """Where its trainings wait between rungs; None for its folder."""
    started: Started = Started()
    versions: dict[str, str] = Field(default_factory=dict)
    """Of Python, of the packages that results depend on, and the commit of the code."""
    earlier: tuple[EarlierRun, ...] = Field((), alias="from")
    founders: tuple[dict[str, Any], ...] = ()
    """Values of the earlier front that a run of before `earlier_hash` began with."""

    stage: str | None = None
    """Its name in something larger, such as a confirmation, that says itself how to go on."""
    genomes: tuple[dict[str, Any], ...] | None = None
    """Of a confirmation: the values to train."""
    seeds: tuple[int, ...] = ()
    """Of a confirmation: what each is trained with."""
    winners: int | None = None
    """Of a confirmation: how many of `genomes` the search chose; all of them unless it says."""
    founder: str | None = None
    """Of a confirmation: the id of the best genome that the search began with."""

    @classmethod
    def new(
        cls,
        text: str,
        *,
        seed: int,
        algorithm: str,
        corpus: CorpusRecord | Mapping[str, Any],
        synchronous: bool = False,
        overrides: Sequence[str] = (),
        directory: str | None = None,
        **others: Any,
    ) -> Self:
        """Of a run that begins here and now and searches the space file with this `text`."""
        return cls(
            id=f"{time.time_ns():x}",
            seed=seed,
            algorithm=algorithm,
            corpus=corpus if isinstance(corpus, CorpusRecord) else CorpusRecord.model_validate(corpus),
            synchronous=synchronous,
            overrides=tuple(overrides),
            directory=os.getcwd() if directory is None else directory,
            versions=versions(),
            space_hash=hash_of(text),
            **others,
        )

    @classmethod
    def read(cls, data: Mapping[str, Any], file: Path) -> Self:
        """From what is in a `run.json`. Raises InputError naming the file, the setting and what is accepted."""
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise explain(error, str(file)) from None

    def to_dict(self) -> dict[str, Any]:
        """As `run.json` has it: what is not told is not there."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)

    def changed(self, **settings: Any) -> Self:
        """The same but for these."""
        return self.model_copy(update=settings)

    @property
    def is_confirmation(self) -> bool:
        """Whether it trains given genomes, and searches nothing."""
        return self.algorithm == CONFIRMATION

    @field_validator("id", "algorithm", "directory", mode="before")
    @classmethod
    def _is_text(cls, told: Any) -> Any:
        if not isinstance(told, str):
            raise ValueError("missing or not of type str")
        return told

    @field_validator("id")
    @classmethod
    def _names_a_run(cls, told: str) -> str:
        if not _ID.fullmatch(told):
            raise ValueError(f"expected a hexadecimal number, got {told!r}")
        return told

    @field_validator("space_hash", "earlier_hash", "store", "storage", mode="before")
    @classmethod
    def _is_text_or_null(cls, told: Any) -> Any:
        if not isinstance(told, str | None):
            raise ValueError("neither text nor null")
        return told

    @field_validator("earlier", mode="before")
    @classmethod
    def _one_or_several(cls, told: Any) -> Any:
        return [told] if isinstance(told, dict) else told


def hash_of(text: str) -> str:
    """What tells a text from any other."""
    return hashlib.sha256(text.encode()).hexdigest()
