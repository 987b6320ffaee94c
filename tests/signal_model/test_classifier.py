"""Classifiers of sound: front ends, padding, what is refused, and what the probe says of both kinds of models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from signal_model.analysis.costs import component_frame, measure_cost, parameter_frame
from signal_model.analysis.counting import flops_per_token, recurrent_state_size
from signal_model.analysis.filters import impulse_frame, sequence_filters
from signal_model.config import FrontEndConfig, MixerConfig, ModelConfig, Recipe
from signal_model.data.tokenizers import ByteTokenizer
from signal_model.evaluation.causality import causality_fault, causality_violation
from signal_model.evaluation.generation import generate
from signal_model.interchange import SignalLLMConfig
from signal_model.layers.convolution import ShortConvolution
from signal_model.layers.front_end import build_front_end
from signal_model.layers.mixers import Mixer
from signal_model.layers.mixers.base import State
from signal_model.layers.mixers.wavelet import WaveletMixer
from signal_model.layers.registry import implements
from signal_model.model import Block, SignalClassifier, SignalLLM, build_model, count_parameters
from signal_model.support.errors import InputError
from signal_model.training.checkpoints import RECIPE, save_checkpoint
from signal_model.transforms.atrous import causal_decomposition, two_sided_decomposition
from tests.conftest import command
from tests.tools.parts import built_in

CPU = torch.device("cpu")
FRONT_ENDS: list[dict[str, Any]] = [
    {"kind": "strided", "stride": 5, "taps": 12, "filters": 3},
    {"kind": "filter_bank", "stride": 4, "taps": 4, "filters": 3},
    {"kind": "wavelet", "stride": 3, "taps": 8, "wavelet": "db2", "levels": 3},
]
FRONT_ENDS += [one | {"relative": True} for one in FRONT_ENDS]
LAYERS: list[dict[str, Any]] = [
    {"mixer": {"kind": "harmonic", "bases": 3}},
    {"mixer": {"kind": "wavelet", "families": ["haar", "db2"], "levels": 2, "heads": 2}},
    {"mixer": {"kind": "attention", "heads": 2, "short_convolution": 3}},
    {"mixer": {"kind": "attention", "heads": 2, "window": 4}},
    {"mixer": {"kind": "convolution", "taps": 4}, "filter_bank": {"kind": "learned", "filters": 2, "taps": 3}},
]
every_front_end = pytest.mark.parametrize(
    "front_end", FRONT_ENDS, ids=lambda one: one["kind"] + ", relative" * ("relative" in one)
)
both_sides = pytest.mark.parametrize("causal", [True, False], ids=["causal", "two-sided"])


def config(causal: bool, front_end: dict[str, Any], *layers: dict[str, Any], **others: Any) -> ModelConfig:
    told = {"width": 8, "context": 160, "classes": 3, "causal": causal, "front_end": front_end, "layers": [*layers]}
    return ModelConfig.model_validate(told | others)


def classifier(*settings: Any, seed: int = 0, **others: Any) -> SignalClassifier:
    model = build_model(config(*settings, **others), seed)
    assert isinstance(model, SignalClassifier)
    return model


def two_sided_language_model() -> SignalLLM:
    return build_model(
        ModelConfig.model_validate({"width": 8, "context": 16, "causal": False, "layers": LAYERS[:1]}), 0
    )


# --- what it computes -------------------------------------------------------------------------------


def test_every_front_end_is_asked() -> None:
    assert {front_end["kind"] for front_end in FRONT_ENDS} == {*built_in(FrontEndConfig)} - {"tokens"}


@both_sides
@every_front_end
@given(
    lengths=st.lists(st.integers(1, 160), min_size=1, max_size=3),
    layer=st.sampled_from(LAYERS),
    seed=st.integers(0, 99),
)
@settings(max_examples=15)
def test_padding_changes_nothing(
    front_end: dict[str, Any], causal: bool, lengths: list[int], layer: dict[str, Any], seed: int
) -> None:
    """A recording alone and beside longer ones, with whatever stands behind its end, has the same logits."""
    model = classifier(causal, front_end, layer, layer, seed=seed).double()
    samples = model.example(len(lengths), 160, torch.Generator().manual_seed(seed))
    behind = torch.arange(160) >= torch.tensor(lengths)[:, None]
    with torch.no_grad():
        together = model(samples.masked_fill(behind, torch.nan), torch.tensor(lengths))
        for row, length in enumerate(lengths):
            torch.testing.assert_close(model(samples[row : row + 1, :length])[0], together[row], rtol=1e-9, atol=1e-10)


@both_sides
@every_front_end
@pytest.mark.parametrize("length", [1, 3, 40, 41])
def test_front_ends_are_their_sums(front_end: dict[str, Any], causal: bool, length: int) -> None:
    """Each frame from the samples in its reach, one after another; zeros beyond both ends."""
    model = config(causal, front_end, LAYERS[0])
    module = build_front_end(model.front_end, model).double()
    samples = torch.randn(2, length, dtype=torch.float64)
    channels = samples[..., None]

    def levelled(values: torch.Tensor, least: float) -> torch.Tensor:
        if "relative" not in front_end:
            return values
        ends = range(1, values.shape[1] + 1) if causal else [values.shape[1]] * values.shape[1]
        return values / (torch.stack([values[:, :end].mean(1) for end in ends], 1) + least)

    if front_end["kind"] == "wavelet":
        decomposition = causal_decomposition if causal else two_sided_decomposition
        gain = module.get_parameter("log_gain").exp()[:, 0]
        bands = levelled(torch.cat(decomposition(channels, "db2", 3), -1).abs(), 1e-3)
        channels = torch.log1p(gain * bands)
    stride, taps = front_end["stride"], front_end["taps"]
    first = stride - taps if causal else -((taps - stride + 1) // 2)
    filters = module.get_parameter("filters")
    frames, silence = [], torch.zeros_like(channels[:, 0])
    for start in range(first, first + length, stride):
        heard = [channels[:, t] if 0 <= t < length else silence for t in range(start, start + taps)]
        frames.append(torch.einsum("kbc,mck->bm", torch.stack(heard), filters))
    filtered = torch.stack(frames, 1)
    if front_end["kind"] == "strided":
        filtered = levelled(filtered.clamp(min=0), 1e-3) @ module.project.weight.T
    if front_end["kind"] == "filter_bank":
        energy = levelled(filtered[..., :3].square() + filtered[..., 3:].square(), 1e-6)
        filtered = torch.log1p(module.get_parameter("log_gain").exp()[:, 0] * energy) @ module.project.weight.T
    assert filtered.shape[1] == -(-length // stride)
    torch.testing.assert_close(module(samples), filtered + module.silence)


@pytest.mark.parametrize("front_end", FRONT_ENDS[3:], ids=lambda one: one["kind"])
def test_what_is_relative_hears_no_microphone(front_end: dict[str, Any]) -> None:
    """A recording that is louder, and is not silence, sounds the same; silence stays silence."""
    module = build_front_end((model := config(False, front_end, LAYERS[0])).front_end, model).double()
    samples = torch.randn(2, 90, dtype=torch.float64)
    torch.testing.assert_close(module(1e4 * samples), module(1e6 * samples), rtol=1e-4, atol=1e-4)
    silent = module.silence.expand(2, -(-90 // module.stride), -1)
    torch.testing.assert_close(module(1e-9 * samples), silent, rtol=0, atol=1e-4)


def test_a_filter_bank_begins_as_one() -> None:
    """Each pair answers most to a tone of its own frequency, as strongly whatever the phase."""
    model = ModelConfig.model_validate(
        {"context": 8000, "classes": 2, "front_end": {"kind": "filter_bank", "filters": 12}}
    )
    bank = build_front_end(model.front_end, model)
    spectrum = torch.fft.rfft(bank.get_parameter("filters")[:12, 0], n=8000).abs()
    found = spectrum.argmax(-1) / 8000
    assert found[[0, -1]].tolist() == pytest.approx([0.01, 0.45], abs=2e-3)
    assert bool((found.diff() > 0).all())
    tones = torch.sin(2 * torch.pi * found[5] * torch.arange(400) + torch.linspace(0, 3, 5)[:, None])
    cosine, sine = bank.framed(tones[:, None], bank.get_parameter("filters"))[:, :, 5].chunk(2, 1)
    energy = cosine.square() + sine.square()
    torch.testing.assert_close(energy[:, 5], energy[:1, 5].expand(5), rtol=1e-3, atol=0)
    assert energy.argmax(1).tolist() == [5] * 5


def test_it_learns_and_gradients_reach_every_parameter() -> None:
    """Tones of three pitches, at random phases and lengths, are told apart after a few steps."""
    layers = [layer | {"feedforward": {"kind": "mlp", "expansion": 1}} for layer in LAYERS[:2]]
    model = classifier(False, FRONT_ENDS[0], *layers)
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(60):
        labels = torch.randint(3, (24,), generator=generator)
        lengths = torch.randint(60, 161, (24,), generator=generator)
        phase = 6 * torch.rand(24, 1, generator=generator)
        tones = torch.sin(2 * torch.pi * torch.tensor([0.03, 0.08, 0.2])[labels, None] * torch.arange(160) + phase)
        logits = model(tones, lengths)
        optimizer.zero_grad()
        F.cross_entropy(logits, labels).backward()
        assert all(weights.grad is not None and weights.grad.isfinite().all() for weights in model.parameters())
        optimizer.step()
    assert (logits.argmax(-1) == labels).float().mean() > 0.9


@both_sides
def test_it_is_counted(causal: bool) -> None:
    """By part, front end and head among them, to the sums; per sample."""
    model = classifier(causal, FRONT_ENDS[1], *LAYERS[:2])
    cost = measure_cost(model, repeats=0)
    assert not cost.uncounted
    assert parameter_frame(cost)["count"].sum() == count_parameters(model)
    parts = component_frame(cost)
    assert parts["flops"].sum() == pytest.approx(flops_per_token(model))
    assert {"front end", "head", "mixer"} <= {*parts["component"]}
    assert parts["component"].iloc[0] == "front end"
    assert dict(zip(parts["component"], parts["part"], strict=True))["front end"] == "filter_bank"
    head = parts[parts["component"] == "head"].iloc[0]
    assert (head["parameters"], head["flops"] * 160) == (27, 2 * 8 * 3)


@both_sides
def test_filters_are_told_by_lag(causal: bool) -> None:
    """What analysis says of filters is what the modules answer to an impulse, before it and after."""
    model = classifier(causal, FRONT_ENDS[0], *LAYERS[:2], LAYERS[4]).double()
    decomposition = causal_decomposition if causal else two_sided_decomposition
    seen = set()
    for one in sequence_filters(model):
        module = model.get_submodule(one.module)
        impulse = torch.zeros(1, 81, len(one.taps), dtype=torch.float64)
        impulse[:, 40] = 1
        if isinstance(module, ShortConvolution):
            answers = module(impulse)[0].T
        elif isinstance(module, WaveletMixer):
            names = ["detail 1", "detail 2", "approximation 2"]
            answers = decomposition(impulse, one.origin, 2)[names.index(one.name)][0].T
        else:
            continue
        expected = torch.zeros_like(answers)
        expected[:, 40 - one.ahead : 40 - one.ahead + one.taps.shape[1]] = one.taps
        torch.testing.assert_close(answers, expected)
        assert impulse_frame([one])["lag"].min() == -one.ahead
        assert (one.ahead > 0) == (not causal)
        seen.add(one.name)
    assert {"short", "detail 1", "approximation 2", "taps"} <= seen


# --- what hears the future, and what says so ----------------------------------------------------------


@both_sides
@every_front_end
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: str(layer["mixer"]))
def test_the_probe_passes_what_does_as_it_says(causal: bool, front_end: dict[str, Any], layer: dict[str, Any]) -> None:
    model = classifier(causal, front_end, layer, positions={"kind": "signal", "bases": 2})
    violation = causality_violation(model, 160)
    assert violation < 1e-12 if causal else violation > 1e-3
    assert causality_fault(model, violation, CPU) == ""


class BackwardsConfig(MixerConfig):
    two_sided = True
    kind: Literal["said_to_hear_both_sides"] = "said_to_hear_both_sides"


@implements(BackwardsConfig)
class Backwards(Mixer):
    """Hears the position before its own, whatever its config says."""

    def __init__(self, config: BackwardsConfig, model: ModelConfig) -> None:
        super().__init__()

    def forward(self, x: Tensor, present: Tensor | None = None) -> Tensor:
        return F.pad(x, (0, 0, 1, 0))[:, :-1]

    def start(self, batch: int) -> State:
        return []


def test_the_probe_catches_what_does_not() -> None:
    """A causal model with one part that is not, and a two-sided one whose parts are all causal; of tokens and sound."""
    for settings_ in ({"classes": 3, "front_end": {"kind": "strided", "stride": 5, "taps": 5}}, {"vocab_size": 5}):
        told: dict[str, Any] = {"width": 8, "context": 160, "layers": LAYERS[:2]} | settings_
        causal = ModelConfig.model_validate(told)
        model = build_model(causal, 0)
        assert causality_fault(model, causality_violation(model, 160), CPU) == ""
        model.blocks[1] = Block(causal.layers[1], causal.model_copy(update={"causal": False}))
        found = causality_violation(model, 160)
        assert causality_fault(model, found, CPU).startswith("leak: looks at future ")
        layers = [{"mixer": {"kind": "said_to_hear_both_sides"}}]
        model = build_model(ModelConfig.model_validate(told | {"causal": False, "layers": layers}), 0)
        found = causality_violation(model, 160)
        assert found < 1e-12
        assert causality_fault(model, found, CPU).startswith("causal: false: no output changes with later input")


# --- what is refused ----------------------------------------------------------------------------------


def test_a_two_sided_model_gives_logits_and_nothing_that_comes_next() -> None:
    model = two_sided_language_model()
    tokens = model.example(2, 16)
    assert model(tokens).shape == (2, 16, 256)
    refused = {
        "be trained as a language model": lambda: model(tokens, tokens),
        "generate": lambda: generate(model, [1], 1),
        "generate ": lambda: model.prefill(tokens),
        " generate": lambda: model.start(1),
        " generate ": lambda: model.step(tokens[:, 0], [[], []]),
        "generate, and has no state": lambda: recurrent_state_size(model),
    }
    for what, call in refused.items():
        with pytest.raises(InputError, match=rf"^model.causal: false: .* cannot {what.strip()}$"):
            call()
    with pytest.raises(InputError, match=r"^recipe: model.causal: task: language_modelling needs true: false "):
        SignalLLMConfig(recipe={"model": model.config.to_dict()})


def test_the_command_line_refuses_a_two_sided_model(tmp_path: Path) -> None:
    """In one line, and nothing is written: a model to train, and a checkpoint whose recipe was changed by hand."""
    model, checkpoint, output = two_sided_language_model(), tmp_path / "checkpoint", tmp_path / "out"
    config_file = tmp_path / "model.yaml"
    config_file.write_text(model.config.to_yaml())
    causal = build_model(model.config.model_copy(update={"causal": True}), 0)
    checkpoint.mkdir()
    save_checkpoint(checkpoint, causal, Recipe(model=causal.config), ByteTokenizer(), {})
    recipe = checkpoint / RECIPE
    told = json.loads(recipe.read_text())
    recipe.write_text(json.dumps(told | {"model": told["model"] | {"causal": False}}))
    for arguments in (
        ["train", config_file, "--corpus", "python", "--output", output],
        ["export", checkpoint, "--output", output],
        ["evaluate", checkpoint, "--corpus", "python"],
        ["generate", checkpoint],
    ):
        ended = command("signal-model", *arguments)
        assert (ended.returncode, ended.stdout) == (2, ""), arguments
        said = "task: language_modelling needs true: false would hear the token that is asked for"
        assert ended.stderr.endswith(f"causal: {said}\n"), arguments
        assert ended.stderr.count("\n") == 1
    assert not output.exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"front_end": {"kind": "tokens"}},
            "front_end.kind: a classifier hears samples of sound; accepted: strided",
        ),
        ({"classes": None}, "front_end.kind: strided is for classifiers; give the model classes"),
        ({"embedding": {"kind": "basis"}}, "embedding: a classifier has its front end in its place"),
        ({"context": 8}, "front_end.stride: at least two frames of the context of 8 samples, got 5"),
        ({"front_end": {"kind": "strided", "taps": 30}}, "front_end.taps: at least the stride of 40"),
        ({"front_end": {"kind": "wavelet", "levels": 8}}, "front_end.levels: 8 needs a context of at least 256"),
        ({"layers": [{"mixer": {"kind": "wavelet", "levels": 6}}]}, "levels: 6 needs a context of at least 64, got 32"),
    ],
)
def test_settings_that_do_not_fit(changes: dict[str, Any], said: str) -> None:
    whole = config(True, FRONT_ENDS[0], LAYERS[0])
    assert ModelConfig.from_yaml(whole.to_yaml()) == whole
    with pytest.raises(InputError, match=said):
        ModelConfig.from_yaml(str(whole.to_dict() | changes).replace("None", "null"))


def test_models_of_before_are_written_as_they_were() -> None:
    written = ModelConfig().to_dict()
    assert not {"causal", "classes", "front_end"} & {*written}
    assert isinstance(build_model(ModelConfig.from_yaml(ModelConfig().to_yaml()), 0), SignalLLM)
    with pytest.raises(InputError, match="build_model"):
        SignalLLM(config(True, FRONT_ENDS[0], LAYERS[0]))
    with pytest.raises(InputError, match="build_model"):
        SignalClassifier(ModelConfig())
