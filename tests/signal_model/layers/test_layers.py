"""Layers and transforms against their formulas and against independent implementations."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import pywt
import scipy.fft
import scipy.signal
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.utils import parametrize

from signal_model.config import FilterBankConfig, HarmonicConfig, MixerConfig, ModelConfig
from signal_model.evaluation.causality import disagreement_of_forms
from signal_model.layers.embeddings import (
    HybridEmbedding,
    SpectralEmbedding,
    build_embedding,
    dct_basis,
    fourier_basis,
    wavelet_packet_basis,
)
from signal_model.layers.filter_bank import FilterBank, build_filter_bank
from signal_model.layers.mixers import Mixer, attention, build_mixer
from signal_model.layers.mixers.attention import INITIAL_LOGIT, AttentionMixer, windowed_attention
from signal_model.layers.mixers.fourier_attention import FourierAttention
from signal_model.layers.mixers.harmonic import HarmonicMixer
from signal_model.layers.positions import SignalPositions, build_positions
from signal_model.model import build_model
from signal_model.transforms.atrous import causal_decomposition, lowpass
from signal_model.transforms.fourier import causal_convolution, fast_length
from signal_model.transforms.harmonics import spaced
from tests.signal_model.evaluation.test_causality import EMBEDDINGS, FILTER_BANKS, MIXERS

DISCRETE = pywt.wavelist(kind="discrete")


# --- transforms ----------------------------------------------------------------------------------


@given(st.integers(1, 200), st.integers(1, 200), st.integers(0, 99))
@settings(max_examples=50)
def test_causal_convolution_is_scipys(length: int, taps: int, seed: int) -> None:
    taps = min(taps, length)
    generator = np.random.default_rng(seed)
    signal, kernel = generator.normal(size=(2, length, 3)), generator.normal(size=(3, taps))
    ours = causal_convolution(torch.from_numpy(signal), torch.from_numpy(kernel)).numpy()
    for batch in range(2):
        for channel in range(3):
            theirs = scipy.signal.lfilter(kernel[channel], 1.0, signal[batch, :, channel])
            np.testing.assert_allclose(ours[batch, :, channel], theirs, atol=1e-10)


def test_fast_length_is_scipys_for_real_transforms() -> None:
    for n in range(1, 3000):
        even = next(m for m in range(n, 2 * n + 3) if m % 2 == 0 and scipy.fft.next_fast_len(m, real=True) == m)
        assert fast_length(n) == even, n


@pytest.mark.parametrize("wavelet", DISCRETE)
def test_wavelet_bands_sum_to_the_signal_and_follow_the_algorithm(wavelet: str) -> None:
    """Exact additive reconstruction, and level by level what scipy filters with the same dilated taps."""
    taps = lowpass(wavelet)
    assert math.isclose(sum(taps), 1, abs_tol=1e-12)
    signal = torch.randn(2, 150, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    bands = causal_decomposition(signal, wavelet, 4)
    torch.testing.assert_close(torch.stack(bands).sum(0), signal, atol=1e-12, rtol=0)
    approximation = signal.numpy()
    for level in range(4):
        dilated = np.zeros((len(taps) - 1) * 2**level + 1)
        dilated[:: 2**level] = taps
        smoother = scipy.signal.lfilter(dilated, 1.0, approximation, axis=1)
        np.testing.assert_allclose(bands[level].numpy(), approximation - smoother, atol=1e-12)
        approximation = smoother
    np.testing.assert_allclose(bands[4].numpy(), approximation, atol=1e-12)


@pytest.mark.parametrize("wavelet", ["haar", "db2", "db5", "sym4"])
def test_approximations_are_pywavelets_swt_delayed(wavelet: str) -> None:
    """Away from the edges level j of `pywt.swt` is ours, 2^(j/2) times larger and earlier by
    (2^j - 1) · L / 2 samples, for the wavelet whose filters are reversed in time."""
    levels, n = 3, 512
    signal = np.random.default_rng(0).normal(size=n)
    # PyWavelets convolves with dec_lo, the reversal of the reconstruction filter that lowpass takes.
    reference = pywt.Wavelet(wavelet)
    reversed_bank = (reference.rec_lo, reference.rec_hi, reference.dec_lo, reference.dec_hi)
    ours = signal
    theirs = pywt.swt(signal, pywt.Wavelet("reversed", filter_bank=reversed_bank), levels, trim_approx=False)
    taps = np.array(lowpass(wavelet))
    for level in range(1, levels + 1):
        dilated = np.zeros((len(taps) - 1) * 2 ** (level - 1) + 1)
        dilated[:: 2 ** (level - 1)] = taps
        ours = scipy.signal.lfilter(dilated, 1.0, ours)
        delay = (2**level - 1) * len(taps) // 2
        approximation = theirs[levels - level][0] / 2 ** (level / 2)
        inner = slice(200, 300)
        np.testing.assert_allclose(ours[inner.start + delay : inner.stop + delay], approximation[inner], atol=1e-10)


def test_spacings() -> None:
    for spacing in ("linear", "log", "mel"):
        values = spaced((0.5, 32.0), 9, spacing).numpy()
        np.testing.assert_allclose(values[[0, -1]], [0.5, 32.0], rtol=1e-6)
        assert np.all(np.diff(values) > 0)
    np.testing.assert_allclose(np.diff(spaced((1, 9), 5, "linear").numpy()), 2)
    np.testing.assert_allclose(spaced((1, 16), 5, "log").numpy(), [1, 2, 4, 8, 16], rtol=1e-6)
    hertz = spaced((100.0, 8000.0), 20, "mel").double().numpy()
    np.testing.assert_allclose(np.diff(2595 * np.log10(1 + hertz / 700), n=2), 0, atol=1e-3)


# --- embeddings ----------------------------------------------------------------------------------


@pytest.mark.parametrize("learnable", [False, True])
def test_spectral_embedding_is_its_formula(learnable: bool) -> None:
    """E(v)_d = Σ_i a_i sin(2π f_i τ_d + φ_i), from the amplitudes and phases that it shows."""
    settings_ = {"kind": "spectral", "bases": 5, "frequencies": [0.5, 6], "learnable_frequencies": learnable}
    config = ModelConfig(vocab_size=11, width=16, embedding=settings_)  # type: ignore[arg-type]
    embedding = build_embedding(config.embedding, config)
    assert isinstance(embedding, SpectralEmbedding)
    grid = (torch.arange(16) + 0.5) / 16
    angle = 2 * math.pi * embedding.frequencies[:, None] * grid + embedding.phases[:, :, None]
    formula = (embedding.amplitudes[:, :, None] * angle.sin()).sum(1) * math.sqrt(2 / 16)
    torch.testing.assert_close(embedding(torch.arange(11)[None])[0], formula, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("settings_", EMBEDDINGS, ids=str)
def test_heads_are_tied(settings_: dict[str, object]) -> None:
    """Logits are inner products with the very vectors that the lookup gives."""
    config = ModelConfig(vocab_size=11, width=16, embedding=settings_)  # type: ignore[arg-type]
    embedding = build_embedding(config.embedding, config)
    vectors = embedding(torch.arange(11)[None])[0]
    hidden = torch.randn(2, 3, 16)
    torch.testing.assert_close(embedding.logits(hidden), hidden @ vectors.T, atol=1e-5, rtol=1e-5)


def test_hybrid_mixing_is_the_number_asked_for() -> None:
    config = ModelConfig(vocab_size=11, width=16, embedding={"kind": "hybrid", "mixing": 0.3, "frequencies": [1, 4]})  # type: ignore[arg-type]
    embedding = build_embedding(config.embedding, config)
    assert isinstance(embedding, HybridEmbedding)
    assert embedding.mixing.item() == pytest.approx(0.3)


@pytest.mark.parametrize("width", [8, 12, 96])
def test_fixed_bases(width: int) -> None:
    identity = torch.eye(width)
    np.testing.assert_allclose(
        dct_basis(width, width).numpy(), scipy.fft.dct(np.eye(width), norm="ortho", axis=0), atol=1e-6
    )
    torch.testing.assert_close(fourier_basis(width, width) @ fourier_basis(width, width).T, identity, atol=1e-5, rtol=0)
    for wavelet in ("haar", "db4", "sym5"):
        basis = wavelet_packet_basis(wavelet, width, width)
        torch.testing.assert_close(basis @ basis.T, identity, atol=1e-5, rtol=0)
        # Lowest frequency first: the first function of the first band crosses zero least.
        crossings = (basis.sign().diff(dim=1) != 0).sum(1)
        assert crossings[: width // 4].float().mean() < crossings[-width // 4 :].float().mean()


# --- mixers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings_", [*MIXERS, *FILTER_BANKS], ids=str)
@given(length=st.integers(1, 80), seed=st.integers(0, 99))
@settings(max_examples=10)
def test_two_forms_one_computation(settings_: dict[str, object], length: int, seed: int) -> None:
    """The recurrent form gives what the parallel form gives, and its state keeps its size."""
    config = ModelConfig(width=8, context=100)
    torch.manual_seed(seed)
    mixer = build_filter_bank(FilterBankConfig.parse(settings_), config) if settings_ in FILTER_BANKS else None
    mixer = mixer or build_mixer(MixerConfig.parse(settings_), config)
    x = torch.randn(2, length, 8)
    if settings_["kind"] == "fourier_attention":
        # Spectra round by what is largest anywhere; where little is heard yet, the norm makes much of that.
        mixer, x = mixer.double(), x.double()
    state = mixer.start(2)
    sizes, outputs = [], []
    with torch.no_grad():
        for t in range(length):
            output, state = mixer.step(x[:, t], state)
            outputs.append(output)
            sizes.append(sum(tensor.numel() for tensor in state))
        torch.testing.assert_close(torch.stack(outputs, 1), mixer(x), atol=1e-5, rtol=1e-4)
    keeps_all = settings_["kind"] == "fourier_attention" or (
        settings_["kind"] == "attention" and "window" not in settings_
    )
    assert len(set(sizes)) == (length if keeps_all else 1)


def test_fourier_attention_is_its_triple_sum() -> None:
    """z(t) = Σ_{i+j+l = t} e^{-λ(i+j)} q(i) k(j) v(l) / N(t), term by term, normalised per head and gated."""
    config = ModelConfig(width=4, layers=[{"mixer": {"kind": "fourier_attention", "heads": 2}}])  # type: ignore[arg-type]
    mixer = build_mixer(config.layers[0].mixer, config).double()
    assert isinstance(mixer, FourierAttention)
    x = torch.randn(1, 7, 4, dtype=torch.float64)
    gate, query, key, value = (part[0] for part in mixer.project(x).chunk(4, dim=-1))
    query, key = (part.view(7, 2, 2) for part in (query, key))
    query, key = ((p / p.square().mean(-1, keepdim=True).sqrt()).flatten(1) for p in (query, key))
    decay = mixer.log_decay.exp().repeat_interleave(2)
    for t in range(7):
        terms = [
            torch.exp(-decay * (i + j)) * query[i] * key[j] * value[t - i - j]
            for i in range(t + 1)
            for j in range(t + 1 - i)
        ]
        size = torch.stack([torch.exp(-2 * decay * (i + j)) for i in range(t + 1) for j in range(t + 1 - i)]).sum(0)
        z = torch.stack(terms).sum(0) / size.sqrt()
        normed = (z.view(2, 2) / z.view(2, 2).square().mean(1, keepdim=True).sqrt()).flatten()
        expected = mixer.output(torch.nn.functional.silu(gate[t]) * normed)
        torch.testing.assert_close(mixer(x)[0, t], expected, atol=1e-8, rtol=1e-6)


def test_fourier_attention_is_bounded_for_any_input() -> None:
    """Constant input adds up most; without the norm the triple sum grows as the square of the position."""
    config = ModelConfig(width=8, layers=[{"mixer": {"kind": "fourier_attention", "timescales": [1e5, 1e6]}}])  # type: ignore[arg-type]
    mixer = build_mixer(config.layers[0].mixer, config)
    with torch.no_grad():
        output = mixer(torch.ones(1, 3000, 8))[0]
        gate = torch.nn.functional.silu(mixer.project(torch.ones(8))[:8])
        # Each head's channels have a mean square of one, so none is above sqrt(channels of a head).
        largest = math.sqrt(2) * gate.norm() * torch.linalg.matrix_norm(mixer.output.weight, 2)
    assert float(output.norm(dim=-1).max()) <= float(largest)


def test_filter_bank_is_its_formula() -> None:
    """y(t) = Σ_s Σ_m w_sm(t) Σ_k f_sm(k) x(t - 2^s k), over more than one block of positions."""
    config = ModelConfig(width=8, layers=[{"filter_bank": {"kind": "learned", "filters": 2, "scales": 3, "taps": 3}}])  # type: ignore[arg-type]
    bank = build_filter_bank(config.layers[0].filter_bank, config)
    assert isinstance(bank, FilterBank)
    x = torch.randn(2, 150, 8)
    weights = bank.weights(x).unflatten(-1, (3, 2))
    expected = torch.zeros_like(x)
    for scale in range(3):
        for tap in range(3):
            lag = tap << scale
            shifted = torch.nn.functional.pad(x, (0, 0, lag, 0))[:, :150]
            expected += (weights[:, :, scale] @ bank.filters[scale, :, tap, None]) * shifted
    torch.testing.assert_close(bank(x), expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("window", [1, 2, 7, 64, 100])
@pytest.mark.parametrize("length", [1, 6, 7, 8, 63, 100])
def test_windowed_attention_is_masked_attention(window: int, length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "SHORT", 0)
    query, key, value = torch.randn(3, 2, 3, length, 4, dtype=torch.float64)
    distance = torch.arange(length)[:, None] - torch.arange(length)
    mask = (distance >= 0) & (distance < window)
    expected = torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    torch.testing.assert_close(windowed_attention(query, key, value, window), expected)


@pytest.mark.parametrize("heads", [1, 2, 8])
def test_attention_is_its_formula(heads: int) -> None:
    """Weights of head h are softmax(e^s_h √c cos(q, k)) for heads of c channels; e^s_h √c is the same at the start."""
    config = ModelConfig(width=32, layers=[{"mixer": {"kind": "attention", "heads": heads, "rotary": False}}])  # type: ignore[arg-type]
    mixer = build_mixer(config.layers[0].mixer, config)
    assert isinstance(mixer, AttentionMixer)
    channels = 32 // heads
    torch.testing.assert_close(mixer.log_scale.exp() * math.sqrt(channels), torch.full((heads,), INITIAL_LOGIT))
    torch.nn.init.normal_(mixer.log_scale)
    x = torch.randn(2, 9, 32)
    query, key, value = mixer.project(x).unflatten(-1, (3, heads, channels)).permute(2, 0, 3, 1, 4).unbind(0)
    cosine = torch.nn.functional.cosine_similarity(query[:, :, :, None], key[:, :, None], dim=-1)
    logits = mixer.log_scale.exp()[:, None, None] * math.sqrt(channels) * cosine
    weights = logits.masked_fill(torch.ones(9, 9).triu(1).bool(), -math.inf).softmax(-1)
    expected = mixer.output((weights @ value).transpose(1, 2).flatten(2))
    torch.testing.assert_close(mixer(x), expected, rtol=1e-4, atol=1e-5)


def test_attention_without_a_scale_in_its_weights_had_one_of_1() -> None:
    config = ModelConfig(width=16, layers=[{"mixer": {"kind": "attention"}}])  # type: ignore[arg-type]
    mixer, other = (build_mixer(config.layers[0].mixer, config) for _ in range(2))
    weights = {name: value for name, value in mixer.state_dict().items() if name != "log_scale"}
    other.load_state_dict(weights)
    assert isinstance(other, AttentionMixer)
    assert other.log_scale.tolist() == [0.0] * 4


def test_signal_positions_are_their_formula() -> None:
    config = ModelConfig(width=8, positions={"kind": "signal", "bases": 3, "frequencies": [0.01, 0.2]})  # type: ignore[arg-type]
    positions = build_positions(config.positions, config)
    assert isinstance(positions, SignalPositions)
    alpha, beta = positions.coefficients.chunk(2)
    for t in (0, 1, 50):
        angle = positions.frequencies * t
        torch.testing.assert_close(positions(torch.tensor([t]))[0], angle.sin() @ alpha + angle.cos() @ beta)
    np.testing.assert_allclose(positions.frequencies.detach()[[0, -1]] / (2 * math.pi), [0.01, 0.2], rtol=1e-5)


def test_harmonic_kernel_is_its_formula() -> None:
    config = ModelConfig(width=6, layers=[{"mixer": {"kind": "harmonic", "bases": 3, "heads": 2}}])  # type: ignore[arg-type]
    mixer = build_mixer(config.layers[0].mixer, config)
    assert isinstance(mixer, HarmonicMixer)
    decay, frequency = mixer.log_decay.exp(), mixer.log_frequency.exp()
    kernel = mixer.kernel(20).detach()
    for channel in range(6):
        head = channel // 3
        alpha, beta = mixer.coefficients[head, channel % 3].chunk(2)
        for t in (0, 1, 7, 19):
            gain = torch.sqrt(1 - torch.exp(-2 * decay[head]))
            wave = alpha * torch.cos(frequency[head] * t) + beta * torch.sin(frequency[head] * t)
            expected = (gain * torch.exp(-decay[head] * t) * wave).sum()
            assert float(kernel[channel, t]) == pytest.approx(expected.item(), abs=1e-5)


def test_harmonics_start_where_the_config_says() -> None:
    settings_ = HarmonicConfig(bases=4, frequencies=(0.01, 0.25), timescales=(2, 64), spacing="log")
    mixer = build_mixer(settings_, ModelConfig(width=8))
    assert isinstance(mixer, HarmonicMixer)
    cycles = (mixer.log_frequency.exp() / (2 * math.pi)).detach()[0]
    np.testing.assert_allclose(cycles[[0, -1]], [0.01, 0.25], rtol=1e-5)
    np.testing.assert_allclose(
        sorted(1 / mixer.log_decay.exp().detach()[0]), [2, 2 * 32 ** (1 / 3), 2 * 32 ** (2 / 3), 64], rtol=1e-5
    )


def test_initialisation_leaves_global_generators_alone_and_depends_on_the_seed_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = ModelConfig(width=16)
    others: list[int] = []  # of GPUs, which are seeded as soon as there are any
    monkeypatch.setattr(torch.cuda, "manual_seed_all", others.append)
    torch.default_generator.manual_seed(5)
    expected = torch.rand(3)
    torch.default_generator.manual_seed(5)
    first = build_model(config, 1)
    assert not others
    assert torch.equal(torch.rand(3), expected)
    again, other = build_model(config, 1), build_model(config, 2)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert not torch.equal(first.blocks[0].mixer.project.weight, other.blocks[0].mixer.project.weight)


@pytest.mark.parametrize("settings_", [*MIXERS, *FILTER_BANKS], ids=str)
@pytest.mark.parametrize("length", [1, 2, 40, 200])
def test_a_beginning_at_once_leaves_the_state_of_its_steps(settings_: dict[str, object], length: int) -> None:
    """Output and every tensor of the state, and so every later step; the default of a user's mixer is the steps."""
    config = ModelConfig(width=8, context=300)
    torch.manual_seed(length)
    mixer = build_filter_bank(FilterBankConfig.parse(settings_), config) if settings_ in FILTER_BANKS else None
    mixer = mixer or build_mixer(MixerConfig.parse(settings_), config)
    x = torch.randn(2, length, 8)
    with torch.no_grad():
        outputs, state = mixer.prefill(x)
        expected, stepped = Mixer.prefill(mixer, x)
    torch.testing.assert_close(outputs, expected, atol=1e-4, rtol=1e-4)
    for ours, theirs in zip(state, stepped, strict=True):
        torch.testing.assert_close(
            ours, theirs, atol=2e-5 * max(1, float(theirs.abs().max())) if theirs.numel() else 0, rtol=0
        )


def test_constants_follow_their_parameters() -> None:
    """Computed once while nothing changes, and again after a step, a load, a move to another type, and a swap."""
    config = ModelConfig(width=8, layers=[{"mixer": {"kind": "harmonic", "bases": 3}}])  # type: ignore[arg-type]
    mixer, other = (build_mixer(config.layers[0].mixer, config).eval() for _ in range(2))

    def check() -> None:
        assert all(map(torch.equal, mixer.current_constants(), mixer.constants()))

    with torch.no_grad():
        before = mixer.current_constants()
        assert mixer.current_constants() is before
        mixer.log_decay.add_(0.1)
        check()
        mixer.load_state_dict(other.state_dict())
        check()
        mixer.load_state_dict(build_mixer(config.layers[0].mixer, config).state_dict(), assign=True)
        check()
        mixer.bfloat16().float()
        check()
        copied = copy.deepcopy(mixer)
        copied.log_decay.mul_(2)
        assert not torch.equal(copied.current_constants()[0], mixer.current_constants()[0])
        parametrize.register_parametrization(mixer, "log_decay", torch.nn.ReLU())
        mixer.current_constants()
        mixer.parametrizations.log_decay.original.add_(0.1)  # type: ignore[union-attr,operator]
        check()
    assert mixer.current_constants() is not mixer.current_constants()  # differentiable, so made anew


@pytest.mark.parametrize("settings_", [*MIXERS, *FILTER_BANKS], ids=str)
def test_nothing_gives_nothing_and_a_state_keeps_its_type(settings_: dict[str, object]) -> None:
    """No rows or no positions are let through, also backwards; and what half precision sums up is kept in float32."""
    config = ModelConfig(width=8, context=100)
    mixer = build_filter_bank(FilterBankConfig.parse(settings_), config) if settings_ in FILTER_BANKS else None
    mixer = mixer or build_mixer(MixerConfig.parse(settings_), config)
    for shape in ((0, 5, 8), (2, 0, 8)):
        x = torch.zeros(shape, requires_grad=True)
        output = mixer(x)
        output.sum().backward()
        assert output.shape == shape
        assert all(p.grad is None or not p.grad.any() for p in mixer.parameters())
    x = torch.randn(2, 8)
    _, none_yet = mixer.prefill(x[:, None][:, :0])
    assert all(map(torch.equal, none_yet, mixer.start(2)))
    for dtype in (torch.bfloat16, torch.float64):
        mixer, x = mixer.to(dtype), x.to(dtype)
        states = mixer.start(2), mixer.step(x, mixer.start(2))[1], mixer.prefill(x[:, None])[1]
        assert len({tuple(tensor.dtype for tensor in state) for state in states}) == 1


def test_a_filter_bank_may_keep_any_number_of_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bank of somebody's own: here a mixer that keeps two."""
    monkeypatch.setattr("signal_model.model.build_filter_bank", lambda _, model: build_mixer(HarmonicConfig(), model))
    model = build_model(ModelConfig(width=8, context=16, layers=[{}]), 0)  # type: ignore[list-item]
    assert disagreement_of_forms(model, 9) < 1e-9
    tokens = torch.randint(256, (1, 9))
    _, states = model.prefill(tokens[:, :8])
    torch.testing.assert_close(model.step(tokens[:, 8], states)[0], model(tokens)[:, 8])


@pytest.mark.parametrize(
    "settings_",
    [
        {"layers": [{"mixer": {"kind": "harmonic", "timescales": [256, 1024]}}]},
        {"layers": [{"mixer": {"kind": "selective"}}]},
        {"layers": [{"mixer": {"kind": "convolution"}}], "positions": {"kind": "signal"}},
        {
            "layers": [{"mixer": {"kind": "convolution"}}],
            "embedding": {"kind": "spectral", "frequencies": [0.5, 16], "learnable_frequencies": True},
        },
    ],
    ids=str,
)
def test_frequencies_are_not_rounded_where_weights_are(settings_: dict[str, object]) -> None:
    """An error of 0.4 % would be one of a radian after forty turns."""
    config = ModelConfig.model_validate({"width": 32, "context": 400} | settings_)
    model, tokens = build_model(config, 0), torch.randint(256, (1, 400))
    model(tokens, tokens).backward()
    kept = {name: one.clone() for name, one in model.named_parameters() if name.endswith(("frequencies", "frequency"))}
    if model.positions is not None:
        model.positions.coefficients.data *= 20
    half = copy.deepcopy(model).double().bfloat16()
    with torch.no_grad():
        expected = model.hidden(tokens)
        assert (half.hidden(tokens) - expected).norm() < 0.02 * expected.norm()
    assert kept
    for name, one in kept.items():
        found = half.get_parameter(name)
        assert torch.equal(found, one)
        assert found.grad is None or found.grad.dtype == found.dtype
    half(tokens, tokens).backward()
