"""Mixers and filter banks of models that are not causal, against sums written out position by position."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import pywt
import torch
from torch import Tensor, nn

from signal_model.config import FilterBankConfig, MixerConfig, ModelConfig
from signal_model.layers.convolution import ShortConvolution
from signal_model.layers.filter_bank import FilterBank, build_filter_bank
from signal_model.layers.mixers import Mixer, attention, build_mixer
from signal_model.layers.mixers.attention import AttentionMixer
from signal_model.layers.mixers.harmonic import HarmonicMixer
from signal_model.layers.mixers.wavelet import WaveletMixer
from signal_model.transforms.harmonic_convolution import two_sided_harmonic_convolution
from tests.tools.parts import built_in

MODEL = ModelConfig(width=4, context=300, causal=False, layers=({"mixer": {"kind": "harmonic"}},))  # type: ignore[arg-type]


def filtered(x: Tensor, taps: Tensor, ahead: int, dilation: int = 1) -> Tensor:
    """Σ_k taps[k] ⊙ x(t + (ahead - k) · dilation) of (T, C) and (K, C), term by term."""
    rows = []
    for t in range(len(x)):
        terms = [
            taps[k] * x[t + (ahead - k) * dilation]
            for k in range(len(taps))
            if 0 <= t + (ahead - k) * dilation < len(x)
        ]
        rows.append(torch.stack(terms).sum(0) if terms else torch.zeros_like(x[0]))
    return torch.stack(rows)


def short(module: ShortConvolution | None, x: Tensor) -> Tensor:
    return x if module is None else filtered(x, module.weight, (len(module.weight) - 1) // 2, module.dilation)


def of_harmonic(mixer: HarmonicMixer, x: Tensor) -> Tensor:
    """h(t) and h(-t) are sums of the same harmonics with coefficients of their own."""
    query, key, value = short(mixer.short, mixer.project(x)).chunk(3, -1)
    decay, frequency = mixer.log_decay.exp(), mixer.log_frequency.exp()
    heads, channels, _ = mixer.coefficients.shape
    lag = torch.arange(len(x))[:, None] - torch.arange(len(x))
    kernels = []
    for head in range(heads):
        gain = torch.sqrt(1 - torch.exp(-2 * decay[head]))
        envelope = gain * torch.exp(-decay[head] * lag.abs()[..., None])
        cosine, sine = (envelope * wave(frequency[head] * lag.abs()[..., None]) for wave in (torch.cos, torch.sin))
        for channel in range(channels):
            after, beta, before, delta = mixer.coefficients[head, channel].chunk(4)
            past, future = cosine @ after + sine @ beta, cosine @ before + sine @ delta
            kernels.append(torch.where(lag >= 0, past, future))
    mixed = torch.stack([kernel @ column for kernel, column in zip(kernels, (key * value).T, strict=True)], -1)
    return mixer.output(query * mixed)


def of_wavelet(mixer: WaveletMixer, x: Tensor) -> Tensor:
    """Each level's low-pass filter goes forwards and backwards; bands are filtered, gated and summed."""
    query, value = mixer.project(x).chunk(2, -1)
    several = []
    for family in mixer.families:
        lowpass = np.trim_zeros(np.array(pywt.Wavelet(family).rec_lo))
        symmetric = np.convolve(lowpass, lowpass[::-1]) / lowpass.sum() ** 2
        taps = torch.from_numpy(symmetric)[:, None]
        approximation, bands = value, []
        for level in range(mixer.levels):
            smoother = filtered(approximation, taps, len(lowpass) - 1, 2**level)
            bands.append(approximation - smoother)
            approximation = smoother
        bands.append(approximation)
        torch.testing.assert_close(torch.stack(bands).sum(0), value)
        several.append(torch.stack(bands))
    weights = torch.ones(1, len(x)) if mixer.selection is None else mixer.selection(x).softmax(-1).T
    bands = (torch.stack(several) * weights[:, None, :, None]).sum(0)
    gates = 2 * torch.sigmoid(mixer.gates(x)).view(len(x), mixer.levels + 1, mixer.heads)
    mixed = torch.zeros_like(value)
    for level, (band, module) in enumerate(zip(bands, mixer.filters, strict=True)):
        own = gates[:, level].repeat_interleave(value.shape[1] // mixer.heads, 1)
        mixed = mixed + own * short(module, band)  # type: ignore[arg-type]
    return mixer.output(nn.functional.silu(query) * mixed)


def of_attention(mixer: AttentionMixer, x: Tensor) -> Tensor:
    """Softmax over all positions, or over those of a window with more of its tokens before than after its middle."""
    length, heads = len(x), mixer.heads
    parts = short(mixer.short, mixer.project(x)).view(length, 3, heads, -1).unbind(1)
    query, key, value = (part.transpose(0, 1) for part in parts)
    channels = query.shape[-1]
    query, key = (part / part.square().mean(-1, keepdim=True).sqrt() for part in (query, key))
    if mixer.rotary:
        rate = 10000.0 ** -(torch.arange(0, channels, 2).float() / channels)
        turn = torch.polar(torch.ones(()).double(), (torch.arange(length)[:, None] * rate).float().double())
        query, key = (
            torch.cat([turned.real, turned.imag], -1)
            for turned in (torch.complex(*part.chunk(2, -1)) * turn for part in (query, key))
        )
    logits = query @ key.mT * mixer.log_scale.exp()[:, None, None] / math.sqrt(channels)
    ahead = torch.arange(length) - torch.arange(length)[:, None]
    if mixer.window is not None:
        seen = (ahead <= (mixer.window - 1) // 2) & (-ahead <= mixer.window // 2)
        logits = logits.masked_fill(~seen, -math.inf)
    return mixer.output((logits.softmax(-1) @ value).transpose(0, 1).flatten(1))


def of_bank(bank: FilterBank, x: Tensor) -> Tensor:
    scales, filters, taps = bank.filters.shape
    weights = bank.weights(x).view(len(x), scales, filters)
    terms = [
        weights[:, scale, number, None]
        * filtered(x, bank.filters[scale, number, :, None].expand(taps, x.shape[1]), (taps - 1) // 2, 2**scale)
        for scale in range(scales)
        for number in range(filters)
    ]
    return torch.stack(terms).sum(0)


CASES: list[tuple[dict[str, Any], Callable[..., Tensor]]] = [
    ({"kind": "harmonic", "bases": 3}, of_harmonic),
    ({"kind": "harmonic", "bases": 2, "heads": 2, "short_convolution": 1}, of_harmonic),
    ({"kind": "wavelet", "families": ["haar"], "levels": 3, "heads": 2}, of_wavelet),
    ({"kind": "wavelet", "families": ["db2", "bior2.2"], "levels": 2, "heads": 1, "taps": 4}, of_wavelet),
    ({"kind": "attention", "heads": 2, "rotary": False, "short_convolution": 4}, of_attention),
    ({"kind": "attention", "heads": 1}, of_attention),
    ({"kind": "attention", "heads": 2, "window": 3, "rotary": False}, of_attention),
    ({"kind": "attention", "heads": 2, "window": 6, "rotary": False, "short_convolution": 3}, of_attention),
    ({"kind": "convolution", "taps": 6}, lambda mixer, x: short(mixer.taps, x)),
    ({"kind": "learned", "filters": 2, "scales": 3, "taps": 4}, of_bank),
]
every_case = pytest.mark.parametrize(("settings", "reference"), CASES, ids=[str(case[0]) for case in CASES])


def built(settings: dict[str, Any]) -> Mixer:
    torch.manual_seed(0)
    if settings["kind"] == "learned":
        bank = build_filter_bank(FilterBankConfig.parse(settings), MODEL)
        assert bank is not None
        return bank.double()
    return build_mixer(MixerConfig.parse(settings), MODEL).double()


def test_every_two_sided_mixer_is_asked() -> None:
    two_sided = {name for name, kind in built_in(MixerConfig).items() if kind.two_sided}
    assert two_sided == {settings["kind"] for settings, _ in CASES} - {"learned"}


@every_case
@pytest.mark.parametrize("length", [1, 2, 21, 90])
def test_values_and_gradients_are_those_of_the_sum(
    settings: dict[str, Any], reference: Callable[..., Tensor], length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a sequence that fills a batch, and of one beside a longer one, whose end is not heard."""
    monkeypatch.setattr(attention, "SHORT", 0)  # so that windows are cut into blocks
    mixer = built(settings)
    x = torch.randn(1, length, 4, dtype=torch.float64, requires_grad=True)
    expected = reference(mixer, x[0])
    weight = torch.randn_like(expected)
    leaves = [x, *mixer.parameters()]
    theirs = torch.autograd.grad((expected * weight).sum(), leaves)
    torch.testing.assert_close(mixer(x)[0], expected, rtol=1e-6, atol=1e-7)
    padded = torch.cat([x, torch.zeros(1, 13, 4)], 1).expand(2, -1, -1)
    present = (torch.arange(length + 13)[:, None] < torch.tensor([[[length]], [[length + 13]]])).double()
    beside = mixer(padded, present)[0, :length]
    torch.testing.assert_close(beside, expected, rtol=1e-6, atol=1e-7)
    for output in (mixer(x)[0], beside):
        ours = torch.autograd.grad((output * weight).sum(), leaves, retain_graph=True)
        for mine, other in zip(ours, theirs, strict=True):
            # Rotary angles are those of float32.
            torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-6 * max(1, float(other.abs().max())))


@every_case
def test_both_sides_are_heard(settings: dict[str, Any], reference: Callable[..., Tensor]) -> None:
    mixer, x = built(settings), torch.randn(1, 40, 4, dtype=torch.float64)
    before = mixer(x)
    for changed, beside in ((19, 20), (21, 20)):
        other = x.clone()
        other[:, changed] += 1
        assert not torch.allclose(mixer(other)[:, beside], before[:, beside])


def test_the_kernel_that_analysis_shows_is_the_one_that_convolves() -> None:
    mixer = built({"kind": "harmonic", "bases": 3})
    assert isinstance(mixer, HarmonicMixer)
    impulse = torch.zeros(1, 9, 4, dtype=torch.float64)
    impulse[:, 4] = 1
    response = two_sided_harmonic_convolution(impulse, *mixer._rates(), mixer._gains(mixer._rates()[0]))
    torch.testing.assert_close(response[0].T, mixer.kernel(9)[:, 4:13])


@pytest.mark.parametrize("settings", [{"kind": "attention", "window": 2}, {"kind": "convolution", "taps": 2}], ids=str)
def test_what_would_not_look_ahead_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="causal: false asks, got 2"):
        ModelConfig.model_validate({"width": 8, "causal": False, "layers": [{"mixer": settings}]})
    ModelConfig.model_validate({"width": 8, "layers": [{"mixer": settings}]})


@pytest.mark.parametrize("kind", ["selective", "gated_linear", "gated_delta", "fourier_attention"])
def test_a_mixer_without_a_two_sided_form_is_refused_by_name(kind: str) -> None:
    settings = {"width": 128, "causal": False, "layers": [{"mixer": {"kind": kind}}]}
    with pytest.raises(ValueError, match=rf"mixer.kind: {kind} has no two-sided form.*accepted: attention, "):
        ModelConfig.model_validate(settings)
