"""Where sound comes from, and what is known of each recording."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from signal_model.config.corpus import SPLITS, CorpusConfig, LoadedConfig, OnDiskConfig, Paths
from signal_model.support.errors import listed
from signal_model.support.settings import Config

# Samples per second of what is built in.
CHIRPS_RATE = 8000
LABEL, GROUP = "label", "group"
_PLACES = re.compile(r"(\{[^{}]*\}|\*)")


class ChirpsCorpusConfig(CorpusConfig):
    """Synthetic tones and chirps of eight kinds by sixty instruments, split by instrument; made, not downloaded."""

    keys = ("chirps",)
    built_in = True
    unit = "sample"
    chirps: Literal[True] = True

    @property
    def rate(self) -> int:
        """Samples per second."""
        return CHIRPS_RATE


class RecordingsConfig(Config):
    """What recordings of any origin have: a rate, labels, groups, and how they are split."""

    rate: Annotated[int, Field(ge=100, le=2**20)] = Field(
        description="Samples per second; recordings of another rate are resampled to it"
    )
    label: str | None = Field(None, description="The array or column that says what a recording is of")
    group: str | None = Field(None, description="The array or column that says whose it is, such as its speaker")
    split: Literal["recording", "group"] | None = Field(
        None, description="What is dealt out to splits as a whole; unless given, groups where these are known"
    )
    held_out: dict[Literal["validation", "test"], tuple[str | int, ...]] = Field(
        default_factory=dict, description="Groups that are in no other split, by split, as {test: [nicolas]}"
    )

    @property
    def knows_labels(self) -> bool:
        """Whether it says where labels are found."""
        return self.label is not None

    @property
    def knows_groups(self) -> bool:
        """Whether it says where groups are found."""
        return self.group is not None

    @field_validator("held_out", mode="before")
    @classmethod
    def _by_split(cls, held_out: Any) -> Any:
        if not isinstance(held_out, dict) or not held_out.keys() <= {*SPLITS[1:]}:
            accepted = " and ".join(SPLITS[1:])
            raise ValueError(f"expected groups of {accepted}, such as {{test: [nicolas]}}, got {held_out!r}")
        return held_out

    @model_validator(mode="after")
    def _groups_are_known(self) -> Self:
        needs = "held_out" if self.held_out else "split: group" if self.split == "group" else ""
        if needs and not self.knows_groups:
            raise ValueError(f"{needs} needs groups: name their array or column by `group`, or {{group}} in `names`")
        told = [str(group) for groups in self.held_out.values() for group in groups]
        if twice := [group for group in dict.fromkeys(told) if told.count(group) > 1]:
            raise ValueError(f"held_out: {listed(twice)} cannot be in two splits")
        return self


class RecordingsCorpusConfig(RecordingsConfig, OnDiskConfig):
    """Files of sound, wav, flac or npz: a file, a folder, a glob, several of them, or one of these for each split."""

    keys = ("audio",)
    unit = "sample"
    audio: Paths
    names: str | None = Field(
        None,
        description="What names of files say, such as '{label}_{group}_*' or '{label}/*'; a * is anything but a /",
    )

    @property
    def knows_labels(self) -> bool:
        return super().knows_labels or "{label}" in (self.names or "")

    @property
    def knows_groups(self) -> bool:
        return super().knows_groups or "{group}" in (self.names or "")

    @field_validator("names")
    @classmethod
    def _has_places(cls, names: str | None) -> str | None:
        places = [part for part in _PLACES.findall(names or "") if part != "*"]
        accepted = {f"{{{place}}}" for place in (LABEL, GROUP)}
        if names is not None and (not places or not {*places} <= accepted or len({*places}) < len(places)):
            raise ValueError(f"expected {{label}}, {{group}} or both, each once, such as {{label}}_*, got {names!r}")
        return names

    @property
    def pattern(self) -> re.Pattern[str] | None:
        """What the ends of paths match, without the suffix of the file; the groups are `label` and `group`."""
        if self.names is None:
            return None
        expressions = {"*": "[^/]*", "{label}": "(?P<label>[^/]+?)", "{group}": "(?P<group>[^/]+?)"}
        parts = (expressions.get(part) or re.escape(part) for part in _PLACES.split(self.names))
        return re.compile(f"(?:.*/)?{''.join(parts)}")

    @model_validator(mode="after")
    def _said_once(self) -> Self:
        for place in (LABEL, GROUP):
            if getattr(self, place) is not None and f"{{{place}}}" in (self.names or ""):
                raise ValueError(f"{place}: is said twice, by {place} (of npz files) and by {{{place}}} in names")
        if isinstance(self.audio, dict) and (self.split or self.held_out):
            raise ValueError(f"audio: gives its splits, so leave out {'split' if self.split else 'held_out'}")
        return self


class RecordingsDatasetConfig(RecordingsConfig, LoadedConfig):
    """A data set of sounds that `datasets.load_dataset` finds, local or on the hub."""

    keys = ("dataset", "audio")
    unit = "sample"
    audio: str = Field(description="The column that holds the sound")


SoundConfig = ChirpsCorpusConfig | RecordingsCorpusConfig | RecordingsDatasetConfig
