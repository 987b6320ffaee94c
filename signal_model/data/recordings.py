"""Recordings in a file or data set: μ-law bytes at one rate, with what they are of and whose they are."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np

from signal_model.config.sound import RecordingsConfig, RecordingsCorpusConfig
from signal_model.data.mulaw import MuLaw, mulaw_decode, mulaw_encode
from signal_model.support.errors import InputError, closest, one_line

# What an npz file calls its arrays: all recordings one after another, and the samples of each.
WAVES, LENGTHS = "waves", "lengths"
# Streams of unknown length are written with these as the size of their data.
_ENDLESS = 2**31 - 2**12


@dataclass(frozen=True)
class Recording:
    """Tokens of a recording, (n,) uint8, without an end; where it comes from, what it is of, and whose it is."""

    tokens: np.ndarray
    place: str
    label: str | None = None
    group: str | None = None

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the sound."""
        return sha256(self.tokens.tobytes()).digest()


def read_recordings(file: Path, corpus: RecordingsCorpusConfig) -> Iterator[Recording]:
    """The recordings of a file: one of a wav or flac file, or of whatever else libsndfile reads, all of an npz file.

    Several channels are mixed to one, the mean of them; any width of samples is read. Raises InputError, naming the
    file, for what is no sound, is cut off or empty, and for a name without its label; OSError where it cannot be read.
    """
    place = f"audio: {file}"
    told = _from_name(file, corpus)
    if file.suffix.lower() == ".npz":
        yield from _of_arrays(file, place, corpus, told)
        return
    if given := corpus.label or corpus.group:
        raise InputError(f"{place}: {given!r} is an array of npz files; what names of files say is told by `names`")
    with file.open("rb") as opened:
        yield Recording(_sound(opened, place, corpus.rate), place, **told)


def read_sound(source: IO[bytes], place: str, rate: int) -> np.ndarray:
    """The samples of a sound file at a rate: (n,) float64 in [-1, 1]. Raises InputError, naming the place.

    Files of floats must keep to that, as arrays must. What a lossy codec decodes may be a little beyond.
    """
    try:
        import soundfile
    except (ImportError, OSError) as error:  # without its package, or without libsndfile
        raise InputError(
            f"{place}: sound is read by soundfile, which is missing ({one_line(error)}); pip install 'hrfevo[audio]'"
        ) from None
    try:
        with soundfile.SoundFile(source) as sound:
            # Of some encodings of telephony, in which nobody can go back, it has to be said how many.
            samples = sound.read(sound.frames, dtype="float64", always_2d=True)
            expected, own, told, kind = sound.frames, sound.samplerate, sound.extra_info, sound.subtype
    except (soundfile.SoundFileError, TypeError) as error:  # bare samples, by their suffix, have no rate
        raise InputError(f"{place}: is no sound, or is damaged: {one_line(error)}") from None
    sizes = re.search(r"data : (\d+) \(should be (\d+)\)", told)
    if len(samples) < expected or (sizes and int(sizes[2]) < int(sizes[1]) < _ENDLESS):
        raise InputError(f"{place}: is cut off: its header tells of more samples than the {len(samples):,} that it has")
    if not len(samples):
        raise InputError(f"{place}: is empty: it has no sample")
    if not np.isfinite(samples).all():
        raise InputError(f"{place}: some samples are no finite numbers")
    if kind in ("FLOAT", "DOUBLE"):
        _require_in_range(samples, place)
    return resampled(samples.mean(axis=1), own, rate)


def resampled(samples: np.ndarray, own: int, rate: int) -> np.ndarray:
    """Samples (n,) of a rate of their own at another: a polyphase low-pass filter (`scipy.signal.resample_poly`)."""
    if own == rate:
        return samples
    from scipy.signal import resample_poly

    ratio = Fraction(rate, own)
    result: np.ndarray = resample_poly(samples, ratio.numerator, ratio.denominator)
    return result


def _sound(source: IO[bytes], place: str, rate: int) -> np.ndarray:
    return MuLaw.tokens(mulaw_encode(read_sound(source, place, rate)))


def _from_name(file: Path, corpus: RecordingsCorpusConfig) -> dict[str, str]:
    """What the name of a file says."""
    if corpus.pattern is None:
        return {}
    found = corpus.pattern.fullmatch(file.with_suffix("").as_posix())
    if found is None:
        raise InputError(f"audio: {file}: its name is not like {corpus.names!r}, which `names` asks for")
    return found.groupdict()


def _of_arrays(file: Path, place: str, corpus: RecordingsCorpusConfig, told: dict[str, str]) -> Iterator[Recording]:
    """Arrays: `waves`, all recordings one after another with their `lengths`, or a recording in each row; and, where
    it says another, the `rate`. Bytes (uint8) are μ-law, int8, int16 and int32 are PCM, and floats are in [-1, 1].
    """
    try:
        with zipfile.ZipFile(file), np.load(file, allow_pickle=False) as archive:
            arrays = {name: np.asarray(archive[name]) for name in archive.files}
    except (ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{place}: is no npz file of plain arrays, or is damaged: {one_line(error)}") from None
    waves = _array(arrays, WAVES, place)
    if waves.ndim == 2:
        recordings = list(waves)
    else:
        lengths = _array(arrays, LENGTHS, place)
        whole = waves.ndim == lengths.ndim == 1 and lengths.dtype.kind in "iu" and lengths.sum() == len(waves)
        if not whole or (lengths < 0).any():
            raise InputError(
                f"{place}: {WAVES} must have one axis, of as many samples as {LENGTHS} says together, or a row for "
                f"each recording; it has the shape {waves.shape}"
            )
        recordings = np.split(waves, np.cumsum(lengths)[:-1])
    if not len(recordings):
        raise InputError(f"{place}: is empty: it has no recording")
    own = _rate(arrays, place, corpus.rate)
    names = {key: name for key, name in (("label", corpus.label), ("group", corpus.group)) if name is not None}
    known = {key: _words(_array(arrays, name, place)) for key, name in names.items()}
    for key, values in known.items():
        if values.shape != (len(recordings),):
            raise InputError(f"{place}: {names[key]} has the shape {values.shape} for {len(recordings):,} recordings")
    for index, recording in enumerate(recordings):
        where = f"{place}[{index}]"
        if not len(recording):
            raise InputError(f"{where}: is empty: it has no sample")
        own_words = {key: _word(values[index]) for key, values in known.items()}
        yield Recording(_tokens(recording, where, own, corpus.rate), where, **told, **own_words)


def _array(arrays: dict[str, np.ndarray], name: str, place: str) -> np.ndarray:
    if name not in arrays:
        raise InputError(f"{place}: has no array {name!r}{closest(name, arrays)}; there is {', '.join(arrays)}")
    return arrays[name]


def _rate(arrays: dict[str, np.ndarray], place: str, expected: int) -> int:
    """Samples per second of arrays that may say so, or else those expected."""
    told = arrays.get("rate", np.array(expected))
    if told.size != 1 or told.dtype.kind not in "iuf" or not told.item() >= 1 or told.item() % 1:
        raise InputError(f"{place}: rate must be one whole number of samples per second, got {one_line(told)}")
    return int(told.item())


def _words(values: np.ndarray) -> np.ndarray:
    """Labels or groups; those that are kept as bytes are text."""
    return np.char.decode(values, "utf-8", "backslashreplace") if values.dtype.kind == "S" else values


def _word(value: Any) -> str | None:
    """A label or group; of what is missing, null or by the custom of tables NaN, there is none."""
    return None if value is None or value != value else str(value)


def _tokens(samples: np.ndarray, place: str, own: int, rate: int) -> np.ndarray:
    """Tokens of samples of any type."""
    if samples.dtype == np.uint8 and own == rate:
        return MuLaw.tokens(samples)
    if samples.dtype == np.uint8:
        values = mulaw_decode(samples).astype(np.float64)
    elif samples.dtype.kind == "i" and samples.dtype.itemsize <= 4:  # of wider ones nobody knows what is loud
        values = samples / -float(np.iinfo(samples.dtype).min)
    elif samples.dtype.kind == "f":
        values = np.asarray(samples, np.float64)
    else:
        raise InputError(
            f"{place}: {WAVES} are of type {samples.dtype}; accepted: uint8 (μ-law), int8, int16, int32, float"
        )
    _require_in_range(values, place)
    return MuLaw.tokens(mulaw_encode(resampled(values, own, rate)))


def _require_in_range(samples: np.ndarray, place: str) -> None:
    """Raises InputError for samples beyond ±1, which would all be cut to that, and for what is no number."""
    if not np.abs(samples).max() <= 1.001:
        raise InputError(f"{place}: samples must be in [-1, 1], got {samples.min():.4g} to {samples.max():.4g}")


def read_rows(rows: Any, column: str, corpus: RecordingsConfig, place: str) -> Iterator[Recording]:
    """The recordings in rows of `datasets`, whose `column` holds sounds. Raises InputError, naming the column."""
    import datasets

    for name in filter(None, (column, corpus.label, corpus.group)):
        if name not in rows.features:
            raise InputError(f"{place}: there is no column {name!r}; there is {', '.join(rows.features)}")
    if not isinstance(rows.features[column], datasets.Audio):
        raise InputError(f"{place}: column {column!r} holds {rows.features[column]}, not sound")
    # Undecoded, so that soundfile reads what libraries of `datasets` would need others for.
    for index, row in enumerate(rows.cast_column(column, datasets.Audio(decode=False))):
        sound, where = row[column], f"{place}, row {index}"
        if sound is None:
            continue
        content = Path(sound["path"]).read_bytes() if sound["bytes"] is None else sound["bytes"]
        tokens = _sound(BytesIO(content), where, corpus.rate)
        yield Recording(tokens, where, _cell(rows, row, corpus.label), _cell(rows, row, corpus.group))


def _cell(rows: Any, row: dict[str, Any], column: str | None) -> str | None:
    """What a row says in a column, a class by its name; of no class is -1, as `datasets` has it."""
    value = None if column is None else row[column]
    name = None if column is None else getattr(rows.features[column], "int2str", None)
    if name is None or value is None:
        return _word(value)
    return None if value == -1 else str(name(value))
