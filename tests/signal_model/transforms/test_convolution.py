"""Convolutions along the sequence: their values, their gradients, and that no way of cutting them up shows."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
import torch
from torch import Tensor

from signal_model.config import HarmonicConfig, ModelConfig
from signal_model.evaluation.causality import causality_violation
from signal_model.layers import convolution
from signal_model.layers.convolution import depthwise, gated_depthwise
from signal_model.layers.mixers import build_mixer
from signal_model.model import build_model
from signal_model.transforms import fourier, harmonic_convolution
from signal_model.transforms.fourier import causal_convolution
from signal_model.transforms.harmonic_convolution import chunk_count
from signal_model.transforms.harmonics import damped_harmonics

harmonic = harmonic_convolution.harmonic_convolution


@pytest.fixture(params=["as it is", "cut small"])
def cut(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything once in the sizes used, and once in very small blocks, spans and chunks."""
    if request.param == "cut small":
        monkeypatch.setattr(fourier, "BLOCK", 100)
        monkeypatch.setattr(convolution, "SPAN", 60)
        monkeypatch.setattr(harmonic_convolution, "CHUNK", 5)
        monkeypatch.setattr(harmonic_convolution, "MOST_CHUNKS", 7)


def harmonics(length: int, heads: int = 2, dtype: torch.dtype = torch.float64) -> tuple[Tensor, ...]:
    """Signal, decay, frequency and coefficients for six channels and three harmonics."""
    generator = torch.Generator().manual_seed(length)
    signal = torch.randn(2, length, 6, generator=generator, dtype=dtype)
    decay = torch.rand(heads, 3, generator=generator, dtype=dtype) / 3
    frequency = torch.rand(heads, 3, generator=generator, dtype=dtype) * 3
    coefficients = torch.randn(heads, 6 // heads, 6, generator=generator, dtype=dtype)
    return tuple(tensor.requires_grad_() for tensor in (signal, decay, frequency, coefficients))


def taps_of(decay: Tensor, frequency: Tensor, coefficients: Tensor, length: int) -> Tensor:
    return torch.matmul(coefficients, damped_harmonics(decay, frequency, length)).flatten(0, 1)


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("length", [1, 9, 10, 11, 36, 97, 1000])
def test_harmonic_convolution_is_scipys(cut: None, length: int, heads: int) -> None:
    signal, *parameters = harmonics(length, heads)
    ours = harmonic(signal, *parameters).detach().numpy()
    taps = taps_of(*parameters, length).detach().numpy()
    for channel in range(6):
        theirs = scipy.signal.lfilter(taps[channel], 1.0, signal.detach().numpy()[..., channel], axis=1)
        np.testing.assert_allclose(ours[..., channel], theirs, atol=1e-10)


def test_chunks_are_few_and_long() -> None:
    for length in (1, 512, 513, 16384, 10**6):
        count = chunk_count(length, 16)
        assert count <= harmonic_convolution.MOST_CHUNKS
        assert length <= 512 or count > 1
        assert chunk_count(length, 10**4) == 1


def test_gradients(cut: None) -> None:
    """Against finite differences, in float64."""
    signal, *parameters = harmonics(23)
    assert torch.autograd.gradcheck(harmonic, (signal, *parameters))
    taps = torch.randn(6, 17, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(causal_convolution, (signal, taps))
    weight = torch.randn(4, 6, dtype=torch.float64, requires_grad=True)
    for dilation in (1, 3, 30):
        assert torch.autograd.gradcheck(lambda x, w, d=dilation: depthwise(x, w, d), (signal, weight))
    assert torch.autograd.gradcheck(gated_depthwise, (signal, weight))
    gappy = signal.detach()[:, ::2, ::2].requires_grad_()
    assert torch.autograd.gradcheck(gated_depthwise, (gappy, weight[:, :3].detach().requires_grad_()))


def test_gated_is_depthwise_and_product(cut: None) -> None:
    x, weight = torch.randn(2, 50, 12), torch.randn(4, 12)
    query, key, value = depthwise(x, weight).chunk(3, -1)
    assert torch.equal(gated_depthwise(x, weight)[0], query)
    assert torch.equal(gated_depthwise(x, weight)[1], key * value)
    padded = torch.nn.functional.pad(x, (0, 0, 3, 0))
    formula = sum(weight[k] * padded[:, 3 - k : 53 - k] for k in range(4))
    torch.testing.assert_close(depthwise(x, weight), formula)


@pytest.mark.parametrize("batch", [1, 3])
def test_results_do_not_depend_on_how_work_is_divided(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """float32 values and gradients of the whole mixer, in one piece and in the smallest pieces."""
    mixer = build_mixer(HarmonicConfig(bases=5, heads=2), ModelConfig(width=40))
    x = torch.randn(batch, 700, 40, requires_grad=True)

    def results() -> list[Tensor]:
        y = mixer(x)
        return [y, *torch.autograd.grad(y.square().mean(), [x, *mixer.parameters()])]

    monkeypatch.setattr(harmonic_convolution, "CHUNK", 10**6)
    whole = results()
    for block, span, chunk in ((2**12, 500, 10**6), (2**12, 10**6, 50), (10**6, 500, 333)):
        monkeypatch.setattr(fourier, "BLOCK", block)
        monkeypatch.setattr(convolution, "SPAN", span)
        monkeypatch.setattr(harmonic_convolution, "CHUNK", chunk)
        for ours, expected in zip(results(), whole, strict=True):
            torch.testing.assert_close(ours, expected, rtol=1e-4, atol=2e-6 * float(expected.detach().abs().max()))
        assert all(torch.equal(a, b) for a, b in zip(results(), results(), strict=True))


def test_recurrence_and_causality_over_chunks(cut: None) -> None:
    """The recurrent form and the probe, with lengths that are cut into many chunks."""
    config = ModelConfig(width=6, context=60, vocab_size=17, layers=[{"mixer": {"kind": "harmonic", "heads": 2}}])  # type: ignore[arg-type]
    model = build_model(config, 0)
    assert causality_violation(model, 60) < 1e-12
    mixer = model.blocks[0].mixer.double()
    x = torch.randn(2, 60, 6, dtype=torch.float64)
    state, outputs = [tensor.double() for tensor in mixer.start(2)], []
    with torch.no_grad():
        for t in range(60):
            output, state = mixer.step(x[:, t], state)
            outputs.append(output)
        torch.testing.assert_close(torch.stack(outputs, 1), mixer(x), atol=1e-10, rtol=0)


def test_half_precision_is_computed_in_float32(cut: None) -> None:
    signal, *parameters = (tensor.detach() for tensor in harmonics(40, dtype=torch.float32))
    expected = harmonic(signal, *parameters)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(harmonic(signal, *parameters), expected)
    low = signal.bfloat16()
    assert torch.equal(harmonic(low, *parameters), harmonic(low.float(), *parameters).bfloat16())
    assert torch.equal(
        causal_convolution(low, torch.ones(6, 9)), causal_convolution(low.float(), torch.ones(6, 9)).bfloat16()
    )


def test_a_stack_is_each_of_it_where_sequences_are_cut() -> None:
    """By `torch.func`, at lengths of one chunk and of several."""
    for length in (512, 513, 1100):
        stacked = [tensor.detach() for tensor in harmonics(length, dtype=torch.float32)]
        together = torch.vmap(harmonic)(*(torch.stack([tensor, tensor / 2]) for tensor in stacked))
        for index, expected in enumerate((harmonic(*stacked), harmonic(*(tensor / 2 for tensor in stacked)))):
            torch.testing.assert_close(together[index], expected, rtol=1e-3, atol=1e-4)
