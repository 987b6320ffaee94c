"""Training, scoring, checkpoints and sampling on real text."""

from __future__ import annotations

import copy
import json
import math
import os
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from signal_model.analysis.counting import flops_per_token, recurrent_state_size
from signal_model.config import FilesCorpusConfig, ModelConfig, Recipe, TokenizerConfig, TrainingConfig
from signal_model.config.presets import PRESETS
from signal_model.data.corpus import Corpus, load_corpus
from signal_model.data.tokenizers import ByteTokenizer
from signal_model.evaluation import scores as evaluation
from signal_model.evaluation.generation import filter_logits, generate, stream_text
from signal_model.evaluation.scores import fixed_windows, loss_by_position, score_text
from signal_model.model import SignalLLM, build_model, count_parameters
from signal_model.support.errors import InputError
from signal_model.training.batches import Epochs
from signal_model.training.checkpoints import load_checkpoint, load_training, save_checkpoint, save_training
from signal_model.training.muon import Muon
from signal_model.training.optimizers import build_optimizers, learning_rate_factor, set_learning_rates
from signal_model.training.trainer import Diverged, Trainer, run_recipe, train, validate
from signal_model.transforms.spectra import spectral_roughness
from tests.conftest import command
from tests.signal_model.evaluation.test_causality import EMBEDDINGS, MIXERS
from tests.tools.forks import Forked

CPU = torch.device("cpu")
MIXED = {
    "context": 48,
    "width": 32,
    "embedding": {"kind": "hybrid", "bases": 8, "frequencies": [0.5, 8], "learnable_frequencies": True},
    "layers": [
        {"mixer": {"kind": "harmonic", "bases": 4}, "feedforward": {"kind": "spectral"}},
        {"mixer": {"kind": "wavelet", "levels": 3, "families": ["haar", "db2"]}},
        {"mixer": {"kind": "attention", "heads": 2}},
    ],
}


@pytest.fixture(scope="module")
def corpus(text_folder: Path) -> Corpus:
    return load_corpus(FilesCorpusConfig(path=str(text_folder)), TokenizerConfig())


@pytest.fixture(scope="module")
def trained(corpus: Corpus, text_folder: Path) -> tuple[SignalLLM, Recipe]:
    recipe = Recipe.model_validate(
        {
            "model": MIXED,
            "training": {"steps": 60, "batch_size": 8, "learning_rate": 1e-2, "validation_tokens": 4096},
            "corpus": {"path": str(text_folder)},
        }
    )
    model, training, score = run_recipe(recipe, corpus, CPU)
    assert training.curve[-1].step == 60
    assert training.tokens == 60 * 8 * 48
    assert training.curve[-1].bits_per_byte < 0.75 * training.curve[0].bits_per_byte
    assert 2 < score.bits_per_byte < 5.5
    return model, recipe


def test_training_is_repeatable_to_the_bit_and_depends_on_the_seed(corpus: Corpus) -> None:
    def losses(seed: int) -> list[float]:
        config = TrainingConfig(steps=6, batch_size=2, seed=seed)
        model = build_model(ModelConfig.model_validate(MIXED), seed)
        return [point.nats_per_token for point in train(model, corpus, config, CPU).curve]

    assert losses(1) == losses(1)
    assert losses(1) != losses(2)


def test_weight_decay_is_for_matrices_and_coefficients_only() -> None:
    kinds = ("harmonic", "fourier_attention", "attention")
    layers = [{"mixer": {"kind": kind}, "filter_bank": {"kind": "learned"}} for kind in kinds]
    spectral = {"kind": "spectral", "frequencies": [1, 8], "learnable_frequencies": True}
    config = {"width": 16, "layers": layers, "embedding": spectral, "positions": {"kind": "signal"}}
    model = build_model(ModelConfig.model_validate(config), 0)
    (adamw,) = build_optimizers(model, TrainingConfig(weight_decay=0.1))
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    assert sorted(names.values()) == sorted(names[id(p)] for group in adamw.param_groups for p in group["params"])
    spared = {names[id(p)] for p in adamw.param_groups[1]["params"]}
    assert [group["weight_decay"] for group in adamw.param_groups] == [0.1, 0.0]
    ends = ("frequencies", "log_frequency", "log_decay", "log_scale", "short.weight", "filters", "norm.weight")
    assert all(name.endswith(ends) for name in spared)
    assert {name.rsplit(".", 2)[-1] for name in names.values() if name not in spared} == {"weight", "coefficients"}


def test_a_step_is_timed_as_if_nothing_else_ran(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine of ten steps are held up by another program; the time of a step is that of the others."""
    config = TrainingConfig(steps=40, batch_size=2)
    trainer = Trainer(build_model(ModelConfig.model_validate(MIXED), 0), corpus, config, CPU)
    ticks, real = iter(range(10**6)), trainer._take_step

    def held_up() -> None:
        clock[0] += 0.5 if next(ticks) % 10 else 0.25
        real()

    clock = [0.0]
    monkeypatch.setattr(trainer, "_take_step", held_up)
    monkeypatch.setattr("signal_model.training.trainer.time.perf_counter", lambda: clock[0])
    assert trainer.run().step_seconds == pytest.approx(0.25)


def test_schedule_warms_up_and_falls_as_a_cosine() -> None:
    config = TrainingConfig(steps=100, warmup=0.1, final_learning_rate=0.2)
    factors = [learning_rate_factor(step, config) for step in range(100)]
    np.testing.assert_allclose(factors[:10], np.arange(1, 11) / 10)
    expected = 0.2 + 0.8 * (1 + np.cos(np.pi * np.arange(90) / 89)) / 2
    np.testing.assert_allclose(factors[10:], expected)


def test_stable_rate_then_straight_line_down() -> None:
    config = TrainingConfig(steps=100, warmup=0.1, final_learning_rate=0.2, schedule={"kind": "wsd", "decay": 0.25})  # type: ignore[arg-type]
    factors = [learning_rate_factor(step, config) for step in range(100)]
    np.testing.assert_allclose(factors[:10], np.arange(1, 11) / 10)
    np.testing.assert_allclose(factors[10:75], 1)
    np.testing.assert_allclose(factors[74:], np.linspace(1, 0.2, 26))


def test_muon_takes_the_matrices_of_blocks_and_adamw_the_rest() -> None:
    model = build_model(ModelConfig.model_validate(MIXED), 0)
    muon, adamw = build_optimizers(model, TrainingConfig(optimizer={"kind": "muon", "learning_rate": 0.05}))  # type: ignore[arg-type]
    assert isinstance(muon, Muon)
    assert isinstance(adamw, torch.optim.AdamW)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    by_muon, by_adamw = (
        {names[id(p)] for group in optimizer.param_groups for p in group["params"]} for optimizer in (muon, adamw)
    )
    assert by_muon | by_adamw == {name for name, p in model.named_parameters() if p.requires_grad}
    assert not by_muon & by_adamw
    assert {"blocks.0.mixer.project.weight", "blocks.2.feedforward.output.weight"} <= by_muon
    assert {"embedding.standard.weight", "blocks.0.mixer.coefficients", "blocks.0.mixer.short.weight"} <= by_adamw
    set_learning_rates([muon, adamw], 0.5)
    assert {group["lr"] for group in muon.param_groups} == {0.025}
    assert {group["lr"] for group in adamw.param_groups} == {0.0015}


def test_a_batch_in_parts_gives_the_gradients_of_the_whole(corpus: Corpus) -> None:
    gradients, losses = [], []
    for accumulation in (1, 4):
        model = build_model(ModelConfig.model_validate(MIXED), 0)
        config = TrainingConfig(steps=1, batch_size=8, accumulation=accumulation, spectral_loss_weight=0.1)
        losses.append(train(model, corpus, config, CPU).curve[0].nats_per_token)
        gradients.append([p.grad for p in model.parameters() if p.grad is not None])
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    for whole, parts in zip(*gradients, strict=True):
        torch.testing.assert_close(whole, parts, atol=1e-6, rtol=1e-3)


def test_the_spectral_loss_smooths_embeddings_and_stays_out_of_the_curve(corpus: Corpus) -> None:
    assert spectral_roughness(torch.ones(3, 8)) == 0
    assert spectral_roughness(torch.tensor([1.0, -1.0]).repeat(3, 4)) == 1
    noise = torch.randn(2000, 128, generator=torch.Generator().manual_seed(0))
    assert float(spectral_roughness(noise)) == pytest.approx(1 / 3, abs=0.01)
    frequencies = np.fft.fftfreq(9)[None] * 9 / 4.5
    power = np.abs(np.fft.fft(noise[:5, :9].double().numpy())) ** 2
    expected = ((power * frequencies**2).sum(1) / power.sum(1)).mean()
    assert float(spectral_roughness(noise[:5, :9].double())) == pytest.approx(expected, rel=1e-9)
    roughness, first_loss = [], []
    for weight in (0.0, 5.0):
        model = build_model(ModelConfig(context=48, width=32), 0)
        config = TrainingConfig(steps=20, batch_size=8, learning_rate=1e-2, spectral_loss_weight=weight)
        first_loss.append(train(model, corpus, config, CPU).curve[0].nats_per_token)
        roughness.append(spectral_roughness(model.embedding(torch.arange(256))).item())
    assert roughness[1] < 0.8 * roughness[0]
    assert first_loss[0] == first_loss[1]


@pytest.mark.parametrize(("optimizer", "windows"), [("adamw", "random"), ("muon", "epochs")])
def test_a_resumed_training_is_the_training_it_would_have_been(
    optimizer: str, windows: str, corpus: Corpus, text_folder: Path, tmp_path: Path
) -> None:
    """To the bit: stop at a point, write, read into another trainer built anew, go on."""
    recipe = Recipe.model_validate(
        {
            "model": MIXED,
            "training": {"steps": 40, "batch_size": 4, "optimizer": {"kind": optimizer}, "windows": windows, "seed": 3},
            "corpus": {"path": str(text_folder)},
        }
    )
    whole = Trainer(build_model(recipe.model, 3), corpus, recipe.training, CPU)
    whole.run()
    first = Trainer(build_model(recipe.model, 3), corpus, recipe.training, CPU)
    first.run(until=18)
    save_training(tmp_path, first, recipe, "abc")
    second = Trainer(build_model(recipe.model, 99), corpus, recipe.training, CPU)
    load_training(tmp_path, second, recipe, "abc")
    second.run()
    assert [point.nats_per_token for point in second.curve] == [point.nats_per_token for point in whole.curve]
    assert all(torch.equal(a, b) for a, b in zip(second.model.parameters(), whole.model.parameters(), strict=True))
    other = recipe.model_copy(update={"training": recipe.training.model_copy(update={"steps": 50})})
    with pytest.raises(InputError, match=r"training\.steps was 40 and is 50"):
        load_training(tmp_path, second, other, "abc")
    with pytest.raises(InputError, match="other text"):
        load_training(tmp_path, second, recipe, "abd")
    less = Trainer(build_model(recipe.model, 3), corpus, recipe.training, CPU)
    del less.model.blocks[-1]
    with pytest.raises(InputError, match="another version"):
        load_training(tmp_path, less, recipe, "abc")
    path = tmp_path / "training.safetensors"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="not an unfinished training"):
        load_training(tmp_path, second, recipe, "abc")


def test_killed_in_a_folder_and_resumed_from_the_command_line(text_folder: Path, tmp_path: Path) -> None:
    """The same weights, the same log, nothing in it twice; and TensorBoard's events hold the curve."""
    recipe = {
        "model": {"context": 32, "width": 16, "layers": [{"mixer": {"kind": "harmonic"}}]},
        "training": {"steps": 400, "batch_size": 4, "validation_tokens": 512},
        "corpus": {"path": str(text_folder)},
    }
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    train_command = ["train", tmp_path / "recipe.yaml", "--threads", 1]
    whole = command("signal-model", *train_command, "--output", tmp_path / "whole", "--tensorboard")
    assert whole.returncode == 0, whole.stderr
    killed = [*train_command, "--output", tmp_path / "killed"]
    process = Forked("signal_model.cli", killed, Path(os.devnull), tmp_path / "stderr")
    log = tmp_path / "killed" / "log.jsonl"
    while process.poll() is None and not (log.exists() and log.read_text().count("\n") >= 3):
        time.sleep(0.01)
    process.kill()
    process.wait()
    refused = command("signal-model", *killed)
    assert refused.returncode == 2
    assert "unfinished training; add --resume" in refused.stderr
    resumed = command("signal-model", *killed, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    logs = [(tmp_path / name / "log.jsonl").read_text().splitlines() for name in ("whole", "killed")]
    curves = [[(json.loads(line)["step"], json.loads(line)["nats_per_token"]) for line in lines] for lines in logs]
    assert curves[0] == curves[1]
    assert len(curves[0]) == 20
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "killed")]
    assert weights[0] == weights[1]
    assert not (tmp_path / "killed" / "training.safetensors").exists()
    assert command("signal-model", *train_command, "--output", tmp_path / "whole", "--resume").returncode == 2
    assert tensorboard_curve(tmp_path / "whole" / "tensorboard", "train/nats_per_token") == pytest.approx(
        dict(curves[0])
    )


def test_a_folder_holds_one_training(text_folder: Path, tmp_path: Path) -> None:
    """A new training leaves nothing of the old one, paths hold from anywhere, and what fails early makes no folder."""
    recipe = {
        "model": {"context": 32, "width": 16},
        "training": {"steps": 20, "batch_size": 2, "validation_tokens": 64},
    }
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe | {"corpus": {"path": os.path.relpath(text_folder)}}))
    folder = tmp_path / "model"
    train_command = ("signal-model", "train", tmp_path / "recipe.yaml", "--threads", 1, "--output", folder)
    assert command(*train_command, "--tensorboard").returncode == 0
    again = command(*train_command)
    assert (again.returncode, "holds a trained model" in again.stderr) == (2, True)
    assert command(*train_command, "--overwrite", "--steps", 10).returncode == 0
    assert not (folder / "tensorboard").exists()
    assert len((folder / "log.jsonl").read_text().splitlines()) == 10
    kept = Path(json.loads((folder / "recipe.json").read_text())["corpus"]["path"])
    assert kept.is_absolute()
    assert kept.samefile(text_folder)
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").mkdir()
    blocked = command(*train_command)
    assert (blocked.returncode, "is a folder, where a file" in blocked.stderr) == (2, True)
    unknown = command("signal-model", "train", "signalllm-9m", "--output", tmp_path / "new", "--corpus", "python")
    assert (unknown.returncode, (tmp_path / "new").exists()) == (2, False)


def tensorboard_curve(folder: Path, tag: str) -> dict[int, float]:
    """Read an event file: records of an 8-byte length, 4 bytes of checksum, an Event, 4 more of checksum."""
    from tensorboardX.proto.event_pb2 import Event

    (path,) = folder.glob("events*")
    data, found = path.read_bytes(), {}
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        event = Event.FromString(data[12 : 12 + length])
        found.update((event.step, value.simple_value) for value in event.summary.value if value.tag == tag)
        data = data[length + 16 :]
    return found


@pytest.fixture
def cluster_gone() -> Iterator[dict[str, str]]:
    """The environment of a machine on which a Ray cluster was killed and left its address behind."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # Ray's sockets need a short path
        (Path(folder) / "ray").mkdir()
        (Path(folder) / "ray" / "ray_current_cluster").write_text("127.0.0.1:9")
        yield {"RAY_TMPDIR": folder}


@pytest.mark.slow
def test_two_processes_train_the_model_of_one(text_folder: Path, tmp_path: Path, cluster_gone: dict[str, str]) -> None:
    """Ray Train over gloo: the same losses as a single process, but for rounding."""
    recipe = {
        "model": {"context": 32, "width": 16, "layers": [{"mixer": {"kind": "harmonic", "bases": 4}}, {}]},
        "training": {"steps": 40, "batch_size": 8, "accumulation": 2, "validation_tokens": 512},
        "corpus": {"path": str(text_folder)},
    }
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))

    def train_with(recipe_file: Path, folder: Path, workers: int) -> subprocess.CompletedProcess[str]:
        options = ("--output", folder, "--workers", workers, "--threads", 1)
        # One process needs no Ray, and what three may not is said before there is any.
        environment = cluster_gone if workers == 2 else {}
        return command("signal-model", "train", recipe_file, *options, environment=environment)

    curves = []
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        done = train_with(tmp_path / "recipe.yaml", folder, workers)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("bits per byte") == 21
        curves.append([json.loads(line)["nats_per_token"] for line in (folder / "log.jsonl").read_text().splitlines()])
    np.testing.assert_allclose(*curves, rtol=1e-4)
    assert sorted(p.name for p in (tmp_path / "1").iterdir()) == sorted(p.name for p in (tmp_path / "2").iterdir())
    hopeless = recipe | {"training": recipe["training"] | {"learning_rate": 1e30, "steps": 4}}
    (tmp_path / "hopeless.yaml").write_text(json.dumps(hopeless))
    diverged = train_with(tmp_path / "hopeless.yaml", tmp_path / "4", 2)
    assert (diverged.returncode, diverged.stderr.count("\n")) == (2, 1), diverged.stderr
    assert "training diverged" in diverged.stderr
    odd = train_with(tmp_path / "recipe.yaml", tmp_path / "3", 3)
    assert odd.returncode == 2
    assert "must divide the batch_size of 8" in odd.stderr


@settings(max_examples=200)
@given(st.integers(1, 40), st.integers(1, 400), st.integers(1, 9), st.integers(0, 3))
def test_an_epoch_is_the_whole_text_once(context: int, more: int, batch_size: int, seed: int) -> None:
    tokens = np.arange(context + more)
    windows = Epochs(tokens, context, batch_size, seed)
    seen: set[int] = set()
    for _ in range(4 + 3 * more // (context * batch_size)):
        again = Epochs(tokens, context, batch_size, seed + 1)
        again.load_state_dict(json.loads(json.dumps(windows.state_dict())))
        (batch,) = windows.next()
        assert batch.shape == (batch_size, context + 1)
        assert np.array_equal(again.next()[0], batch)
        for targets in batch[:, 1:].tolist():
            if not seen.isdisjoint(targets):
                assert len(seen) > len(tokens) - 1 - 2 * context, "a token came again before all had been"
                seen = set()
            seen.update(targets)


def test_divergence_is_an_error_not_a_number(corpus: Corpus) -> None:
    model = build_model(ModelConfig.model_validate(MIXED), 0)
    with torch.no_grad():
        model.norm.weight.fill_(float("inf"))
    with pytest.raises(Diverged):
        train(model, corpus, TrainingConfig(steps=2, batch_size=2), CPU)


def test_score_is_the_mean_surprise_of_each_next_token(
    corpus: Corpus, trained: tuple[SignalLLM, Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bits per byte from windows of any batch size equal a loop over tokens."""
    model, _ = trained
    windows = fixed_windows(corpus.validation, 48, 480)
    monkeypatch.setattr(evaluation, "MOST_LOGITS", 3 * 48 * 256)
    score = score_text(model, windows, corpus.tokenizer.byte_lengths, CPU)
    nats = 0.0
    with torch.no_grad():
        for window in windows:
            probabilities = model(torch.from_numpy(window[None, :-1]))[0].double().softmax(-1)
            nats -= sum(math.log(float(probabilities[t, window[t + 1]])) for t in range(48))
    assert score.tokens == windows[:, 1:].size
    assert score.bytes == int((windows[:, 1:] != 0).sum())  # the end of a document stands for no byte
    assert score.bits_per_byte == pytest.approx(nats / math.log(2) / score.bytes, rel=1e-5)


def test_accuracy_perplexity_and_loss_by_position(corpus: Corpus, trained: tuple[SignalLLM, Recipe]) -> None:
    model, _ = trained
    windows = fixed_windows(corpus.validation, 96, 960)  # twice the length of training
    score = score_text(model, windows, corpus.tokenizer.byte_lengths, CPU)
    with torch.no_grad():
        logits = model(torch.from_numpy(windows[:, :-1]))
    targets = torch.from_numpy(windows[:, 1:])
    assert score.accuracy == pytest.approx(float((logits.argmax(-1) == targets).double().mean()))
    assert score.perplexity == pytest.approx(math.exp(score.nats_per_token))
    by_position = loss_by_position(model, windows, 256, CPU)
    expected = -logits.log_softmax(-1).gather(-1, targets[..., None])[..., 0].mean(0)
    np.testing.assert_allclose(by_position, expected, rtol=1e-4)
    assert by_position.mean() == pytest.approx(score.nats_per_token, rel=1e-5)


def test_windows_are_fixed_spread_and_do_not_overlap() -> None:
    tokens = np.arange(1003)
    windows = fixed_windows(tokens, 10, 500)
    assert windows.shape == (50, 11)
    predicted = windows[:, 1:].ravel()
    assert len(set(predicted.tolist())) == predicted.size
    assert windows[-1, 0] >= 900
    assert fixed_windows(tokens, 10, 10**9).shape == (100, 11)
    with pytest.raises(InputError, match="shorter than one window"):
        fixed_windows(tokens[:10], 10, 500)


def test_checkpoint_gives_back_the_model(trained: tuple[SignalLLM, Recipe], corpus: Corpus, tmp_path: Path) -> None:
    model, recipe = trained
    save_checkpoint(tmp_path, model, recipe, corpus.tokenizer, {})
    again, recipe_again, tokenizer = load_checkpoint(tmp_path, CPU)
    assert recipe_again == recipe
    assert tokenizer.to_json() == corpus.tokenizer.to_json()
    tokens = torch.arange(40)[None]
    with torch.no_grad():
        assert torch.equal(again(tokens), model.eval()(tokens))
    weights = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(weights[:-10])
    with pytest.raises(InputError, match=r"model\.safetensors"):
        load_checkpoint(tmp_path, CPU)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(InputError, match="is no checkpoint"):
        load_checkpoint(tmp_path, CPU)


def test_streamed_text_is_the_text_and_never_half_a_character() -> None:
    tokenizer = ByteTokenizer()
    text = "naïve – 日本 🎉 end"
    pieces = list(stream_text(tokenizer, text.encode()))
    assert "".join(pieces) == text
    assert all("\ufffd" not in piece for piece in pieces)
    assert pieces[:3] == ["n", "a", "ï"]
    for broken in (b"ab\xff\xfe", b"\x80\xf0\x9f\x98\x80", b"\x80\x80\xe2\x82\xac", b"cut \xe2\x82"):
        assert "".join(stream_text(tokenizer, broken)) == tokenizer.decode(broken)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_have_the_size_of_their_name(name: str) -> None:
    config = ModelConfig.preset(name)
    with torch.device("meta"):
        size = count_parameters(SignalLLM(config))
    named = float(name.rsplit("-", 1)[1].removesuffix("m")) * 1e6
    assert abs(size / named - 1) < 0.05
    assert config.vocab_size == (256 if name.startswith("tinyshakespeare") else 50257)
    with pytest.raises(InputError, match="did you mean"):
        ModelConfig.preset(name[:-1])


def test_generation_follows_the_parallel_form(trained: tuple[SignalLLM, Recipe]) -> None:
    """Greedy sampling from the recurrent form picks the parallel form's likeliest token each time."""
    model = trained[0].eval()
    prompt = list(b"def forward(")
    produced = list(generate(model, prompt, 30, temperature=0))
    with torch.no_grad():
        logits = model(torch.tensor([prompt + produced[:-1]]))[0]
    assert logits[len(prompt) - 1 :].argmax(-1).tolist() == produced
    assert list(generate(model, prompt, 20, seed=3)) == list(generate(model, prompt, 20, seed=3))
    assert list(generate(model, prompt, 20, seed=3)) != list(generate(model, prompt, 20, seed=4))
    with pytest.raises(InputError, match="prompt"):
        next(generate(model, [], 1))


def test_generation_stops_at_the_token_told_and_at_logits_that_are_none(trained: tuple[SignalLLM, Recipe]) -> None:
    model = copy.deepcopy(trained[0]).eval()
    whole = list(generate(model, b"class", 30, seed=5))
    assert list(generate(model, b"class", 30, seed=5, stop=whole[7])) == whole[: whole.index(whole[7])]
    with torch.no_grad():
        model.norm.weight[0] = math.nan
    for temperature in (0, 1):
        with pytest.raises(InputError, match="finite"):
            next(generate(model, b"class", 3, temperature=temperature))


def test_top_k_and_top_p() -> None:
    logits = torch.log(torch.tensor([0.5, 0.3, 0.15, 0.05]))
    assert filter_logits(logits, 2, None).isfinite().tolist() == [True, True, False, False]
    assert filter_logits(logits, None, 0.8).isfinite().tolist() == [True, True, False, False]
    assert filter_logits(logits, None, 0.81).isfinite().tolist() == [True, True, True, False]
    assert filter_logits(logits, None, 1e-300).isfinite().tolist() == [True, False, False, False]
    assert filter_logits(logits.flip(0), None, 0.01).isfinite().tolist() == [False, False, False, True]


@pytest.mark.parametrize("embedding", EMBEDDINGS, ids=str)
# Who sees but itself weighs it 1 whatever its query is: nothing of that would be trained.
@pytest.mark.parametrize("mixer", [mixer for mixer in MIXERS[:5] if mixer.get("window") != 1], ids=str)
def test_every_part_trains_in_bfloat16_too(
    mixer: dict[str, object], embedding: dict[str, object], corpus: Corpus
) -> None:
    """Mixed precision as CUDA has it, here on the CPU: weights in float32, every one with a gradient."""
    layer = {"mixer": mixer, "feedforward": {"kind": "spectral", "activation": "swiglu"}}
    config = ModelConfig.model_validate({"width": 16, "context": 32, "embedding": embedding, "layers": [layer]})
    model = build_model(config, 0)
    training = TrainingConfig(steps=2, batch_size=2, precision="bfloat16", validation_tokens=64)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    assert math.isfinite(train(model, corpus, training, CPU).curve[-1].nats_per_token)
    assert math.isfinite(validate(model, corpus, training, CPU).bits_per_byte)
    for name, parameter in model.named_parameters():
        assert parameter.dtype == torch.float32
        if parameter.requires_grad:
            assert not torch.equal(parameter, before[name]), f"{name} is not trained"


def test_cost_is_counted_from_the_built_model() -> None:
    """A plain attention model: 2 operations per weight and token, 4·T·D for attention, and little else."""
    config = ModelConfig.model_validate({"context": 64, "width": 64, "layers": [{}, {}]})
    model = build_model(config, 0)
    matrices = sum(p.numel() for p in model.parameters() if p.ndim == 2)
    expected = 2 * matrices + 2 * (4 * 64 * 64)
    assert expected < flops_per_token(model) < 1.1 * expected
    assert recurrent_state_size(model) == 2 * 2 * 64 * 64  # keys and values of two layers
    harmonic = build_model(
        config.model_copy(
            update={"layers": ModelConfig.model_validate({"layers": [{"mixer": {"kind": "harmonic"}}]}).layers}
        ),
        0,
    )
    assert recurrent_state_size(harmonic) == 2 * 16 * 64 + 3 * 3 * 64  # B complex sums, three tokens of q, k and v


def test_loss_of_an_untrained_model_is_that_of_guessing(corpus: Corpus) -> None:
    model = build_model(ModelConfig.model_validate(MIXED), 0)
    window = torch.from_numpy(fixed_windows(corpus.validation, 48, 480))
    with torch.no_grad():
        loss = F.cross_entropy(model(window[:, :-1]).flatten(0, 1), window[:, 1:].flatten())
    assert float(loss) == pytest.approx(math.log(256), abs=0.15)
