"""What whole models cost: nothing is uncounted, sums are totals, and products are what torch counts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from signal_model.analysis.costs import (
    SPECTRAL,
    Place,
    component_frame,
    cost_frame,
    kind_frame,
    measure_cost,
    parameter_frame,
)
from signal_model.analysis.counting import flops_per_token, recurrent_state_size
from signal_model.config import ModelConfig
from signal_model.model import build_model, count_parameters
from tests.signal_model.evaluation.test_causality import (
    EMBEDDINGS,
    FEEDFORWARDS,
    FILTER_BANKS,
    MIXERS,
    POSITIONS,
    model_config,
)
from tests.tools.models import mixed


@pytest.mark.parametrize(
    "changes",
    [
        *({"layers": [{"mixer": mixer}]} for mixer in MIXERS),
        *({"layers": [{"feedforward": feedforward}]} for feedforward in FEEDFORWARDS),
        *({"layers": [{"filter_bank": bank}]} for bank in FILTER_BANKS),
        *({"embedding": embedding} for embedding in EMBEDDINGS),
        *({"positions": positions} for positions in POSITIONS),
        *({"context": 2048, "layers": [{"mixer": mixer}]} for mixer in MIXERS),
    ],
    ids=str,
)
def test_nothing_in_the_library_is_uncounted(changes: dict[str, object]) -> None:
    """Long sequences too: mixers may compute those in another way."""
    model = build_model(model_config(**{"context": 32, "layers": [{}]} | changes), 0)
    cost = measure_cost(model, backward=True, repeats=0)
    assert cost.uncounted == {}
    assert {row.backward for row in cost.operations} == {False, True}


def test_products_and_attention_are_what_torch_counts() -> None:
    """Forward and backward, all mixers."""
    model = mixed()
    tokens = torch.zeros(1, 64, dtype=torch.long)
    cost = measure_cost(model, backward=True, repeats=0)
    for backward in (False, True):
        with FlopCounterMode(display=False) as theirs:
            logits = model(tokens)
            forward = theirs.get_total_flops()
            if backward:
                logits.backward(torch.ones_like(logits))
        expected = theirs.get_total_flops() - forward if backward else forward
        # torch has no rule for the operator that attention is on CPUs: two products forward, five backward.
        assert cost.flops("attention", backward=backward) == (5 if backward else 2) * 2 * 64 * 64 * 16
        assert cost.flops("matrix product", backward=backward) == expected


def test_a_plain_transformer_by_hand() -> None:
    layer = {"mixer": {"kind": "attention", "heads": 1}}
    config = ModelConfig.model_validate({"context": 8, "width": 4, "vocab_size": 11, "layers": [layer]})
    cost = measure_cost(build_model(config, 0), repeats=0)
    found = {(row.place, row.kind): 0 for row in cost.operations}
    for row in cost.operations:
        found[row.place, row.kind] += row.flops
    norm = {
        "function": 4 * 8 + 8,
        "reduction": 4 * 8,
        "elementwise": 8 + 2 * 4 * 8,
    }  # square, root; mean; ε, two products
    mixer, feedforward = Place("mixer", 0), Place("feed-forward", 0)
    assert found[mixer, "matrix product"] == 2 * 8 * (4 * 12 + 4 * 4)
    assert found[mixer, "attention"] == 2 * 2 * 8 * 8 * 4
    assert found[feedforward, "matrix product"] == 2 * 8 * (4 * 16 + 16 * 4)
    assert found[feedforward, "elementwise"] == found[feedforward, "function"] == 8 * 16  # relu, square
    assert found[Place("head"), "matrix product"] == 2 * 8 * 4 * 11
    assert found[Place("residual stream", 0), "elementwise"] == 2 * 8 * 4
    assert all(found[Place("norms"), kind] == count for kind, count in norm.items())
    assert all(found[Place("norms", 0), kind] == 2 * count for kind, count in norm.items())
    assert found[Place("embedding"), "data movement"] == 0
    assert not any(kind in SPECTRAL for _, kind in found)


def test_frames_sum_to_the_totals() -> None:
    model = mixed()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    cost = measure_cost(model, backward=True, repeats=1)
    frame, parameters = cost_frame(cost), parameter_frame(cost)
    for _, rows in frame.groupby("direction"):
        assert rows["share"].sum() == pytest.approx(1)
        assert rows["time_share"].sum() == pytest.approx(1)
        assert (rows["microseconds"] > 0).all()
    forward = frame[frame["direction"] == "forward"]
    assert forward["flops"].sum() == pytest.approx(flops_per_token(model))
    assert frame["flops"].sum() > 2.8 * forward["flops"].sum() > 0  # a backward pass does about twice the forward one
    assert cost.spectral_share == pytest.approx(forward.loc[forward["spectral"], "share"].sum())
    assert 0 < cost.spectral_share < 1
    for part in (component_frame(cost), kind_frame(cost)):
        assert part["flops"].sum() == pytest.approx(forward["flops"].sum())
        assert part["share"].sum() == pytest.approx(1)
        assert part["time_share"].sum() == pytest.approx(1)
    assert parameters["count"].sum() == component_frame(cost)["parameters"].sum() == count_parameters(model)
    assert parameters["share"].sum() == pytest.approx(1)
    uses = parameters.set_index("parameter")["use"]
    assert uses["blocks.0.feedforward.filter"] == "complex product"
    assert uses["blocks.1.mixer.project.weight"] == "matrix product"
    assert uses["embedding.coefficients"] == "matrix product"
    # Nothing is left behind on the model.
    assert "logits" not in vars(model.embedding)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_backward_operations_are_those_of_the_part_whose_gradient_it_is() -> None:
    """The gradient of a matrix product is two of the same size, but for inputs that need none."""
    cost = measure_cost(mixed(), backward=True, repeats=0)

    def products(place: Place, backward: bool) -> int:
        return sum(
            row.flops
            for row in cost.operations
            if row.place == place and row.backward == backward and row.kind == "matrix product"
        )

    for place in (Place("mixer", 2), Place("feed-forward", 0), Place("feed-forward", 1)):
        assert products(place, True) == 2 * products(place, False) > 0
    wavelet = [row for row in cost.operations if row.kind == "wavelet filter"]
    assert {row.place for row in wavelet} == {Place("mixer", 1)}
    assert {row.backward for row in wavelet} == {False, True}


class Transformed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return torch.fft.irfft(torch.fft.rfft(x), n=x.shape[-1])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return torch.fft.irfft(torch.fft.rfft(gradient), n=gradient.shape[-1])


class Custom(torch.nn.Module):
    """A part with an autograd function of its own, and a parameter that nothing reads."""

    def __init__(self) -> None:
        super().__init__()
        self.unread = torch.nn.Parameter(torch.ones(3))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = Transformed.apply(x)
        return result


def test_custom_functions_and_unread_parameters() -> None:
    model = build_model(model_config(context=4, layers=[{}]), 0)
    model.blocks[0].feedforward = Custom()
    cost = measure_cost(model, backward=True, repeats=0)
    transforms = {(row.place, row.backward): 0 for row in cost.operations if row.kind == "Fourier transform"}
    for row in cost.operations:
        if row.kind == "Fourier transform":
            transforms[row.place, row.backward] += row.flops
    both = 2 * 2.5 * 4 * 8 * 3
    assert transforms == {(Place("feed-forward", 0), False): both, (Place("feed-forward", 0), True): both}
    unread = parameter_frame(cost).set_index("parameter").loc["blocks.0.feedforward.unread"]
    assert (unread["use"], unread["count"]) == ("none", 3)
    assert parameter_frame(cost)["count"].sum() == count_parameters(model)


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
