"""The selective harmonic mixer: its formula, its chunks, what it is without selection, and what it can do."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from signal_model.config import ModelConfig, SelectiveConfig
from signal_model.layers.mixers import Mixer, build_mixer
from signal_model.layers.mixers.selective import SelectiveMixer
from signal_model.transforms import decaying_sums
from signal_model.transforms.harmonics import damped_harmonics
from signal_model.transforms.selective import selective_sums


def inputs(length: int, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """Query, key, value, decay and angle for two rows, two heads, three pairs and five channels."""
    generator = torch.Generator().manual_seed(length)
    shapes = (6,), (6,), (5,), (), (3,)
    query, key, value, decay, angle = (
        torch.randn(2, 2, length, *s, generator=generator, dtype=torch.float64) for s in shapes
    )
    return [part.to(dtype).requires_grad_() for part in (query, key, value, decay.square(), 3 * angle)]


def step_by_step(query: Tensor, key: Tensor, value: Tensor, decay: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    """With a complex state: e^{-a - iθ} S + k vᵀ, read by Re(q* S) of pairs taken for complex numbers."""
    q, k = (torch.complex(*part.chunk(2, -1)) for part in (query, key))
    state = torch.zeros(2, 2, 3, value.shape[-1], dtype=torch.complex128)
    outputs = []
    for t in range(query.shape[2]):
        factor = torch.exp(torch.complex(-decay[:, :, t, None].expand_as(angle[:, :, t]), -angle[:, :, t]))
        state = factor[..., None] * state + k[:, :, t, :, None] * value[:, :, t, None]
        outputs.append((q[:, :, t, :, None].conj() * state).real.sum(2))
    return torch.stack(outputs, 2), torch.cat([state.real, state.imag], 2)


@pytest.mark.parametrize("length", [1, 4, 5, 11, 64, 130])
@pytest.mark.parametrize("chunk", [1, 5, 64])
def test_chunks_are_the_recurrence(length: int, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decaying_sums, "CHUNK", chunk)
    tensors = inputs(length)
    for ours, expected in zip(selective_sums(*tensors), step_by_step(*tensors), strict=True):
        torch.testing.assert_close(ours, expected)
    single = [tensor.float() for tensor in tensors]
    torch.testing.assert_close(selective_sums(*single)[0].double(), step_by_step(*tensors)[0], atol=1e-5, rtol=1e-4)


def test_gradients_are_the_recurrences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decaying_sums, "CHUNK", 5)
    tensors = inputs(12)
    ours, expected = (
        torch.autograd.grad(sum(part.sin().sum() for part in function(*tensors)), tensors)
        for function in (selective_sums, step_by_step)
    )
    torch.testing.assert_close(ours, expected)


def test_decays_that_leave_nothing_give_numbers() -> None:
    """No exponent is positive, however fast a state decays."""
    query, key, value, decay, angle = (tensor.detach().float() for tensor in inputs(130))
    outputs, state = selective_sums(query, key, value, 1e4 + decay, angle)
    assert outputs.isfinite().all()
    assert state.isfinite().all()
    torch.testing.assert_close(outputs, (query * key).sum(-1, keepdim=True) * value)


def mixer_of(**settings: object) -> SelectiveMixer:
    config = SelectiveConfig.model_validate({"heads": 2, "bases": 3, "short_convolution": 1} | settings)
    mixer = build_mixer(config, ModelConfig(width=8))
    assert isinstance(mixer, SelectiveMixer)
    return mixer


def test_without_selection_and_with_the_biases_alone_kernels_are_damped_harmonics() -> None:
    """Queries and keys that are b_q and b_k: each head convolves its values with one fixed kernel."""
    mixer = mixer_of(select_decay=False, select_phase=False).double()
    with torch.no_grad():
        mixer.project.weight[: 2 * 2 * 6].zero_()  # queries and keys of both heads
        mixer.short.weight.fill_(1)
    x = torch.randn(1, 100, 8, dtype=torch.float64)
    value, gate = mixer.project(x)[0, :, 24:].chunk(2, -1)
    decay = mixer.log_decay.exp()[:, None].expand(2, 3)
    basis = damped_harmonics(decay, mixer.log_frequency.exp(), 100)  # (H, 2K, T)
    assert mixer.query_bias is not None
    real, imaginary = mixer.query_bias.chunk(2, -1)
    gain = torch.sqrt(-torch.expm1(-2 * decay[:, 0]) / 6)
    kernels = gain[:, None] * torch.einsum("hk,hkt->ht", torch.cat([real, -imaginary], -1), basis)
    lags = torch.arange(100)[:, None] - torch.arange(100)
    toeplitz = kernels[:, lags.clamp(min=0)] * (lags >= 0)
    mixed = torch.einsum("hts,shc->thc", toeplitz, value.unflatten(-1, (2, 4)))
    expected = mixer.output(F.silu(gate) * F.rms_norm(mixed, (4,)).flatten(1))
    torch.testing.assert_close(mixer(x)[0], expected)


def test_settings_are_parameters_there_or_not() -> None:
    whole = {name for name, _ in mixer_of().named_parameters()}
    assert whole - {name for name, _ in mixer_of(bias=False).named_parameters()} == {"query_bias", "key_bias"}
    assert whole - {name for name, _ in mixer_of(select_decay=False).named_parameters()} == {"pace"}
    assert whole - {name for name, _ in mixer_of(select_phase=False).named_parameters()} == {"phase"}
    rates = mixer_of()._rates(torch.zeros(1, 1, 8))
    torch.testing.assert_close(1 / rates[0].flatten(), torch.tensor([4.0, 256.0]))
    cycles = rates[1] / (2 * math.pi)
    torch.testing.assert_close(cycles[0, 0, 0, [0, -1]], torch.tensor([0.001, 0.5]))


def test_under_autocast_one_token_at_a_time_is_as_exact_as_all_at_once() -> None:
    """Rounded angles would add up."""
    torch.manual_seed(0)
    mixer, x = mixer_of(timescales=(64, 1024)), torch.randn(2, 200, 8)
    with torch.no_grad():
        exact = mixer(x)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            whole, steps = mixer(x), Mixer.prefill(mixer, x)[0]
    assert (steps - exact).norm() < 1.5 * (whole - exact).norm()
