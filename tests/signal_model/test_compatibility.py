"""Every part with what people use: compilation, export, stacks of models, frozen weights, checkpoints, adapters."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from signal_model.config import MixerConfig, ModelConfig, TrainingConfig
from signal_model.config.presets import PRESETS
from signal_model.model import SignalLLM, build_model
from signal_model.training.optimizers import build_optimizers
from tests.tools.parts import built_in

LAYERS: dict[str, dict[str, Any]] = {
    "harmonic": {"mixer": {"kind": "harmonic", "bases": 3}},
    "attention": {"mixer": {"kind": "attention", "heads": 2, "short_convolution": 3}},
    "window": {"mixer": {"kind": "attention", "heads": 2, "window": 5}},
    "convolution": {"mixer": {"kind": "convolution", "taps": 4}},
    "fourier_attention": {"mixer": {"kind": "fourier_attention", "heads": 2}},
    "selective": {"mixer": {"kind": "selective", "heads": 2, "bases": 3}},
    "gated_linear": {"mixer": {"kind": "gated_linear", "heads": 2, "key_expansion": 0.5}},
    "gated_delta": {"mixer": {"kind": "gated_delta", "heads": 2}},
    "wavelet": {"mixer": {"kind": "wavelet", "families": ["haar", "db2"], "levels": 2, "heads": 2}},
    "filter_bank": {
        "filter_bank": {"kind": "learned", "filters": 4, "scales": 2, "taps": 3},
        "mixer": {"kind": "convolution", "taps": 4},
    },
}
# Embeddings, positions and feed-forwards take part with one mixer each.
FREQUENCIES = [0.5, 4]
AROUND: dict[str, dict[str, Any]] = {
    "harmonic": {"embedding": {"kind": "hybrid", "bases": 3, "frequencies": FREQUENCIES}},
    "attention": {"embedding": {"kind": "spectral", "bases": 3, "frequencies": FREQUENCIES}},
    "window": {"embedding": {"kind": "basis", "bases": 5}, "positions": {"kind": "signal", "bases": 3}},
    "wavelet": {
        "embedding": {"kind": "spectral", "bases": 3, "frequencies": FREQUENCIES, "learnable_frequencies": True}
    },
}
FEEDFORWARD = {
    "attention": {"kind": "spectral", "activation": "swiglu"},
    "wavelet": {"kind": "mlp", "activation": "gelu"},
}
STRIDE = 2
# Classifiers: a front end, and the mixers that hear both sides, with padding behind the end of one recording. Where
# causal, what is behind the front end is traced above: the simplest of it stands here.
CLASSIFIERS: dict[str, dict[str, Any]] = {
    "strided": {"layers": "convolution"},
    "filter_bank of samples": {"layers": "convolution", "front_end": {"kind": "filter_bank", "filters": 3}},
    "wavelet of samples": {"layers": "convolution", "front_end": {"kind": "wavelet", "levels": 2}},
    "two-sided harmonic": {"layers": "harmonic", "causal": False},
    "two-sided attention": {"layers": "attention", "causal": False},
    "two-sided window": {"layers": "window", "causal": False},
    "two-sided wavelet": {"layers": "wavelet", "causal": False, "front_end": {"kind": "wavelet", "levels": 2}},
    "two-sided convolution": {"layers": "convolution", "causal": False},
    "two-sided filter_bank": {"layers": "filter_bank", "causal": False},
}
every_part = pytest.mark.parametrize("name", [*LAYERS, *CLASSIFIERS])


def test_every_mixer_is_asked() -> None:
    assert {layer["mixer"]["kind"] for layer in LAYERS.values()} == {*built_in(MixerConfig)}


def model_of(name: str, seed: int = 0, layers: int = 2) -> SignalLLM | Any:
    mixer = CLASSIFIERS[name]["layers"] if name in CLASSIFIERS else name
    layer = LAYERS[mixer] | {"feedforward": FEEDFORWARD.get(mixer, {"kind": "mlp", "expansion": 2})}
    settings = {"width": 8, "context": 200, "vocab_size": 17, "layers": [layer] * layers} | AROUND.get(name, {})
    if name in CLASSIFIERS:
        own = {"classes": 3, "front_end": {"kind": "strided", "filters": 3}} | CLASSIFIERS[name]
        settings |= own | {"front_end": own["front_end"] | {"stride": STRIDE, "taps": 5}, "layers": settings["layers"]}
    return build_model(ModelConfig.model_validate(settings), seed)


def tokens(length: int, batch: int = 2) -> Tensor:
    return torch.randint(17, (batch, length), generator=torch.Generator().manual_seed(length))


def given(name: str, length: int, batch: int = 2) -> tuple[Tensor, ...]:
    """What a model takes: tokens, or samples and how many are of each recording."""
    if name not in CLASSIFIERS:
        return (tokens(length, batch),)
    samples = torch.randn(batch, length, generator=torch.Generator().manual_seed(length))
    return samples, torch.tensor([length] * (batch - 1) + [(length + 1) // 2])


def loss_of(model: Callable[..., Tensor], batch: tuple[Tensor, ...]) -> Tensor:
    """What training lowers."""
    if len(batch) == 1:
        return model(*batch, batch[0].flip(1))
    return nn.functional.cross_entropy(model(*batch), torch.tensor([0, 2]))


def gradients(model: nn.Module, loss: Callable[[], Tensor]) -> list[Tensor]:
    return [*torch.autograd.grad(loss(), [p for p in model.parameters() if p.requires_grad], allow_unused=False)]


# A second layer of its kind is traced as the first, for as long again.
@pytest.mark.slow
@every_part
def test_compiled_whole_for_every_length(name: str) -> None:
    """One graph, values and gradients those of the plain model, and none anew for another length."""
    torch._dynamo.reset()
    model = model_of(name, layers=1)
    # A batch that is a symbol too is exported below; here, with gradients, it would take twice as long.
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    batch = given(name, 40)
    torch._dynamo.mark_dynamic(batch[0], 1)  # an error where a graph is of one length
    torch.testing.assert_close(compiled(*batch), model(*batch), rtol=1e-3, atol=1e-4)
    ours, expected = (gradients(model, lambda f=f: f(*batch).square().mean()) for f in (compiled, model))
    for mine, theirs in zip(ours, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-3 * float(theirs.abs().max()) + 1e-6)
    with torch._dynamo.config.patch(error_on_recompile=True):
        for length in (41, 150, 200):
            batch = given(name, length)
            torch.testing.assert_close(compiled(*batch), model(*batch), rtol=1e-3, atol=1e-3)


@every_part
def test_exported_for_every_batch_and_length(name: str) -> None:
    model = model_of(name, layers=1).eval()
    rows, length = torch.export.Dim("rows", min=2, max=64), torch.export.Dim("length", min=2, max=1024)
    if name in CLASSIFIERS:  # of whole frames: torch does not see through a length that is rounded up
        length = STRIDE * torch.export.Dim("frames", min=3, max=512)
    batch = given(name, 40, 3)
    exported = torch.export.export(model, batch, dynamic_shapes=({0: rows, 1: length}, *({0: rows} for _ in batch[1:])))
    graph = exported.module()
    for asked, count in ((6 if name in CLASSIFIERS else 3, 2), (40, 3), (300, 5)):
        batch = given(name, asked, count)
        torch.testing.assert_close(graph(*batch), model(*batch), rtol=1e-3, atol=1e-3)


@every_part
def test_a_stack_of_models_is_each_of_them(name: str) -> None:
    """Losses and gradients of four models of one shape, by `torch.func` at once and one by one."""
    models = [model_of(name, seed) for seed in range(4)]
    parameters, buffers = torch.func.stack_module_state(models)  # type: ignore[arg-type]
    base = copy.deepcopy(models[0]).to("meta")
    batch = given(name, 20)

    def loss(own: dict[str, Tensor], rest: dict[str, Tensor]) -> Tensor:
        return loss_of(lambda *parts: torch.func.functional_call(base, (own, rest), parts), batch)

    together = torch.vmap(torch.func.grad(loss))(parameters, buffers)
    for index, model in enumerate(models):
        names = [key for key, parameter in model.named_parameters() if parameter.requires_grad]
        for key, theirs in zip(names, gradients(model, lambda m=model: loss_of(m, batch)), strict=True):
            torch.testing.assert_close(
                together[key][index], theirs, rtol=1e-3, atol=1e-3 * float(theirs.abs().max()) + 1e-7
            )


@every_part
def test_frozen(name: str) -> None:
    """Computes and generates as before; an optimiser is given what is left to train."""
    model = model_of(name)
    batch = given(name, 20)
    expected = model(*batch)
    model.requires_grad_(False)
    assert not model(*batch).requires_grad
    torch.testing.assert_close(model(*batch), expected)
    if name in LAYERS:
        hidden, states = model.prefill(*batch)
        assert hidden.shape == (2, 20, 8)
        model.step(tokens(1)[:, 0], states)
    model.blocks[1].requires_grad_(True)
    for kind in ("adamw", "muon"):
        optimizers = build_optimizers(model, TrainingConfig(optimizer={"kind": kind}))  # type: ignore[arg-type]
        stepped = {id(p) for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]}
        assert stepped == {id(p) for p in model.blocks[1].parameters()}


@pytest.mark.parametrize("preset", [name for name in PRESETS if "40m" not in name])
def test_frozen_presets(preset: str) -> None:
    model = build_model(ModelConfig.preset(preset), 0).requires_grad_(False)
    assert model(torch.zeros(1, 3, dtype=torch.long)).isfinite().all()


@every_part
def test_checkpointed(name: str) -> None:
    """Blocks that are computed again for the gradient give the same one."""
    model = model_of(name)
    expected = gradients(model, lambda: loss_of(model, given(name, 20)))
    model.checkpointing = True
    calls = []
    model.blocks[0].register_forward_pre_hook(lambda *_: calls.append(1))
    ours = gradients(model, lambda: loss_of(model, given(name, 20)))
    assert len(calls) == 2
    assert all(map(torch.equal, ours, expected))


class Adapter(nn.Module):
    """A linear map with a low-rank one beside it, which alone is trained (Hu et al. 2021)."""

    def __init__(self, base: nn.Linear) -> None:
        super().__init__()
        self.base_layer = base.requires_grad_(False)
        self.down, self.up = (
            nn.Parameter(torch.randn(2, base.in_features)),
            nn.Parameter(torch.zeros(base.out_features, 2)),
        )
        self.in_features, self.weight = base.in_features, base.weight

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.base_layer(x) + x @ self.down.T @ self.up.T
        return result


@every_part
def test_low_rank_adapters(name: str) -> None:
    """Linear maps are modules that can be replaced; a model starts as it was, and both forms follow the adapters."""
    model = model_of(name).requires_grad_(False)
    batch = given(name, 20)
    expected = model(*batch)
    for parent in [*model.modules()]:
        for key, child in [*parent.named_children()]:
            if isinstance(child, nn.Linear) and not isinstance(parent, Adapter):
                setattr(parent, key, Adapter(child))
    torch.testing.assert_close(model(*batch), expected)
    found = gradients(model, lambda: loss_of(model, batch))
    assert any(gradient.count_nonzero() for gradient in found)
    if name in CLASSIFIERS:  # they have one form
        return
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, Adapter):
                module.up.normal_(std=0.1)
        _, states = model.prefill(tokens(20))
        following, _ = model.step(tokens(21)[:, 20], states)
        whole = model(torch.cat([tokens(20), tokens(21)[:, 20:]], 1))
    torch.testing.assert_close(following, whole[:, -1], rtol=1e-3, atol=1e-3)
