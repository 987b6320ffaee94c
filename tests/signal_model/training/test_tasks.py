"""A classifier reads whole recordings, is scored by every one of them, and is trained and resumed as all models are."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from signal_model.config import ModelConfig, Recipe, TokenizerConfig, TrainingConfig
from signal_model.data.corpus import Corpus, load_corpus
from signal_model.data.mulaw import LEVELS
from signal_model.model import build_model
from signal_model.support.errors import InputError
from signal_model.training.batches import RecordingEpochs, Recordings, Sounds, Varied
from signal_model.training.checkpoints import load_training, save_training
from signal_model.training.tasks import task_of
from signal_model.training.trainer import Trainer, run_recipe, score_split
from tests.conftest import command
from tests.tools.sounds import RATE, WORDS, write_words

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_words(tmp_path_factory.mktemp("words") / "words")


@pytest.fixture(scope="module")
def recipe(folder: Path) -> Recipe:
    held_out = {"validation": ["s1"], "test": ["s4", "s6"]}
    names = {"names": "{label}_{group}_*", "held_out": held_out}
    return Recipe.model_validate(
        {
            "task": "classification",
            "model": {
                "classes": 3,
                "context": 900,
                "width": 16,
                "causal": False,
                "front_end": {"kind": "strided", "stride": 20, "taps": 40, "filters": 16},
                "layers": [{"mixer": {"kind": "harmonic", "bases": 4}, "feedforward": {"kind": "mlp", "expansion": 1}}],
            },
            "training": {"steps": 60, "batch_size": 8, "learning_rate": 0.01, "windows": "epochs"},
            "corpus": {"audio": f"{folder}/*.wav", "rate": RATE, **names},
        }
    )


@pytest.fixture(scope="module")
def corpus(recipe: Recipe) -> Corpus:
    assert recipe.corpus is not None
    return load_corpus(recipe.corpus, recipe.tokenizer)


def alone(corpus: Corpus, split: str) -> list[np.ndarray]:
    """The samples of each recording, read off the tokens in another way."""
    recordings = getattr(corpus, split).tobytes()[:-1].split(b"\0")
    return [LEVELS[np.frombuffer(one, np.uint8)] for one in recordings]


def test_a_batch_holds_what_was_recorded_and_silence_behind_it(corpus: Corpus) -> None:
    sounds, expected = Sounds(corpus, "train", 900), alone(corpus, "train")
    samples, lengths, labels = sounds.heard(np.arange(len(sounds)))
    assert samples.shape[1] == lengths.max() == 900
    assert (labels == corpus.labels["train"]).all()
    for row, length, whole in zip(samples, lengths, expected, strict=True):
        assert length == min(len(whole), 900)
        spare = len(whole) - length
        assert (row[:length] == whole[spare // 2 : spare // 2 + length]).all()
        assert not row[length:].any()
    places = set()
    for seed in range(30):  # in training, some place of a longer one
        rows, lengths, _ = sounds.heard(np.arange(len(sounds)), np.random.default_rng(seed))
        longest = int(np.argmax([len(whole) for whole in expected]))
        found = np.lib.stride_tricks.sliding_window_view(expected[longest], 900)
        places |= {*np.flatnonzero((found == rows[longest]).all(axis=1)).tolist()}
    assert len(places) > 10


def test_recordings_are_varied_in_speed_and_noise(recipe: Recipe, corpus: Corpus) -> None:
    """Against numpy's own interpolation, and by how loud the noise is that was added."""
    sounds, whole = Sounds(corpus, "train", 2**14), alone(corpus, "train")
    numbers = np.tile(np.arange(len(sounds)), 20)
    samples, lengths, _ = sounds.heard(numbers, np.random.default_rng(3), Varied(speed=0.25))
    speeds = np.exp(np.random.default_rng(3).uniform(-1, 1, len(numbers)) * np.log(1.25))
    assert speeds.min() < 0.82 < 1.22 < speeds.max()
    for row, length, number, speed in zip(samples, lengths, numbers, speeds, strict=True):
        played = np.arange(length) * speed
        assert played[-1] <= len(whole[number]) - 1 < played[-1] + speed
        choices = [np.interp(played + start, np.arange(len(whole[number])), whole[number]) for start in (0, 1)]
        assert min(np.abs(row[:length] - choice).max() for choice in choices) < 1e-5
        assert not row[length:].any()
    quiet = sounds.heard(numbers, np.random.default_rng(4))
    noisy = sounds.heard(numbers, np.random.default_rng(4), Varied(noise=0.1))
    added = [(a - b)[:n] for a, b, n in zip(noisy[0], quiet[0], quiet[1], strict=True)]
    loudness = np.log10([np.sqrt((one**2).mean()) for one in added])
    assert (loudness > -3.1).all()
    assert (loudness < -0.9).all()
    assert loudness.mean() == pytest.approx(-2, abs=0.2)
    assert not any(row[n:].any() for row, n in zip(noisy[0], noisy[1], strict=True))
    drawn = [
        task_of(recipe.model).batches(recipe.model, recipe.training.model_copy(update=changes), corpus).next()
        for changes in ({}, {"speed_change": 0.2}, {"noise": 0.1})
    ]
    assert len({batch[0].tobytes() for batch in drawn}) == 3
    held = sounds.heard(numbers[:2], None, Varied(0.25, 0.1))  # what is scored is as it was recorded
    assert all((one == other).all() for one, other in zip(held, sounds.heard(numbers[:2]), strict=True))


def test_epochs_have_each_recording_once_and_go_on_where_they_were(corpus: Corpus) -> None:
    sounds = Sounds(corpus, "train", 600)  # shorter than all: each place is drawn
    batches = RecordingEpochs(sounds, 7, seed=1)
    seen = [batches._drawn() for _ in range(len(sounds))]
    counts = np.bincount(np.concatenate(seen), minlength=len(sounds))
    assert (counts == 7).all()
    for kind in (RecordingEpochs, Recordings):
        first, again = kind(sounds, 7, seed=1), kind(sounds, 7, seed=2)
        for _ in range(9):
            again.load_state_dict(json.loads(json.dumps(first.state_dict())))
            expected, found = first.next(), again.next()
            assert all((one == other).all() for one, other in zip(expected, found, strict=True))


def test_a_score_is_of_every_recording_alone(recipe: Recipe, corpus: Corpus) -> None:
    model = build_model(recipe.model, 3).eval()
    score = score_split(model, corpus, "test", recipe.training, CPU)
    nats, confusion = 0.0, np.zeros((3, 3), int)
    for whole, label in zip(alone(corpus, "test"), corpus.labels["test"], strict=True):
        spare = max(0, len(whole) - 900)
        heard = torch.from_numpy(whole[spare // 2 : spare // 2 + 900].copy())[None]
        with torch.no_grad():
            logits = model(heard)
        nats += float(F.cross_entropy(logits, torch.tensor([label])))
        confusion[label, int(logits.argmax())] += 1
    count = 3 * 2 * 2
    figures = score.figures
    assert figures["confusion"] == confusion.tolist()
    assert figures["bits_per_label"] == pytest.approx(nats / math.log(2) / count, rel=1e-4)
    assert figures["error_rate"] == pytest.approx(1 - np.trace(confusion) / count)
    told = {tuple(json.loads(name.partition(":")[2])): n for name, n in score.details(WORDS).items()}
    assert sum(told.values()) == count
    assert all(told[WORDS[row], WORDS[column]] == confusion[row, column] for row, column in np.argwhere(confusion))


def test_a_classifier_learns_and_is_resumed_to_the_bit(recipe: Recipe, corpus: Corpus, tmp_path: Path) -> None:
    model, training, score = run_recipe(recipe, corpus, CPU)
    assert training.curve[0].bits_per_byte > 1.2 > 0.6 > training.curve[-1].bits_per_byte
    assert score.figures["error_rate"] <= 1 / 6
    first = Trainer(build_model(recipe.model, recipe.training.seed), corpus, recipe.training, CPU)
    first.run(until=21)
    save_training(tmp_path, first, recipe, corpus.content_hash)
    again = Trainer(build_model(recipe.model, 99), corpus, recipe.training, CPU)
    load_training(tmp_path, again, recipe, corpus.content_hash)
    points = again.run().curve
    assert [point.bits_per_byte for point in points] == [point.bits_per_byte for point in training.curve]
    for one, other in zip(model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_parts_of_a_batch_give_the_gradient_of_the_whole(recipe: Recipe, corpus: Corpus) -> None:
    curves = []
    for accumulation in (1, 4):
        settings = recipe.training.model_copy(update={"accumulation": accumulation, "steps": 8})
        trainer = Trainer(build_model(recipe.model, 0), corpus, settings, CPU)
        curves.append([point.nats_per_token for point in trainer.run().curve])
    np.testing.assert_allclose(*curves, rtol=1e-4)


# --- what does not fit ------------------------------------------------------------------------------


def changed(recipe: Recipe, folder: Path, keep: Any, **settings: Any) -> tuple[Recipe, Corpus]:
    """The recipe on some of the files, with other settings."""
    files = [str(file) for file in sorted(folder.iterdir()) if keep(file.stem.split("_"))]
    corpus = recipe.to_dict()["corpus"] | {"audio": files} | settings
    found = Recipe.model_validate(recipe.to_dict() | {"corpus": corpus})
    assert found.corpus is not None
    return found, load_corpus(found.corpus, TokenizerConfig())


def test_a_corpus_that_is_not_of_the_classes_is_refused(recipe: Recipe, folder: Path) -> None:
    for keep, settings, message in (
        (lambda name: name[0] == "low", {}, "all recordings are of one class, 'low'"),
        (lambda name: name[0] != "rise", {}, r"model.classes: 3 are not the 2 of corpus sounds \w+ \(high, low\)"),
        (lambda name: name[:2] != ["rise", "s1"], {}, "its validation split has no recording of rise; give splits"),
        (lambda name: True, {"names": "*_{group}_*"}, "has no labels to learn; a corpus of sound says where they are"),
    ):
        found, corpus = changed(recipe, folder, keep, **settings)
        with pytest.raises(InputError, match=message):
            Trainer(build_model(found.model, 0), corpus, found.training, CPU)
    _, corpus = changed(recipe, folder, lambda name: True)
    for model, names in ((ModelConfig(), ("speed_change", "noise")), (recipe.model, ("spectral_loss_weight",))):
        for name in names:
            told = f"training.{name}: is of .*, not of {task_of(model).name}; accepted: 0, got 0.1"
            training = TrainingConfig.model_validate({name: 0.1})
            with pytest.raises(InputError, match=told):
                task_of(model).check(model, training, corpus)
            with pytest.raises(ValueError, match=told.partition(": ")[2]):
                Recipe(task=task_of(model).name, model=model, training=training)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "language_modelling"}, "task: classification is for models that have classes"),
        ({"task": "clasification"}, "Input should be 'language_modelling' or 'classification'"),
        ({"model": {"causal": False}}, "task: classification needs their number"),
        ({"task": "language_modelling", "model": {"causal": False}}, "needs true: false would hear the token"),
    ],
)
def test_a_task_and_a_model_that_differ_are_refused(recipe: Recipe, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Recipe.model_validate(recipe.to_dict() | changes)


def test_a_recipe_says_its_task_where_it_is_another(recipe: Recipe, tmp_path: Path) -> None:
    assert "task" not in Recipe.model_validate({"model": {}}).to_dict()
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    (tmp_path / "model.yaml").write_text(recipe.model.to_yaml())
    assert Recipe.load(tmp_path / "recipe.yaml") == recipe
    assert Recipe.load(tmp_path / "model.yaml").task == "classification"


# --- the command line -------------------------------------------------------------------------------


def test_a_classifier_on_the_command_line(recipe: Recipe, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    trained = command("signal-model", "train", tmp_path / "recipe.yaml", "--output", tmp_path / "m", "--threads", 1)
    assert trained.returncode == 0, trained.stderr
    assert "bits per label" in trained.stdout
    assert "better than what needs no model (most frequent label 0.6667)" in trained.stdout
    figures = json.loads((tmp_path / "m" / "figures.json").read_text())
    wrong = figures["validation"]["error_rate"]
    assert f"validation {wrong:.2%} wrong" in trained.stdout
    again = command("signal-model", "evaluate", tmp_path / "m", "--threads", 1)
    assert again.returncode == 0, again.stderr
    assert f"{wrong:.2%} wrong, {figures['validation']['bits_per_label']:.4f} bits per label over 6" in again.stdout
    others = f"{{audio: '{folder}/*_s3_*.wav', rate: {RATE}, names: '{{label}}_*'}}"
    heard = command("signal-model", "evaluate", tmp_path / "m", "--corpus", others)
    assert "over 6 recordings" in heard.stdout, heard.stderr
    assert [line.split()[0] for line in heard.stdout.splitlines()[-3:]] == ["high", "low", "rise"]

    unknown = f"{{audio: '{folder}/*_s3_*.wav', rate: {RATE}, names: '*_{{label}}_*'}}"
    for arguments, message in (
        (("evaluate", tmp_path / "m", "--corpus", unknown), "'s3' is none of the model's classes: high, low, rise"),
        *(
            (("evaluate", tmp_path / "m", *option), f"{option[0]}: is of models of tokens")
            for option in (("--by-position",), ("--length", 8), ("--stride", 8), ("--tokens", 8))
        ),
        (("generate", tmp_path / "m", "--output", tmp_path / "a.wav"), "a classifier cannot generate"),
        (("export", tmp_path / "m", "--output", tmp_path / "hf"), "is a model of sound, not of text"),
        (("train", tmp_path / "recipe.yaml", "--output", tmp_path / "n", "--corpus", "python"), "has no labels to"),
        (("train", tmp_path / "recipe.yaml", "--output", tmp_path / "n", "--corpus", "chirps"), "3 are not the 8"),
    ):
        refused = command("signal-model", *arguments)
        assert refused.returncode == 2, arguments
        assert message in refused.stderr, refused.stderr
