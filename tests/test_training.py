"""Training, scoring, checkpoints and sampling on real text."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from signal_model.checkpoints import load_checkpoint, save_checkpoint
from signal_model.config import FilesCorpusConfig, ModelConfig, Recipe, TokenizerConfig, TrainingConfig
from signal_model.corpus import Corpus, load_corpus
from signal_model.cost import flops_per_token, recurrent_state_size
from signal_model.errors import InputError
from signal_model.evaluation import fixed_windows, score_text
from signal_model.generation import filter_logits, generate
from signal_model.model import SignalLLM, build_model, count_parameters
from signal_model.training import Diverged, learning_rate_factor, parameter_groups, run_recipe, train, validate

from .test_causality import EMBEDDINGS, MIXERS

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


def test_parameter_groups_hold_every_parameter_once() -> None:
    model = build_model(ModelConfig.model_validate(MIXED), 0)
    groups = parameter_groups(model, 0.1)
    grouped = [parameter for group in groups for parameter in group["params"]]  # type: ignore[attr-defined]
    assert len(grouped) == len({id(parameter) for parameter in grouped})
    assert sum(parameter.numel() for parameter in grouped) == count_parameters(model)


def test_schedule_warms_up_and_falls_as_a_cosine() -> None:
    config = TrainingConfig(steps=100, warmup=0.1, final_learning_rate=0.2)
    factors = [learning_rate_factor(step, config) for step in range(100)]
    np.testing.assert_allclose(factors[:10], np.arange(1, 11) / 10)
    expected = 0.2 + 0.8 * (1 + np.cos(np.pi * np.arange(90) / 89)) / 2
    np.testing.assert_allclose(factors[10:], expected)


def test_divergence_is_an_error_not_a_number(corpus: Corpus) -> None:
    model = build_model(ModelConfig.model_validate(MIXED), 0)
    with torch.no_grad():
        model.norm.weight.fill_(float("inf"))
    with pytest.raises(Diverged):
        train(model, corpus, TrainingConfig(steps=2, batch_size=2), CPU)


def test_score_is_the_mean_surprise_of_each_next_token(corpus: Corpus, trained: tuple[SignalLLM, Recipe]) -> None:
    """Bits per byte from windows of any batch size equal a loop over tokens."""
    model, _ = trained
    windows = fixed_windows(corpus.validation, 48, 480)
    score = score_text(model, windows, corpus.tokenizer.byte_lengths, CPU, batch_size=3)
    nats = 0.0
    with torch.no_grad():
        for window in windows:
            probabilities = model(torch.from_numpy(window[None, :-1]))[0].double().softmax(-1)
            nats -= sum(math.log(float(probabilities[t, window[t + 1]])) for t in range(48))
    assert score.tokens == windows[:, 1:].size
    assert score.bytes == int((windows[:, 1:] != 0).sum())  # the end of a document stands for no byte
    assert score.bits_per_byte == pytest.approx(nats / math.log(2) / score.bytes, rel=1e-5)


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


def test_top_k_and_top_p() -> None:
    logits = torch.log(torch.tensor([0.5, 0.3, 0.15, 0.05]))
    assert filter_logits(logits, 2, None).isfinite().tolist() == [True, True, False, False]
    assert filter_logits(logits, None, 0.8).isfinite().tolist() == [True, True, False, False]
    assert filter_logits(logits, None, 0.81).isfinite().tolist() == [True, True, True, False]
    assert filter_logits(logits, None, 1e-300).isfinite().tolist() == [True, False, False, False]
    assert filter_logits(logits.flip(0), None, 0.01).isfinite().tolist() == [False, False, False, True]


@pytest.mark.parametrize("embedding", EMBEDDINGS, ids=str)
@pytest.mark.parametrize("mixer", MIXERS[:5], ids=str)
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
