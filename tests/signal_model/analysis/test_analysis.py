"""What is counted against counts by hand and by torch; spectra, filters and wavelets against NumPy and SciPy."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.signal
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from signal_model.analysis.activations import EMBEDDED, activations, energy_frame, residual_stream, text_windows
from signal_model.analysis.costs import (
    SPECTRAL,
    Place,
    component_frame,
    cost_frame,
    kind_frame,
    measure_cost,
    parameter_frame,
)
from signal_model.analysis.counting import OperationCounter, flops_per_token
from signal_model.analysis.embeddings import (
    embedding_vectors,
    harmonic_frame,
    power_spectrum,
    singular_value_frame,
    spectral_part,
    spectrum_frame,
    token_spectrum_frame,
)
from signal_model.analysis.filters import Filters, channel_filter_frame, response_frame, sequence_filters
from signal_model.analysis.report import analyze, write
from signal_model.config import ModelConfig
from signal_model.data.tokenizers import ByteTokenizer
from signal_model.model import SignalLLM, build_model, count_parameters
from signal_model.support.errors import InputError
from signal_model.transforms.atrous import causal_decomposition
from signal_model.transforms.fourier import causal_convolution
from tests.conftest import command
from tests.signal_model.evaluation.test_causality import (
    EMBEDDINGS,
    FEEDFORWARDS,
    FILTER_BANKS,
    MIXERS,
    POSITIONS,
    model_config,
)

MIXED = {
    "vocab_size": 256,
    "context": 64,
    "width": 16,
    "embedding": {"kind": "spectral", "bases": 4, "frequencies": [1, 6]},
    "layers": [
        {"mixer": {"kind": "harmonic", "bases": 4}, "feedforward": {"kind": "spectral"}},
        {"mixer": {"kind": "wavelet", "levels": 3, "families": ["haar", "db2"]}},
        {"mixer": {"kind": "attention", "heads": 2}},
    ],
}


def mixed() -> SignalLLM:
    return build_model(ModelConfig.model_validate(MIXED), 0)


def counted(compute: Callable[[], Any]) -> dict[str, int]:
    """Operations by kind of what `compute` does."""
    with OperationCounter() as counter:
        compute()
    assert not counter.counts.uncounted
    found: dict[str, int] = {}
    for row, total in counter.counts.rows.items():
        found[row.kind] = found.get(row.kind, 0) + total.flops
    return {kind: flops for kind, flops in found.items() if flops}


# --- operators, by hand ---------------------------------------------------------------------------

A, B, X = torch.randn(3, 5), torch.randn(5, 7), torch.randn(2, 8)
Z = torch.randn(2, 8, dtype=torch.complex64)


@pytest.mark.parametrize(
    ("compute", "expected"),
    [
        (lambda: A @ B, {"matrix product": 2 * 3 * 5 * 7}),
        (lambda: torch.mm(A, B, out=torch.empty(3, 7)), {"matrix product": 2 * 3 * 5 * 7}),
        (lambda: torch.zeros(3, 7).addmm_(A, B), {"matrix product": 2 * 3 * 5 * 7}),
        (lambda: torch.einsum("ij,bjk->bik", A, B.expand(4, 5, 7)), {"matrix product": 4 * 2 * 3 * 5 * 7}),
        (lambda: A.to(torch.complex64) @ B.to(torch.complex64), {"matrix product": 8 * 3 * 5 * 7}),
        (
            lambda: torch.linalg.solve_triangular(torch.ones(4, 3, 3), B[:3], upper=False, unitriangular=True),
            {"matrix product": 4 * 3 * 2 * 7},
        ),
        (lambda: torch.fft.rfft(X), {"Fourier transform": 2 * 2.5 * 8 * 3}),
        (lambda: torch.fft.irfft(torch.fft.rfft(X)), {"Fourier transform": 2 * 2 * 2.5 * 8 * 3}),
        (lambda: torch.fft.fft(Z), {"Fourier transform": 2 * 5 * 8 * 3}),
        (lambda: torch.fft.rfft2(X), {"Fourier transform": 2.5 * 16 * 4}),
        (lambda: Z * Z, {"complex product": 6 * 16}),
        (lambda: Z * X + Z, {"elementwise": 2 * 16 + 2 * 16}),
        (lambda: X.add_(X, alpha=0.5), {"elementwise": 2 * 16}),
        (lambda: torch.addcmul(X, X, X), {"elementwise": 2 * 16}),
        (lambda: X.exp() + X.sigmoid(), {"function": 16 + 4 * 16, "elementwise": 16}),
        (lambda: X.softmax(-1), {"function": 5 * 16}),
        (lambda: X.sum(), {"reduction": 16}),
        (lambda: F.conv1d(X[:, None], torch.ones(6, 1, 3)), {"convolution": 2 * (2 * 6 * 6) * 3}),
        (lambda: F.conv1d(torch.ones(2, 6, 9), torch.ones(4, 3, 5), groups=2), {"convolution": 2 * 2 * 4 * 5 * 15}),
        (lambda: (torch.arange(9)[:, None] < torch.arange(9) + 1, X.T.flip(0).clone()), {}),
    ],
)  # fmt: skip
def test_operators_by_hand(compute: Callable[[], Any], expected: dict[str, int]) -> None:
    assert counted(compute) == expected


def test_a_causal_convolution_by_hand() -> None:
    """8 tokens and 8 taps are padded to 15 → 16 points: two transforms of signals, one of kernels, one product."""
    signal, kernel = torch.randn(2, 8, 3), torch.randn(3, 8)
    kinds = counted(lambda: causal_convolution(signal, kernel))
    assert kinds["Fourier transform"] == 2.5 * 16 * 4 * (2 * 3 + 3 + 2 * 3)
    assert kinds["complex product"] == 6 * 9 * (2 * 3)


def test_wavelet_filtering_is_told_by_the_code_that_does_it() -> None:
    """haar: per level and sample one product, one product with addition where there is a sample before, one
    subtraction."""
    signal = torch.randn(1, 32, 4)
    expected = 4 * sum(32 + 2 * (32 - dilation) + 32 for dilation in (1, 2, 4))
    assert counted(lambda: causal_decomposition(signal, "haar", 3)) == {"wavelet filter": expected}


def test_unknown_arithmetic_is_reported_not_dropped() -> None:
    with OperationCounter() as counter:
        torch.special.bessel_j0(torch.ones(3, 4))
    assert counter.counts.uncounted == {"aten::special_bessel_j0": 12}
    assert counter.total == 0


# --- whole models ---------------------------------------------------------------------------------


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


# --- spectra of embeddings ------------------------------------------------------------------------


@given(cycles=st.integers(1, 7), token=st.integers(0, 16), seed=st.integers(0, 99))
@settings(max_examples=20)
def test_one_sinusoid_peaks_at_its_frequency(cycles: int, token: int, seed: int) -> None:
    """Any amplitude and phase; all of the energy lies there."""
    embedding = {"kind": "spectral", "bases": 1, "frequencies": [cycles * 0.999999, cycles * 1.000001]}
    model = build_model(model_config(width=16, embedding=embedding), seed)
    frame = token_spectrum_frame(model)
    of_token = frame[frame["token"] == token]
    assert of_token.loc[of_token["power"].idxmax(), "cycles"] == cycles
    assert of_token["share"].max() == pytest.approx(1, abs=1e-6)
    assert spectrum_frame(model)["power"].idxmax() == cycles


@given(width=st.integers(2, 33), seed=st.integers(0, 99))
def test_powers_sum_to_the_energy(width: int, seed: int) -> None:
    vectors = torch.randn(3, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    power = power_spectrum(vectors)
    assert power.shape == (3, width // 2 + 1)
    torch.testing.assert_close(power.sum(1), vectors.square().sum(1))


def test_embedding_frames() -> None:
    model = mixed()
    spectral = spectral_part(model)
    assert spectral is not None
    values = singular_value_frame(model)
    vectors = embedding_vectors(model).numpy()
    np.testing.assert_allclose(values["value"], np.linalg.svd(vectors, compute_uv=False), atol=1e-12)
    assert (values["value"] > 1e-6).sum() == 8  # two per harmonic
    assert values["energy"].iloc[7] == pytest.approx(1)
    assert spectrum_frame(model)["power"].sum() == pytest.approx((vectors**2).sum(1).mean())
    with torch.no_grad():  # 2 sin(ωτ + φ), φ = π/3, for all tokens
        spectral.coefficients[:] = torch.tensor([2 * math.cos(math.pi / 3)] * 4 + [2 * math.sin(math.pi / 3)] * 4)
    harmonics = harmonic_frame(spectral)
    np.testing.assert_allclose(harmonics[["amplitude", "low", "high"]], 2, rtol=1e-6)
    there = harmonics[harmonics["tokens"] == 1]
    assert len(there) == 4
    assert (abs(there["phase"] - math.pi / 3) <= math.pi / 24 + 1e-6).all()
    assert harmonics.groupby("harmonic")["tokens"].sum().tolist() == [1, 1, 1, 1]
    np.testing.assert_allclose(sorted(set(harmonics["frequency"])), np.linspace(1, 6, 4), rtol=1e-6)


# --- filters --------------------------------------------------------------------------------------


def test_frequency_responses_are_scipys() -> None:
    """The harmonic kernel, learned short filters, wavelet bands; longer than the grid of frequencies too."""
    model = mixed()
    filters = sequence_filters(model)
    kernel = next(one for one in filters if one.name == "kernel")
    np.testing.assert_allclose(kernel.taps, model.get_submodule("blocks.0.mixer").kernel(64).detach().double())
    for one in filters:
        for points in (9, 65):
            frequency = np.linspace(0, 0.5, points)
            for taps, response in zip(one.taps.numpy(), one.response(points).numpy(), strict=True):
                _, expected = scipy.signal.freqz(taps, worN=2 * np.pi * frequency)
                np.testing.assert_allclose(response, expected, atol=1e-12)
    frame = response_frame(filters, 65)
    gains = kernel.response(65).abs().numpy()
    rows = frame[frame["filter"] == "kernel"]
    np.testing.assert_allclose(rows["gain"], np.median(gains, axis=0))
    np.testing.assert_allclose(rows["high"], np.quantile(gains, 0.9, axis=0))


def test_filters_of_every_kind_are_found_and_do_what_they_say() -> None:
    model = mixed()
    filters = {(one.layer, one.origin, one.name): one for one in sequence_filters(model)}
    bands = [f"detail {level}" for level in (1, 2, 3)] + ["approximation 3"]
    expected = {(0, "learned", "kernel"), (0, "learned", "short")}
    expected |= {(1, origin, band) for origin in ("haar", "db2", "learned") for band in bands}
    assert set(filters) == expected
    for origin in ("haar", "db2"):  # the bands of a decomposition sum to the signal
        total = sum(filters[1, origin, band].response(33) for band in bands)
        torch.testing.assert_close(total, torch.ones_like(total))
    x = torch.randn(1, 40, 48, dtype=torch.float64)
    short = model.get_submodule("blocks.0.mixer.short").double()
    taps = filters[0, "learned", "short"].taps.numpy()
    with torch.no_grad():
        ours = short(x)[0].numpy()
    theirs = np.stack([np.convolve(x[0, :, c], taps[c])[:40] for c in range(48)], axis=1)
    np.testing.assert_allclose(ours, theirs, atol=1e-12)
    coarse = filters[1, "learned", "approximation 3"].taps
    assert (coarse != 0).any(0).nonzero().flatten().tolist() == [0, 4, 8]


def test_channel_filters_do_what_they_say() -> None:
    """A sinusoid through irfft(W ⊙ rfft(x)) comes out with the frame's gain and phase."""
    model = mixed()
    frame = channel_filter_frame(model)
    assert set(frame["layer"]) == {0}
    row = frame.iloc[3]
    feedforward = model.get_submodule("blocks.0.feedforward")
    angle = 2 * math.pi * 3 * torch.arange(16) / 16
    weight = torch.view_as_complex(feedforward.filter.detach())
    filtered = torch.fft.irfft(torch.fft.rfft(angle.cos()) * weight, n=16)
    torch.testing.assert_close(filtered, row["gain"] * (angle + row["phase"]).cos(), check_dtype=False)
    assert row["mixing"] == pytest.approx(0.5)


def test_models_without_filters_have_empty_frames() -> None:
    model = build_model(model_config(layers=[{"mixer": {"kind": "attention", "heads": 2}}]), 0)
    assert sequence_filters(model) == []
    assert response_frame([]).empty
    assert channel_filter_frame(model).empty


def test_a_filter_without_channels_is_folded_right() -> None:
    one = Filters("m", "f", None, "learned", torch.arange(10, dtype=torch.float64)[None])
    _, expected = scipy.signal.freqz(np.arange(10), worN=2 * np.pi * np.linspace(0, 0.5, 3))
    np.testing.assert_allclose(one.response(3)[0], expected, atol=1e-12)


# --- activations ----------------------------------------------------------------------------------


def test_energies_of_known_signals() -> None:
    """The shares by an independent formula: for a stationary sinusoid, |H_j|² at its frequency."""
    time = torch.arange(512, dtype=torch.float64)
    frequency = 1 / 16
    wave = torch.stack([(2 * math.pi * frequency * time).cos(), (2 * math.pi * frequency * time).sin()], dim=1)[None]
    constant = torch.full((1, 512, 2), 3.0)
    frame = energy_frame({"wave": wave, "constant": constant}, "haar", 4).set_index(["stream", "band"])
    responses = [(1 + np.exp(-2j * np.pi * frequency * 2**j)) / 2 for j in range(4)]
    smooth = np.cumprod([1, *responses])
    bands = [*(smooth[:-1] - smooth[1:]), smooth[-1]]
    np.testing.assert_allclose(frame.loc["wave", "energy"], [abs(band) ** 2 / 2 for band in bands], atol=1e-12)
    np.testing.assert_allclose(frame.loc["wave", "contribution"], [band.real for band in bands], atol=1e-9)
    np.testing.assert_allclose(frame.loc["constant", "share"], [0, 0, 0, 0, 1], atol=1e-12)
    assert frame.loc[("constant", "a4"), "energy"] == pytest.approx(9)
    assert frame.loc["wave", "period_from"].tolist() == [2, 4, 8, 16, 32]


@given(seed=st.integers(0, 99), wavelet=st.sampled_from(["haar", "db2", "sym4"]))
@settings(max_examples=20)
def test_shares_and_contributions_sum_to_one(seed: int, wavelet: str) -> None:
    stream = torch.randn(2, 100, 3, generator=torch.Generator().manual_seed(seed)).cumsum(1)
    frame = energy_frame({"x": stream}, wavelet)
    assert frame["share"].sum() == pytest.approx(1)
    assert frame["contribution"].sum() == pytest.approx(1)
    assert (frame["energy"] >= 0).all()


def test_activations_are_the_models_own() -> None:
    model = mixed()
    windows = text_windows("What a model does with text. " * 40, ByteTokenizer(), 64, "text")
    assert windows.shape == (16, 64)
    names = [*residual_stream(model), "blocks.1.mixer", "norm"]
    found = activations(model, windows, names)
    x = F.rms_norm(model.embedding(torch.from_numpy(windows)), (16,))
    torch.testing.assert_close(found[EMBEDDED], x.detach())
    for index in range(3):
        x = model.get_submodule(f"blocks.{index}")(x)
        torch.testing.assert_close(found[f"blocks.{index}"], x.detach(), atol=1e-5, rtol=1e-5)
    assert found["blocks.1.mixer"].shape == (16, 64, 16)
    with pytest.raises(InputError, match=r"blocks\.9: is no submodule of this model"):
        activations(model, windows, ["blocks.9"])
    with pytest.raises(InputError, match="blocks: has no output of shape"):
        activations(model, windows, ["blocks"])
    with pytest.raises(InputError, match="mine: 5 tokens are fewer than the 65 of one window"):
        text_windows("short", ByteTokenizer(), 64, "mine")
    with pytest.raises(InputError, match="levels: 9 levels"):
        energy_frame(found, "db2", 9)


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, text_folder: Path) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("analysis")
    (folder / "model.yaml").write_text(json.dumps(MIXED))
    text = next(iter(sorted(text_folder.iterdir())))
    result = command(
        "signal-model", "analyze", folder / "model.yaml", "--output", folder / "out", "--text", text, "--threads", 1
    )
    assert result.returncode == 0, result.stderr
    return folder / "out", result.stdout


def test_the_number_can_be_recomputed_from_the_table(written: tuple[Path, str]) -> None:
    folder, printed = written
    frame = pd.read_csv(folder / "costs.csv")
    spectral = frame[frame["kind"].isin(["Fourier transform", "complex product", "wavelet filter"])]["flops"].sum()
    share = spectral / frame["flops"].sum()
    said = re.search(r"([\d.]+) ?% of floating-point operations are spectral", printed)
    assert said is not None
    assert float(said[1]) == pytest.approx(100 * share, abs=0.06)
    assert f"{count_parameters(mixed()):,}" in printed
    lines = [line for line in printed.splitlines() if str(folder.parent) not in line]  # paths may be of any length
    assert max(map(len, lines)) < 110
    assert set(pd.read_csv(folder / "energies.csv")["stream"]) == {"embedded", "blocks.0", "blocks.1", "blocks.2"}
    assert pd.read_csv(folder / "harmonics.csv")["harmonic"].nunique() == 4


def test_the_page_is_complete_in_itself(written: tuple[Path, str]) -> None:
    page = (written[0] / "analysis.html").read_text("utf-8")
    own = re.sub(r"<script>/\*\*?.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", own)
    assert "default-src 'none'" in page
    assert len(page.encode()) < 8e6


def test_text_of_users_is_escaped(tmp_path: Path) -> None:
    page, *_ = write(analyze(mixed()), tmp_path, "<b>x</b>", "</script><img src=x>")
    html = page.read_text("utf-8")
    assert "<b>x</b>" not in html
    assert "<img" not in html.split("<script>")[0]


def test_a_browser_draws_every_figure_without_complaint(written: tuple[Path, str], tmp_path: Path) -> None:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None and "CI" not in os.environ:
        pytest.skip("no Chromium here")
    assert chromium is not None, "CI must have a Chromium"
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    options += [f"--user-data-dir={tmp_path}", "--enable-logging=stderr", "--dump-dom"]
    path = (written[0] / "analysis.html").as_uri()
    result = subprocess.run([chromium, *options, path], capture_output=True, text=True, timeout=90)
    assert "CONSOLE" not in result.stderr, result.stderr
    plots = result.stdout.split('id="figures">')[0].split('id="figure-')[1:]
    assert len(plots) == 13
    assert all("main-svg" in plot for plot in plots)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["/nowhere/model.yaml"], "/nowhere/model.yaml: no such file"),
        (["EMPTY"], "is no checkpoint"),
        (["MODEL", "--text", "/nowhere.txt"], "/nowhere.txt: no such file"),
        (["MODEL", "--text", "SHORT"], "fewer than the 65 of one window"),
        (["SMALL", "--text", "SHORT"], "has no tokenizer that fits it"),
        (["MODEL", "--output", "SHORT"], "cannot be made a folder"),
    ],
)
def test_mistakes_get_one_line(arguments: list[str], says: str, tmp_path: Path) -> None:
    (tmp_path / "model.yaml").write_text(json.dumps(MIXED))
    (tmp_path / "small.yaml").write_text(json.dumps(MIXED | {"vocab_size": 17}))
    (tmp_path / "short.txt").write_text("short")
    (tmp_path / "empty").mkdir()
    names = {"MODEL": "model.yaml", "SMALL": "small.yaml", "SHORT": "short.txt", "EMPTY": "empty"}
    result = command("signal-model", "analyze", *(tmp_path / names[a] if a in names else a for a in arguments))
    assert result.returncode == 2, (result.stdout, result.stderr)
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    assert says in result.stderr
