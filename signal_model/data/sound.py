"""Recordings and their splits: what is built in, files, or a Hugging Face data set.

Equal recordings count once, and none is in two splits. Where the source has no splits of its own, recordings, or groups
of them such as those of a speaker, are dealt out whole, in the order of their SHA-256.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from signal_model.config.corpus import SPLITS
from signal_model.config.sound import (
    ChirpsCorpusConfig,
    RecordingsConfig,
    RecordingsCorpusConfig,
    RecordingsDatasetConfig,
    SoundConfig,
)
from signal_model.data.chirps import chirps
from signal_model.data.recordings import Recording, read_recordings, read_rows
from signal_model.data.sources import in_a_tuple, loaded_rows, read_files, require_all_splits
from signal_model.data.splits import carve
from signal_model.support.errors import InputError, closest, listed

CARVED = ("validation", "test")
Recordings = dict[str, list[Recording]]
"""Recordings by split, in the order of their digests."""


def sound_splits(corpus: SoundConfig) -> Recordings:
    """The recordings of a corpus. Raises InputError, naming what cannot be used."""
    if isinstance(corpus, ChirpsCorpusConfig):
        return _dealt(chirps(), CARVED, by_group=True, what="chirps")
    if isinstance(corpus, RecordingsDatasetConfig):
        return _of_dataset(corpus)
    if isinstance(corpus.audio, dict):
        return _given(corpus, corpus.audio)
    paths = in_a_tuple(corpus.audio)
    return _split(_distinct(_read(paths, corpus)), corpus, CARVED, f"audio: {', '.join(paths)}")


def whole_sound(corpus: RecordingsCorpusConfig) -> list[Recording]:
    """Every recording of files, whatever split it would be in. Raises InputError where there is none."""
    return _distinct(_read(corpus.paths, corpus))


def _read(paths: Sequence[str], corpus: RecordingsCorpusConfig) -> list[Recording]:
    return [one for _, one in read_files(paths, "audio", lambda file: read_recordings(file, corpus))]


def _distinct(recordings: Iterable[Recording]) -> list[Recording]:
    """Each sound once. Raises InputError where one has two labels, or some have none."""
    found: dict[bytes, Recording] = {}
    for recording in recordings:
        same = found.setdefault(recording.digest, recording)
        if same.label != recording.label:
            raise InputError(
                f"{recording.place}: the same sound as {same.place}, of {recording.label!r} here and of {same.label!r} "
                "there"
            )
    labelled = {one.label is not None: one for one in found.values()}
    if len(labelled) > 1:
        raise InputError(f"{labelled[False].place}: has no label, as others have")
    return [found[digest] for digest in sorted(found)]


def _split(recordings: Sequence[Recording], corpus: RecordingsConfig, names: Sequence[str], what: str) -> Recordings:
    """Recordings of one heap as the corpus says: groups that are held out, then `names` that have none carved out."""
    groups = {one.group for one in recordings if one.group is not None}
    of_group = {str(group): split for split, several in corpus.held_out.items() for group in several}
    if missing := next((group for group in of_group if group not in groups), None):
        known = sorted(groups)
        raise InputError(
            f"{what}: held_out: there is no group {missing!r}{closest(missing, known)}; there is {listed(known)}"
        )
    if corpus.knows_groups and (alone := next((one for one in recordings if one.group is None), None)):
        raise InputError(f"{alone.place}: has no group, as others have")
    by_group = corpus.knows_groups if corpus.split is None else corpus.split == "group"
    held: Recordings = {
        split: [one for one in recordings if of_group.get(one.group or "") == split] for split in corpus.held_out
    }
    left = [one for one in recordings if (one.group or "") not in of_group]
    return {**_dealt(left, [name for name in names if name not in held], by_group, what), **held}


def _dealt(recordings: Sequence[Recording], names: Sequence[str], by_group: bool, what: str) -> Recordings:
    """Some 5 % of the samples for each of `names`, in whole recordings or groups; the rest is for training."""
    heaps: dict[str, list[Recording]] = defaultdict(list)
    for one in recordings:
        heaps[str(one.group) if by_group else one.digest.hex()].append(one)
    order = sorted(heaps, key=lambda key: sha256(key.encode()).hexdigest() if by_group else key)
    sizes = {key: sum(len(one.tokens) for one in heaps[key]) for key in order}
    remedy = "give train, validation and test, or name groups by `held_out`" if by_group else "add more"
    parts = carve(sizes, names, what, remedy, "group" if by_group else "recording")
    return {split: _in_order(one for key in keys for one in heaps[key]) for split, keys in parts.items()}


def _in_order(recordings: Iterable[Recording]) -> list[Recording]:
    return sorted(recordings, key=lambda one: one.digest)


def _given(corpus: RecordingsCorpusConfig, paths: Mapping[Any, str | tuple[str, ...]]) -> Recordings:
    require_all_splits(paths, "audio")
    parts = {name: _read(in_a_tuple(paths[name]), corpus) for name in SPLITS}
    _distinct(one for recordings in parts.values() for one in recordings)  # labels agree across splits too
    seen: dict[bytes, str] = {}
    for name, recordings in parts.items():
        for one in recordings:
            if (other := seen.setdefault(one.digest, name)) != name:
                raise InputError(f"{one.place}: the same sound is in {other} and in {name}")
    _require_groups_apart(parts)
    return {name: _distinct(recordings) for name, recordings in parts.items()}


def _require_groups_apart(parts: Recordings, remedy: str = "") -> None:
    """Raises InputError where a group, such as a speaker, is in two splits."""
    found: dict[str, str] = {}
    for name, recordings in parts.items():
        for one in recordings:
            if one.group is not None and (other := found.setdefault(one.group, name)) != name:
                raise InputError(f"{one.place}: the group {one.group!r} is in {other} and in {name}{remedy}")


def _of_dataset(corpus: RecordingsDatasetConfig) -> Recordings:
    """The data set's own splits; validation and test are carved out of train where it has none. A sound that it has in
    several of them stays in test, or else in validation."""
    what = f"dataset: {corpus.name}"
    rows = loaded_rows(corpus, what)
    parts = {name: list(read_rows(part, corpus.audio, corpus, f"{what}, {name}")) for name, part in rows.items()}
    if corpus.held_out:  # groups decide, whatever the data set's own splits are
        parts = {"train": [one for recordings in parts.values() for one in recordings]}
    _distinct(one for recordings in parts.values() for one in recordings)
    taken: set[bytes] = set()
    for name in [name for name in reversed(SPLITS) if name in parts]:
        parts[name] = [one for one in _distinct(parts[name]) if one.digest not in taken]
        taken |= {one.digest for one in parts[name]}
        if not parts[name]:
            raise InputError(f"{what}: the {name} split holds no sound of its own")
    if corpus.split != "recording":
        _require_groups_apart(parts, "; `held_out` names groups of validation and test, `split: recording` lets it be")
    missing = [name for name in CARVED if name not in parts]
    return {**parts, **(_split(parts["train"], corpus, missing, what) if missing else {})}
