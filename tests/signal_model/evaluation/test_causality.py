"""No output depends on later input: every part, every length, two dtypes; and who leaks is caught."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hrfevo.space.genome import Genome
from hrfevo.space.reading import load_space, parse_space
from hrfevo.workers.base import Job
from hrfevo.workers.evaluation import TrainingEvaluator
from signal_model.config import FeedForwardConfig, FilterBankConfig, LayerConfig, MixerConfig, ModelConfig
from signal_model.data.corpus import load_corpus
from signal_model.evaluation.causality import causality_tolerance, causality_violation
from signal_model.layers.feedforward import build_feedforward
from signal_model.layers.filter_bank import build_filter_bank
from signal_model.layers.mixers import Mixer, build_mixer
from signal_model.layers.mixers.base import State
from signal_model.layers.registry import implements
from signal_model.model import SignalLLM, build_model
from tests.tools.parts import built_in

WIDTH = 8
MIXERS = [
    {"kind": "attention", "heads": 2},
    {"kind": "attention", "heads": 2, "rotary": False, "short_convolution": 3},
    {"kind": "attention", "heads": 2, "window": 5},
    {"kind": "attention", "heads": 2, "window": 1},
    {"kind": "fourier_attention", "heads": 2},
    {"kind": "fourier_attention", "heads": 4, "timescales": [0.5, 1e6]},
    {"kind": "harmonic", "bases": 4},
    {"kind": "harmonic", "bases": 3, "heads": 2, "spacing": "linear", "short_convolution": 1},
    {"kind": "wavelet", "families": ["db2"], "levels": 4},
    {"kind": "wavelet", "families": ["haar", "bior2.2", "sym4"], "levels": 3, "heads": 2, "taps": 1},
    {"kind": "wavelet", "families": ["dmey"], "levels": 2},
    {"kind": "selective", "heads": 2, "bases": 3},
    {"kind": "selective", "heads": 2, "bases": 3, "short_convolution": 1, "select_decay": False, "bias": False},
    {"kind": "gated_linear", "heads": 2},
    {"kind": "gated_delta", "heads": 2, "key_expansion": 0.5, "value_expansion": 1.0, "short_convolution": 1},
    {"kind": "convolution", "taps": 5},
]
FEEDFORWARDS = [
    *({"kind": kind, "activation": a} for kind in ("mlp", "spectral") for a in ("gelu", "relu2", "swiglu")),
]
EMBEDDINGS = [
    {"kind": "standard"},
    {"kind": "spectral", "bases": 3, "frequencies": [0.5, 4]},
    {"kind": "spectral", "bases": 3, "frequencies": [0.5, 4], "spacing": "mel", "learnable_frequencies": True},
    {"kind": "hybrid", "bases": 3, "frequencies": [0.5, 4], "spacing": "log"},
    *({"kind": "basis", "bases": 5, "functions": functions} for functions in ("dct", "fourier", "learned")),
    {"kind": "basis", "bases": 5, "functions": "wavelet", "wavelet": "db2"},
]
FILTER_BANKS = [
    {"kind": "learned", "filters": 4, "scales": 3, "taps": 4},
    {"kind": "learned", "filters": 1, "scales": 1, "taps": 2},
]
POSITIONS = [{"kind": "signal", "bases": 4}, {"kind": "signal", "bases": 3, "learnable_frequencies": False}]
Rounding = dict[torch.dtype, float]
# Direct sums give the past bit for bit. Fourier transforms round relative to the largest value of the
# sequence, in float32 for bfloat16 input too, where that moves a result by one unit in the last place at most.
ROUNDING = {torch.float32: 2e-6, torch.bfloat16: 2**-7}
# The product of three spectra is rounded relative to its largest value; early positions, where few terms add up, are
# divided by less.
ROUNDING_OF_PRODUCTS = {torch.float32: 2e-4, torch.bfloat16: 2**-6}

lengths = st.integers(1, 300)
dtypes = st.sampled_from([torch.float32, torch.bfloat16])
seeds = st.integers(0, 2**20)


def model_config(**settings: object) -> ModelConfig:
    return ModelConfig.model_validate({"width": WIDTH, "context": 300, "vocab_size": 17} | settings)


def assert_same_past(before: Tensor, after: Tensor, cut: int, rounding: Rounding | None = None) -> None:
    """Outputs (T, …) agree before position `cut`."""
    assert before.isfinite().all()
    if rounding is None:
        assert torch.equal(before[:cut], after[:cut])
    elif cut:
        tolerance = rounding[before.dtype] * max(float(before.abs().max()), float(after.abs().max()))
        assert float((before[:cut] - after[:cut]).abs().max()) <= tolerance


def test_every_mixer_is_asked() -> None:
    assert {mixer["kind"] for mixer in MIXERS} == {*built_in(MixerConfig)}


@pytest.mark.parametrize("settings_", MIXERS, ids=str)
@given(length=lengths, dtype=dtypes, seed=seeds, data=st.data())
@settings(max_examples=40)
def test_mixers(settings_: dict[str, object], length: int, dtype: torch.dtype, seed: int, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, length - 1))
    torch.manual_seed(seed)
    config = MixerConfig.parse(settings_)
    rounded = dict.fromkeys(("harmonic", "selective", "gated_linear", "gated_delta"), ROUNDING)
    rounding = (rounded | {"fourier_attention": ROUNDING_OF_PRODUCTS}).get(config.kind)
    check_mixer(build_mixer(config, model_config()).to(dtype), length, dtype, cut, rounding)


@pytest.mark.parametrize("settings_", FILTER_BANKS, ids=str)
@given(length=lengths, dtype=dtypes, seed=seeds, data=st.data())
@settings(max_examples=40)
def test_filter_banks(
    settings_: dict[str, object], length: int, dtype: torch.dtype, seed: int, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, length - 1))
    torch.manual_seed(seed)
    bank = build_filter_bank(FilterBankConfig.parse(settings_), model_config())
    assert bank is not None
    check_mixer(bank.to(dtype), length, dtype, cut, ROUNDING)


def check_mixer(mixer: Mixer, length: int, dtype: torch.dtype, cut: int, rounding: Rounding | None) -> None:
    x = torch.randn(1, length, WIDTH, dtype=dtype)
    changed = x.clone()
    changed[:, cut:] = torch.randn(1, length - cut, WIDTH, dtype=dtype) * 10
    with torch.no_grad():
        before, after = mixer(x)[0], mixer(changed)[0]
    assert_same_past(before, after, cut, rounding)
    assert not torch.equal(before[cut:], after[cut:])


@pytest.mark.parametrize("settings_", FEEDFORWARDS, ids=str)
@given(length=lengths, dtype=dtypes, seed=seeds, data=st.data())
@settings(max_examples=20)
def test_feedforwards(
    settings_: dict[str, object], length: int, dtype: torch.dtype, seed: int, data: st.DataObject
) -> None:
    """A feed-forward sees one position only: neither past nor future."""
    position = data.draw(st.integers(0, length - 1))
    torch.manual_seed(seed)
    module = build_feedforward(FeedForwardConfig.parse(settings_), model_config()).to(dtype)
    x = torch.randn(length, WIDTH, dtype=dtype)
    changed = x.clone()
    changed[position] += 1
    with torch.no_grad():
        before, after = module(x), module(changed)
    others = torch.arange(length) != position
    assert torch.equal(before[others], after[others])
    assert not torch.equal(before[position], after[position])


@pytest.mark.parametrize("settings_", EMBEDDINGS, ids=str)
@given(length=lengths, dtype=dtypes, seed=seeds, data=st.data())
@settings(max_examples=20)
def test_embeddings_and_heads(
    settings_: dict[str, object], length: int, dtype: torch.dtype, seed: int, data: st.DataObject
) -> None:
    """Whole models, so that embedding and tied head are tried where they are used."""
    cut = data.draw(st.integers(0, length - 1))
    config = model_config(embedding=settings_, layers=[{"mixer": {"kind": "attention", "heads": 2}}])
    model = build_model(config, seed).to(dtype)
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(17, (1, length), generator=generator)
    changed = tokens.clone()
    changed[:, cut:] = (changed[:, cut:] + 1) % 17
    with torch.no_grad():
        before, after = model(tokens)[0], model(changed)[0]
    assert_same_past(before, after, cut)
    assert not torch.equal(before[cut:], after[cut:])


@pytest.mark.parametrize("mixer", MIXERS, ids=str)
def test_the_probe_passes_every_mixer_in_float64(mixer: dict[str, object]) -> None:
    layer = {"mixer": mixer, "feedforward": {"kind": "spectral"}, "filter_bank": FILTER_BANKS[0]}
    model = build_model(model_config(context=100, layers=[layer], positions=POSITIONS[0]), 0)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert causality_violation(model, 100) < 1e-12
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


# --- a mixer that leaks, registered as any user's would be ----------------------------------------


class LeakyConfig(MixerConfig):
    kind: Literal["leaky"] = "leaky"
    amount: float = 1.0


@implements(LeakyConfig)
class LeakyMixer(Mixer):
    """Adds the mean over the whole sequence, as earlier spectral models did."""

    def __init__(self, config: LeakyConfig, model: ModelConfig) -> None:
        super().__init__()
        self.amount = config.amount
        self.output = torch.nn.Linear(model.width, model.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.output(x + self.amount * x.mean(1, keepdim=True))
        return result

    def start(self, batch: int) -> State:
        return []

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        return self.output(x), state


@pytest.mark.parametrize("amount", [1.0, 1e-6])
def test_the_probe_catches_leaks_however_small(amount: float) -> None:
    config = model_config(context=64, layers=(LayerConfig(mixer=LeakyConfig(amount=amount)),))
    model = SignalLLM(config)
    assert causality_violation(model, 64) > 10 * causality_tolerance(torch.device("cpu"))


def test_a_leaking_genome_is_recorded_as_failed(tiny_space) -> None:
    text = tiny_space.read_text().replace("[attention, harmonic, wavelet]", "[attention, wavelet, leaky]")
    space = parse_space(text, "space")
    evaluator = TrainingEvaluator(space, load_corpus(space.corpus, space.tokenizer), "cpu")

    def outcome_of(mixer: str):
        layer = {"mixer.kind": mixer, "feedforward.expansion": 1.0}
        genome = Genome({"training.learning_rate": 0.01, "embedding.kind": "standard", "layers": [layer]})
        return evaluator(Job(0, genome, 0, 0))

    leaky, honest = outcome_of("leaky"), outcome_of("attention")
    assert leaky.status == "failed"
    assert leaky.reason.startswith("leak: looks at future tokens")
    assert "bits_per_byte" not in leaky.metrics
    assert honest.status == "finished"
    assert np.isfinite(honest.metrics["bits_per_byte"])


def test_a_leak_that_appears_in_training_is_caught_too(tiny_space, monkeypatch: pytest.MonkeyPatch) -> None:
    """The weights that score are probed, not only the initial ones."""
    space, _ = load_space(tiny_space)
    evaluator = TrainingEvaluator(space, load_corpus(space.corpus, space.tokenizer), "cpu")
    import hrfevo.workers.evaluation as evaluation

    violations = iter([0.0, 0.5])
    monkeypatch.setattr(evaluation, "causality_violation", lambda *_: next(violations))
    layer = {"mixer.kind": "attention", "feedforward.expansion": 1.0}
    genome = Genome({"training.learning_rate": 0.01, "embedding.kind": "standard", "layers": [layer]})
    assert evaluator(Job(0, genome, 0, 0)).reason.startswith("leak")
