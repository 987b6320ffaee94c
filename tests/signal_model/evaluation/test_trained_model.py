"""A trained model: what it scores, that a checkpoint gives it back, and what it says."""

from __future__ import annotations

import copy
import math
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from typer.testing import CliRunner

from signal_model.cli import app
from signal_model.config import ModelConfig, Recipe
from signal_model.data.corpus import Corpus
from signal_model.data.tokenizers import ByteTokenizer
from signal_model.evaluation import scores as evaluation
from signal_model.evaluation.generation import filter_logits, generate, stream_text
from signal_model.evaluation.scores import fixed_windows, loss_by_position, score_text
from signal_model.model import SignalLLM, build_model
from signal_model.support.errors import InputError
from signal_model.training.checkpoints import load_checkpoint, save_checkpoint
from signal_model.training.trainer import run_recipe
from tests.conftest import assert_one_clear_line, command
from tests.tools.models import CPU, HYBRID


@pytest.fixture(scope="module")
def trained(corpus: Corpus, text_folder: Path) -> tuple[SignalLLM, Recipe]:
    recipe = Recipe.model_validate(
        {
            "model": HYBRID,
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


# --- scores ---------------------------------------------------------------------------------------


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


def test_loss_of_an_untrained_model_is_that_of_guessing(corpus: Corpus) -> None:
    model = build_model(ModelConfig.model_validate(HYBRID), 0)
    window = torch.from_numpy(fixed_windows(corpus.validation, 48, 480))
    with torch.no_grad():
        loss = F.cross_entropy(model(window[:, :-1]).flatten(0, 1), window[:, 1:].flatten())
    assert float(loss) == pytest.approx(math.log(256), abs=0.15)


@pytest.mark.parametrize("tokenizer", ["bytes", "{kind: bpe, size: 300}"])
@pytest.mark.parametrize("length", [None, 24])
def test_a_model_is_scored_on_the_whole_of_another_text_in_its_own_tokens(
    tokenizer: str, length: int | None, tmp_path: Path, text_folder: Path
) -> None:
    def run(*arguments: object) -> str:
        result = CliRunner().invoke(app, [*map(str, arguments)])
        assert result.exit_code == 0, result.exception
        return str(result.stdout)

    vocabulary = 256 if tokenizer == "bytes" else 300
    layers = "layers: [{mixer: {kind: harmonic}}]"
    (tmp_path / "model.yaml").write_text(f"{{width: 16, context: 32, vocab_size: {vocabulary}, {layers}}}")
    run("train", tmp_path / "model.yaml", "--corpus", text_folder, "--tokenizer", tokenizer, "--steps", 2,
        "--device", "cpu", "--output", tmp_path / "model")  # fmt: skip
    held_out = "A text that nobody has trained on, of two lines,\nand in one file. " * 5
    (tmp_path / "held-out.txt").write_text(held_out)
    model, _, own = load_checkpoint(tmp_path / "model", torch.device("cpu"))
    tokens = [own.end_of_text, *own.encode(held_out).tolist(), own.end_of_text]
    step, nats = length or 32, 0.0
    for start in range(0, len(tokens) - 1, step):
        window = torch.tensor([tokens[start : start + step + 1]])
        with torch.no_grad():
            scores = model(window[:, :-1]).log_softmax(-1)
        nats -= scores.gather(-1, window[:, 1:, None]).sum().item()
    expected = nats / math.log(2) / len(held_out.encode())
    options = ["--device", "cpu", *(["--length", length] if length else [])]
    said = run("evaluate", tmp_path / "model", "--corpus", tmp_path / "held-out.txt", *options)
    found = re.fullmatch(r"all of (.*): (.*) bits per byte, .* over ([\d,]+) tokens", said.strip())
    assert found
    assert found[1] == str(tmp_path / "held-out.txt")
    assert float(found[2]) == pytest.approx(expected, abs=2e-6)
    assert int(found[3].replace(",", "")) == len(tokens) - 1
    split = ["--corpus", text_folder, "--split", "test"]
    assert run("evaluate", tmp_path / "model", *split, *options).startswith("test of files ")


def test_a_corpus_that_has_changed_since_is_not_taken_for_held_out(tmp_path: Path, text_folder: Path) -> None:
    """A split is dealt out by what documents say: a model may have read what is in validation now."""
    texts = shutil.copytree(text_folder, tmp_path / "texts")
    (tmp_path / "model.yaml").write_text("{width: 16, context: 32, layers: [{mixer: {kind: harmonic}}]}")
    made = command("signal-model", "train", tmp_path / "model.yaml", "--corpus", texts, "--steps", 2,
                   "--output", tmp_path / "model")  # fmt: skip
    assert made.returncode == 0, made.stderr
    assert command("signal-model", "evaluate", tmp_path / "model").stdout.startswith("validation of files ")
    with (texts / "ast.txt").open("a") as file:
        file.write("# A line more.\n")
    assert_one_clear_line(command("signal-model", "evaluate", tmp_path / "model"), "its corpus is not what it was when")
    named = command("signal-model", "evaluate", tmp_path / "model", "--corpus", texts, "--split", "test")
    assert named.stdout.startswith("test of files ")


# --- checkpoint and generation --------------------------------------------------------------------


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
    for nothing, message in (([], "must hold at least one token"), ([104, 256], "0 to 255, got 256"), ([-1], "got -1")):
        with pytest.raises(InputError, match=f"^prompt: .*{message}"):
            generate(model, nothing, 1)


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
