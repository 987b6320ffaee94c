"""Sound is read whole whatever it is stored in, splits share nothing, a model of it speaks, errors say what to do."""

from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from signal_model.config import AnyCorpus, TokenizerConfig
from signal_model.config.corpus import SPLITS
from signal_model.data.chirps import KINDS, chirps
from signal_model.data.content import read_content
from signal_model.data.corpus import Corpus, load_corpus
from signal_model.data.mulaw import LEVELS, MuLaw, mulaw_decode, mulaw_encode
from signal_model.data.recordings import read_sound
from signal_model.data.sound import sound_splits, whole_sound
from signal_model.data.splits import carve
from signal_model.support.errors import InputError
from signal_model.support.files import error_message
from tests.conftest import assert_one_clear_line, command

RATE = 8000
CORPUS: TypeAdapter[Any] = TypeAdapter(AnyCorpus)


def read(settings: Any, folder: Path) -> Corpus:
    return load_corpus(CORPUS.validate_python(settings), TokenizerConfig(), folder / "tokens")


def sound(number: int, rate: int = RATE, seconds: float = 0.1) -> np.ndarray:
    """A chord of its own for each number, far below half of any rate that is tried."""
    time = np.arange(round(seconds * rate)) / rate
    return 0.4 * np.sin(2 * np.pi * (200 + 10 * number) * time) + 0.2 * np.sin(2 * np.pi * 330 * time)


def recordings_of(corpus: Corpus, split: str) -> list[bytes]:
    """The recordings of a split, by what ends them."""
    tokens = getattr(corpus, split).tobytes()
    assert tokens.endswith(b"\0")
    return tokens[:-1].split(b"\0")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty recordings: five words by six speakers, twice."""
    folder = tmp_path_factory.mktemp("speech")
    for number in range(60):
        word, speaker = number % 5, number // 5 % 6
        soundfile.write(folder / f"{word}_s{speaker}_{number}.wav", sound(number), RATE)
    return folder


# --- μ-law ----------------------------------------------------------------------------------------


def test_every_byte_stands_for_the_sample_that_the_curve_says() -> None:
    curved = 2 * np.arange(256) / 255 - 1
    assert np.allclose(LEVELS, np.sign(curved) * (256.0 ** np.abs(curved) - 1) / 255, atol=1e-7)
    assert (mulaw_encode(LEVELS) == np.arange(256)).all()


@given(st.lists(st.floats(-2, 2), min_size=1))
def test_a_sample_becomes_the_level_that_is_nearest_along_the_curve(samples: list[float]) -> None:
    heard = np.clip(samples, -1, 1)
    found = mulaw_decode(mulaw_encode(np.array(samples)))
    curve = lambda x: np.sign(x) * np.log1p(255 * np.abs(x)) / np.log(256)  # noqa: E731
    assert (np.abs(curve(found) - curve(heard)) <= 1 / 255 + 1e-6).all()
    tokens = MuLaw(RATE).encode(np.array(samples))
    assert tokens.min() >= 1  # none is the end of a recording
    assert len(MuLaw(RATE).decode([*tokens, 0])) == len(samples)


# --- what sound is stored in ------------------------------------------------------------------------


def test_any_width_number_of_channels_and_container_is_the_same_sound(tmp_path: Path) -> None:
    codes = {}
    heard = sound(3)
    for subtype in ("PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"):
        soundfile.write(tmp_path / f"{subtype}.wav", heard, RATE, subtype=subtype)
    soundfile.write(tmp_path / "flac.flac", heard, RATE)
    soundfile.write(tmp_path / "stereo.wav", np.stack([1.5 * heard, 0.5 * heard], axis=1), RATE)
    np.savez(tmp_path / "floats.npz", waves=heard[None])
    np.savez(tmp_path / "pcm.npz", waves=np.rint(heard * 32768).astype(np.int16), lengths=[len(heard)])
    np.savez(tmp_path / "mulaw.npz", waves=mulaw_encode(heard), lengths=[len(heard)])
    (tmp_path / "pcm.npz").rename(tmp_path / "PCM.NPZ")
    for file in tmp_path.iterdir():
        (one,) = tokens_of(file)
        codes[file.name] = one
    for subtype in ("GSM610", "G721_32"):  # lossy, and in whole blocks
        soundfile.write(tmp_path / f"{subtype}.wav", heard, RATE, subtype=subtype)
        with (tmp_path / f"{subtype}.wav").open("rb") as opened:
            spoken = read_sound(opened, subtype, RATE)
        assert len(heard) <= len(spoken) < 2 * len(heard)
        assert np.corrcoef(spoken[: len(heard)], heard)[0, 1] > 0.95
    exact = MuLaw(RATE).encode(heard).astype(int)
    for name, found in codes.items():
        assert np.abs(found.astype(int) - exact).max() <= 1, name
    assert (codes["mulaw.npz"] == exact).all()


def tokens_of(file: Path, rate: int = RATE) -> list[np.ndarray]:
    return [one.tokens for one in whole_sound(CORPUS.validate_python({"audio": str(file), "rate": rate}))]


@pytest.mark.parametrize("own", [11025, 16000, 44100, 6000])
def test_another_rate_is_resampled_to_the_same_sound(tmp_path: Path, own: int) -> None:
    soundfile.write(tmp_path / "one.wav", sound(3, own, 0.5), own, subtype="FLOAT")
    (found,) = tokens_of(tmp_path / "one.wav")
    expected = sound(3, RATE, 0.5)
    assert len(found) == pytest.approx(len(expected), abs=1)
    inside = slice(200, len(expected) - 200)  # the filter has nothing beyond either end
    assert np.abs(mulaw_decode(found)[inside] - expected[inside]).max() < 0.03


def test_columns_of_a_data_set_are_read(tmp_path: Path, folder: Path) -> None:
    import datasets

    files = sorted(map(str, folder.iterdir()))
    words = [Path(file).name[0] for file in files]
    speakers = [Path(file).name[2:4] for file in files]
    features = datasets.Features(
        {"sound": datasets.Audio(), "word": datasets.ClassLabel(names=list("01234")), "who": datasets.Value("string")}
    )
    sounds = [{"bytes": Path(file).read_bytes(), "path": None} for file in files]
    columns = {"sound": sounds, "word": list(map(int, words)), "who": speakers}
    datasets.Dataset.from_dict(columns).cast(features).save_to_disk(tmp_path / "set")
    columns_of = {"rate": RATE, "label": "word", "group": "who"}
    loaded = read({"dataset": str(tmp_path / "set"), "audio": "sound", **columns_of}, tmp_path)
    direct = read({"audio": str(folder), "rate": RATE, "names": "{label}_{group}_*"}, tmp_path)
    assert loaded.classes == direct.classes == tuple("01234")
    assert loaded.content_hash == direct.content_hash
    with pytest.raises(InputError, match=r"column 'word' holds .*, not sound"):
        read({"dataset": str(tmp_path / "set"), "audio": "word", "rate": RATE}, tmp_path)
    unknown = columns | {"word": [-1, *columns["word"][1:]]}  # of no class, as `datasets` has it
    datasets.Dataset.from_dict(unknown).cast(features).save_to_disk(tmp_path / "unknown")
    with pytest.raises(InputError, match=r"row 0: has no label, as others have"):
        read({"dataset": str(tmp_path / "unknown"), "audio": "sound", **columns_of}, tmp_path)
    # Splits of its own that share a speaker are refused, as those of files are, unless that is what is asked for.
    parts = {split: [*range(at, len(files), 2)] for at, split in enumerate(("train", "test"))}
    halves = {split: datasets.Dataset.from_dict(columns).cast(features).select(rows) for split, rows in parts.items()}
    datasets.DatasetDict(halves).save_to_disk(tmp_path / "halves")
    own = {"dataset": str(tmp_path / "halves"), "audio": "sound", **columns_of}
    with pytest.raises(InputError, match=r"the group 's\d' is in train and in test; `held_out` names groups"):
        read(own, tmp_path)
    assert read({**own, "split": "recording"}, tmp_path).classes == direct.classes


# --- splits and labels ------------------------------------------------------------------------------


def test_labels_stay_with_their_recordings_and_groups_in_one_split(folder: Path, tmp_path: Path) -> None:
    settings = {"audio": f"{folder}/*.wav", "rate": RATE, "names": "{label}_{group}_*"}
    corpus = read(settings, tmp_path)
    word_of = {MuLaw(RATE).encode(sound(number)).tobytes(): str(number % 5) for number in range(60)}
    speaker_of = {MuLaw(RATE).encode(sound(number)).tobytes(): number // 5 % 6 for number in range(60)}
    speakers, seen = [], 0
    for split in SPLITS:
        found = [nearest(one, word_of) for one in recordings_of(corpus, split)]
        labels = [corpus.classes[label] for label in corpus.labels[split]]
        assert labels == [word_of[one] for one in found]
        speakers.append({speaker_of[one] for one in found})
        seen += len(found)
    assert seen == 60
    assert sum(map(len, speakers)) == 6  # none in two

    held = read(settings | {"held_out": {"test": ["s2"]}, "split": "recording"}, tmp_path)
    assert {speaker_of[nearest(one, word_of)] for one in recordings_of(held, "test")} == {2}
    assert 0 < len(recordings_of(held, "validation")) < 10


def nearest(found: bytes, known: dict[bytes, str]) -> bytes:
    """Which of the known sounds, that differ far more, a file of 16 bits holds."""
    codes = np.frombuffer(found, np.uint8).astype(int)
    return min(known, key=lambda one: np.abs(np.frombuffer(one, np.uint8) - codes).sum())


def test_a_split_depends_on_the_sounds_alone(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other" / "deep").mkdir(parents=True)
    for index, file in enumerate(sorted(folder.iterdir(), reverse=True)):
        (tmp_path / "other" / "deep" / f"{index}.wav").write_bytes(file.read_bytes())
        (tmp_path / "other" / f"again-{index}.wav").write_bytes(file.read_bytes())  # counts once
    one = read({"audio": str(folder), "rate": RATE}, tmp_path)
    other = read({"audio": f"{tmp_path}/other/**/*.wav", "rate": RATE}, tmp_path)
    assert one.content_hash == other.content_hash
    assert [one.classes, one.labels] == [(), {}]


@given(st.dictionaries(st.integers(), st.integers(1, 1000), max_size=40), st.sampled_from([(), ("v",), ("v", "t")]))
def test_what_is_carved_is_whole_and_fair(sizes: dict[int, int], names: tuple[str, ...]) -> None:
    if len(sizes) <= len(names):
        with pytest.raises(InputError, match="too few distinct groups to split by group"):
            carve(sizes, names, "x", "y", "group")
        return
    parts = carve(sizes, names, "x", "y", "group")
    assert sorted(key for keys in parts.values() for key in keys) == sorted(sizes)
    assert all(parts.values())
    share = sum(sizes.values()) / 20
    for name in names:
        assert len(parts[name]) == 1 or sum(sizes[key] for key in parts[name]) <= 2 * share


def test_what_is_built_in_is_the_same_everywhere() -> None:
    splits = sound_splits(CORPUS.validate_python("chirps"))
    groups = [{one.group for one in splits[split]} for split in SPLITS]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 60
    assert all({one.label for one in splits[split]} == {*KINDS} for split in SPLITS)
    assert read_content(CORPUS.validate_python("chirps")).digest.startswith("3d09759620c9a7df")
    assert chirps(seed=1)[0].digest != chirps()[0].digest


# --- bad input --------------------------------------------------------------------------------------


def _write(name: str, samples: np.ndarray, **options: Any) -> Callable[[Path], None]:
    return lambda folder: soundfile.write(folder / name, samples, RATE, **options)


def _cut(name: str, share: float) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        soundfile.write(folder / name, sound(1, seconds=1), RATE)
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[: int(share * len(whole))])

    return write


def _arrays(**arrays: Any) -> Callable[[Path], None]:
    return lambda folder: np.savez(folder / "bad.npz", **arrays)


def _damaged(folder: Path) -> None:
    np.savez_compressed(folder / "bad.npz", waves=TWO)
    whole = bytearray((folder / "bad.npz").read_bytes())
    whole[200:210] = b"\xff" * 10
    (folder / "bad.npz").write_bytes(whole)


def _one_array(folder: Path) -> None:
    with (folder / "bad.npz").open("wb") as file:
        np.save(file, TWO)


def _bytes(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda folder: bool((folder / name).write_bytes(content)) and None


TWO = sound(1)[None].repeat(2, axis=0)


@pytest.mark.parametrize(
    ("write", "settings", "message"),
    [
        (_bytes("bad.wav", b""), {}, r"bad.wav: is no sound, or is damaged"),
        (_bytes("bad.wav", b"# Not sound at all, but a text.\n" * 20), {}, r"bad.wav: is no sound, or is damaged"),
        (_write("bad.wav", sound(1)[:0]), {}, r"bad.wav: is empty: it has no sample"),
        (_cut("bad.wav", 0.5), {}, r"bad.wav: is cut off: its header tells of more samples than the 3,9\d\d"),
        (_cut("bad.wav", 0.001), {}, r"bad.wav: is no sound, or is damaged"),
        (_cut("bad.flac", 0.5), {}, r"bad.flac: is no sound, or is damaged"),
        (_write("bad.wav", sound(1) * np.nan, subtype="FLOAT"), {}, r"bad.wav: some samples are no finite numbers"),
        (_write("bad.wav", 9 * sound(1), subtype="FLOAT"), {}, r"bad.wav: samples must be in \[-1, 1\], got -\d"),
        (_write("word.wav", sound(1)), {"names": "{label}_*"}, r"word.wav: its name is not like '\{label\}_\*'"),
        (_write("0_1.wav", sound(1)), {"label": "digits"}, r"'digits' is an array of npz files"),
        (_bytes("bad.npz", b"PK\3\4 no archive"), {}, r"bad.npz: is no npz file of plain arrays, or is damaged"),
        (_damaged, {}, r"bad.npz: is no npz file of plain arrays, or is damaged"),
        (_one_array, {}, r"bad.npz: is no npz file of plain arrays, or is damaged: File is not a zip file"),
        (_bytes("bad.raw", bytes(range(200))), {}, r"bad.raw: is no sound, or is damaged"),
        (_arrays(waves=np.array([{}], object)), {}, r"bad.npz: is no npz file of plain arrays"),
        (_arrays(wave=TWO), {}, r"bad.npz: has no array 'waves' \(did you mean 'wave'\?\); there is wave"),
        (_arrays(waves=TWO[0], lengths=[5]), {}, r"bad.npz: waves must have one axis, of as many samples as lengths"),
        (_arrays(waves=TWO[0], lengths=[-5, 805]), {}, r"bad.npz: waves must have one axis, of as many samples"),
        (
            _arrays(waves=np.stack([sound(1), sound(2)]), word=[1.0, np.nan]),
            {"label": "word"},
            r"bad.npz\[1\]: has no label, as others have",
        ),
        (_arrays(waves=TWO, who=[1]), {"group": "who"}, r"bad.npz: who has the shape \(1,\) for 2 recordings"),
        (_arrays(waves=9 * TWO), {}, r"bad.npz\[0\]: samples must be in \[-1, 1\], got -[\d.]+ to [\d.]+"),
        (_arrays(waves=TWO * np.nan), {}, r"bad.npz\[0\]: samples must be in \[-1, 1\], got nan to nan"),
        (_arrays(waves=TWO.astype(np.complex64)), {}, r"waves are of type complex64; accepted: uint8 \(μ-law\)"),
        *(
            (_arrays(waves=TWO, rate=rate), {}, r"bad.npz: rate must be one whole number of samples per second, got")
            for rate in (0, -8000, 8000.5, np.inf, "8 kHz", [8000, 8000])
        ),
        (
            _arrays(waves=(9999 * TWO).astype(np.int64)),
            {},
            r"waves are of type int64; accepted: uint8 \(μ-law\), int8,",
        ),
        (_arrays(waves=TWO[:0]), {}, r"bad.npz: is empty: it has no recording"),
        (_arrays(waves=TWO[0], lengths=[len(TWO[0]), 0]), {}, r"bad.npz\[1\]: is empty"),
        *(
            (_arrays(waves=TWO, words=words), {"label": "words"}, r"\[1\]: the same sound as .*\[0\], of '2' here and")
            for words in ([1, 2], ["1", "2"], [b"1", b"2"])
        ),
        (_arrays(waves=TWO), {}, r"too few distinct recordings to split by recording \(1\); add more"),
        (
            _arrays(waves=np.stack([sound(1), sound(2)]), who=["anna", "otto"]),
            {"group": "who", "held_out": {"test": ["ana"]}},
            r"held_out: there is no group 'ana' \(did you mean 'anna'\?\); there is anna and otto",
        ),
        (
            _arrays(waves=np.stack([sound(1), sound(2)]), who=["anna", "otto"]),
            {"group": "who", "held_out": {"test": ["anna"]}},
            r"too few distinct groups to split by group \(1\); give train, validation and test, or name groups by",
        ),
        (lambda folder: None, {}, r"audio: .*: holds no file"),
    ],
)
def test_what_cannot_be_read_is_said(
    tmp_path: Path, write: Callable[[Path], None], settings: dict[str, Any], message: str
) -> None:
    (tmp_path / "in").mkdir()
    write(tmp_path / "in")
    with pytest.raises(InputError, match=message):
        read({"audio": str(tmp_path / "in"), "rate": RATE, **settings}, tmp_path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"audio": "x"}, "is missing"),
        ({"audio": "x", "rate": 0}, "expected at least 100, got 0"),
        ({"audio": "", "rate": RATE}, "names no file"),
        ({"audio": "x", "rate": RATE, "names": "*_{word}"}, "expected {label}, {group} or both, each once"),
        ({"audio": "x", "rate": RATE, "names": "{label}/*", "label": "y"}, "label: is said twice"),
        ({"audio": "x", "rate": RATE, "held_out": {"test": ["a"]}}, "held_out needs groups: name their array"),
        ({"audio": "x", "rate": RATE, "group": "g", "held_out": {"tset": ["a"]}}, "expected groups of validation and"),
        (
            {"audio": "x", "rate": RATE, "group": "g", "held_out": {"test": ["a"], "validation": ["b", "a"]}},
            "a cannot be in two splits",
        ),
        (
            {"audio": {"train": "x", "validation": "y", "test": "z"}, "rate": RATE, "split": "recording"},
            "audio: gives its splits, so leave out split",
        ),
        ({"adio": "x"}, "is no corpus (did you mean 'audio'?); accepted: python, chirps, a mapping with `path`"),
        ("chirp", "'chirp' is no corpus (did you mean 'chirps'?)"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: Any, message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        CORPUS.validate_python(settings)
    assert message in error_message(caught.value.errors(include_url=False)[0])


def test_given_splits_share_no_sound_and_no_speaker(tmp_path: Path) -> None:
    for split, numbers in (("train", (0, 1, 2)), ("validation", (3,)), ("test", (4,))):
        (tmp_path / split).mkdir()
        for number in numbers:
            soundfile.write(tmp_path / split / f"{number}_s{number}.wav", sound(number), RATE)
    settings = {"audio": {split: str(tmp_path / split) for split in SPLITS}, "rate": RATE, "names": "{label}_{group}"}
    assert [len(recordings_of(read(settings, tmp_path), split)) for split in SPLITS] == [3, 1, 1]
    soundfile.write(tmp_path / "test" / "5_s0.wav", sound(5), RATE)
    with pytest.raises(InputError, match=r"test/5_s0.wav: the group 's0' is in train and in test"):
        read(settings, tmp_path)
    soundfile.write(tmp_path / "test" / "5_s0.wav", sound(3), RATE)
    with pytest.raises(InputError, match=r"5_s0.wav: the same sound as .*3_s3.wav, of '5' here and of '3' there"):
        read(settings, tmp_path)
    with pytest.raises(InputError, match=r"test/5_s0.wav: the same sound is in validation and in test"):
        read({"audio": settings["audio"], "rate": RATE}, tmp_path)


def test_other_tokenizers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="tokenizer: bpe 512: sound is of 256 μ-law bytes, one for each sample"):
        load_corpus(CORPUS.validate_python("chirps"), TokenizerConfig(kind="bpe", size=512), tmp_path)


# --- the command line -------------------------------------------------------------------------------


def test_a_model_of_sound_is_trained_scored_and_heard(tmp_path: Path, folder: Path, text_folder: Path) -> None:
    (tmp_path / "model.yaml").write_text(
        "model: {width: 16, context: 64, layers: [{mixer: {kind: harmonic, bases: 4}}]}\n"
        "training: {steps: 20, batch_size: 4, validation_tokens: 512}\n"
        f"corpus: {{audio: '{folder}/*.wav', rate: 8000}}\n"
    )
    trained = command("signal-model", "train", tmp_path / "model.yaml", "--output", tmp_path / "model")
    assert trained.returncode == 0, trained.stderr
    assert "bits per sample, " in trained.stdout
    assert "bits per byte" not in trained.stdout
    scored = command("signal-model", "evaluate", tmp_path / "model", "--split", "test")
    assert "bits per sample" in scored.stdout, scored.stderr

    (begun,) = sorted(folder.glob("0_s0_0.wav"))
    heard = command(
        "signal-model",
        "generate",
        tmp_path / "model",
        "--prompt",
        begun,
        "--tokens",
        50,
        "--output",
        tmp_path / "a.wav",
    )
    assert heard.returncode == 0, heard.stderr
    prompt, rate = soundfile.read(begun)
    with wave.open(str(tmp_path / "a.wav")) as written:
        assert (written.getframerate(), written.getnchannels(), written.getsampwidth()) == (rate, 1, 2)
    spoken, _ = soundfile.read(tmp_path / "a.wav")
    assert len(prompt) < len(spoken) <= len(prompt) + 50
    assert np.abs(spoken[: len(prompt)] - prompt).max() < 0.03

    for arguments, message in (
        (("generate", tmp_path / "model"), "is a model of sound; say where to write with --output FILE.wav"),
        (("generate", tmp_path / "model", "--output", "x.wav", "--prompt", "no.wav"), "no file of sound can be read"),
        (("generate", tmp_path / "model", "--output", tmp_path), "cannot be written"),
        (("evaluate", tmp_path / "model", "--corpus", text_folder), "is a model of sound, not of text"),
        (("evaluate", tmp_path / "model", "--corpus", f"{{audio: '{begun}', rate: 16000}}"), "corpus.rate: the model"),
        (("export", tmp_path / "model", "--output", tmp_path / "hf"), "is a model of sound, not of text"),
    ):
        assert_one_clear_line(command("signal-model", *arguments), message)
