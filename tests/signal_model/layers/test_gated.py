"""Gated linear attention and the gated delta rule: their equations, their chunks, what they begin with and can do."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from signal_model.config import MixerConfig, ModelConfig
from signal_model.layers.mixers import Mixer, build_mixer
from signal_model.support.settings import Misfit, ModelSize
from signal_model.transforms import decaying_sums as chunks
from signal_model.transforms.decaying_sums import decaying_sums
from signal_model.transforms.gated_delta import gated_delta_sums

KINDS = ("gated_linear", "gated_delta")


def inputs(length: int, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """Query, key of norm 1, value, decay and strength for two rows, two heads, six keys and five values."""
    generator = torch.Generator().manual_seed(length)
    query, key, value, decay, strength = (
        torch.randn(2, 2, length, *s, generator=generator, dtype=torch.float64) for s in ((6,), (6,), (5,), (), ())
    )
    parts = query, F.normalize(key, dim=-1), value, decay.square(), strength.sigmoid()
    return [part.to(dtype).requires_grad_() for part in parts]


def linear_by_steps(query: Tensor, key: Tensor, value: Tensor, decay: Tensor) -> tuple[Tensor, Tensor]:
    state = query.new_zeros(2, 2, 6, 5)
    outputs = []
    for q, k, v, a in zip(*(part.unbind(2) for part in (query, key, value, decay)), strict=True):
        state = a.neg().exp()[..., None, None] * state + torch.einsum("bhk,bhv->bhkv", k, v)
        outputs.append(torch.einsum("bhkv,bhk->bhv", state, q))
    return torch.stack(outputs, 2), state


def delta_by_steps(query: Tensor, key: Tensor, value: Tensor, decay: Tensor, strength: Tensor) -> tuple[Tensor, Tensor]:
    """With the matrix I - b k kᵀ written out."""
    state = query.new_zeros(2, 2, 6, 5)
    outputs = []
    for q, k, v, a, b in zip(*(part.unbind(2) for part in (query, key, value, decay, strength)), strict=True):
        b = b[..., None, None]
        reflected = torch.eye(6, dtype=k.dtype) - b * torch.einsum("bhk,bhl->bhkl", k, k)
        state = a.neg().exp()[..., None, None] * reflected @ state + b * torch.einsum("bhk,bhv->bhkv", k, v)
        outputs.append(torch.einsum("bhkv,bhk->bhv", state, q))
    return torch.stack(outputs, 2), state


FORMS = [(decaying_sums, linear_by_steps, 4), (gated_delta_sums, delta_by_steps, 5)]
both = pytest.mark.parametrize(("chunked", "by_steps", "count"), FORMS, ids=KINDS)


@both
@pytest.mark.parametrize("length", [1, 5, 11, 130])
@pytest.mark.parametrize("chunk", [1, 5, 64])
def test_chunks_are_the_recurrence(chunked, by_steps, count, length: int, chunk: int, monkeypatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK", chunk)
    tensors = inputs(length)[:count]
    for ours, expected in zip(chunked(*tensors), by_steps(*tensors), strict=True):
        torch.testing.assert_close(ours, expected)
    single = [tensor.float() for tensor in tensors]
    torch.testing.assert_close(chunked(*single)[0].double(), by_steps(*tensors)[0], atol=1e-5, rtol=1e-5)


@both
def test_gradients_are_the_recurrences(chunked, by_steps, count, monkeypatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK", 5)
    tensors = inputs(12)[:count]
    ours, expected = (
        torch.autograd.grad(sum(part.sin().sum() for part in function(*tensors)), tensors)
        for function in (chunked, by_steps)
    )
    torch.testing.assert_close(ours, expected)


@both
def test_decays_that_leave_nothing_give_numbers(chunked, by_steps, count) -> None:
    """No exponent is positive, however fast a state decays: what is read is the position's own."""
    query, key, value, decay, strength = (tensor.detach().float() for tensor in inputs(130))
    outputs, state = chunked(query, key, value, 1e4 + decay, *[strength][: count - 4])
    assert outputs.isfinite().all()
    assert state.isfinite().all()
    own = (query * key).sum(-1, keepdim=True) * value
    torch.testing.assert_close(outputs, own if count == 4 else strength[..., None] * own)


def test_a_key_that_is_written_at_full_strength_is_answered_as_it_was_last_written() -> None:
    """Of repeated keys the delta rule keeps the last value; linear attention adds all of them up."""
    key = F.one_hot(torch.tensor([0, 1, 2, 0, 1, 2, 3, 0]), 6)[None, None].double()
    value = torch.randn(1, 1, 8, 5, dtype=torch.float64)
    still = torch.zeros(1, 1, 8, dtype=torch.float64)
    _, state = gated_delta_sums(key, key, value, still, still + 1)
    torch.testing.assert_close(state[0, 0, :4], value[0, 0, [7, 4, 5, 6]])
    _, state = decaying_sums(key, key, value, still)
    torch.testing.assert_close(state[0, 0, 1], value[0, 0, 1] + value[0, 0, 4])


def mixer_of(kind: str, width: int = 16, **settings: object) -> Mixer:
    torch.manual_seed(0)
    return build_mixer(MixerConfig.parse({"kind": kind, "heads": 2} | settings), ModelConfig(width=width))


@pytest.mark.parametrize("kind", KINDS)
def test_a_mixer_is_its_equation(kind: str) -> None:
    """Written plainly from its parameters, position by position, and so are the steps after a beginning."""
    mixer = mixer_of(kind).double()
    x = torch.randn(2, 70, 16, dtype=torch.float64)
    own = dict(mixer.named_parameters())
    projected, gate = (x @ own["project.weight"].T).split([12 + 12 + 24, 24], -1)
    taps = own["short.weight"]
    past = F.pad(projected, (0, 0, 3, 0))
    filtered = F.silu(sum(taps[k] * past[:, 3 - k : 73 - k] for k in range(4)))
    query, key, value = (
        part.unflatten(-1, (2, -1)).transpose(1, 2) for part in filtered.split([12, 12, 24], -1)
    )  # (B, H, T, …)
    pace = F.softplus(x @ own["decays.weight"].T + own["decays.bias"]).transpose(1, 2)
    decay = own["decays.log_rate"].exp()[:, None] * pace
    steps: list[Tensor] = []
    state = torch.zeros(2, 2, 6, 12, dtype=torch.float64)
    for t in range(70):
        q, k, v = query[:, :, t], key[:, :, t], value[:, :, t]
        state = decay[:, :, t, None, None].neg().exp() * state
        if kind == "gated_linear":
            state = state + decay[:, :, t, None, None] * k[..., None] * v[..., None, :]
            steps.append(torch.einsum("bhkv,bhk->bhv", state, q))
        else:
            q, k = q / q.norm(dim=-1, keepdim=True), k / k.norm(dim=-1, keepdim=True)
            strength = torch.sigmoid(x[:, t] @ own["strength"].T)[..., None]
            u = strength * (v - torch.einsum("bhkv,bhk->bhv", state, k))
            state = state + k[..., None] * u[..., None, :]
            steps.append(torch.einsum("bhkv,bhk->bhv", state, q))
    read = torch.stack(steps, 1)
    normed = (read / read.square().mean(-1, keepdim=True).add(torch.finfo(torch.float64).eps).sqrt()).flatten(2)
    expected = (F.silu(gate) * normed) @ own["output.weight"].T
    torch.testing.assert_close(mixer(x), expected)
    _, states = mixer.prefill(x[:, :66])
    for t in range(66, 70):
        output, states = mixer.step(x[:, t], states)
        torch.testing.assert_close(output, expected[:, t])
    torch.testing.assert_close(states[1], state)


@pytest.mark.parametrize("kind", KINDS)
def test_forms_agree_in_single_precision(kind: str) -> None:
    mixer, x = mixer_of(kind, width=64, heads=4), torch.randn(2, 300, 64)
    whole = mixer(x)
    read, states = mixer.prefill(x[:, :200])
    steps = []
    for t in range(200, 300):
        output, states = mixer.step(x[:, t], states)
        steps.append(output)
    torch.testing.assert_close(torch.cat([read, torch.stack(steps, 1)], 1), whole, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_decays_begin_as_of_mamba_2(kind: str) -> None:
    mixer = mixer_of(kind, width=128, heads=32)
    rate, pace = mixer.decays.log_rate.exp(), F.softplus(mixer.decays.bias)  # type: ignore[union-attr,operator,arg-type]
    for found, (low, high) in ((rate, (1, 16)), (pace, (1e-3, 1e-1))):
        assert low <= found.min() < found.max() <= high
    assert pace.log10().std() > 0.4, "even on a logarithmic scale"


def test_heads_that_do_not_divide_the_channels_are_refused() -> None:
    for settings, says in (
        ({"heads": 5}, "key_expansion.*0.75 of a width of 16 is 12 channels"),
        ({"heads": 4, "value_expansion": 0.25}, "value_expansion.*must divide into 4 heads of at least 2"),
    ):
        with pytest.raises(Misfit) as caught:
            MixerConfig.parse({"kind": "gated_delta"} | settings).check(ModelSize(16, 8))
        assert caught.match(says.split(".*")[1])
        assert caught.value.setting == says.split(".*")[0]
