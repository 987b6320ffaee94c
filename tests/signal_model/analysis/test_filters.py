"""Filters and their responses against NumPy and SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.signal
import torch

from signal_model.analysis.filters import Filters, channel_filter_frame, response_frame, sequence_filters
from signal_model.model import build_model
from tests.signal_model.evaluation.test_causality import model_config
from tests.tools.models import mixed


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
    for cycles in (0, 8):  # where a signal has no phase that could turn
        signal = (2 * math.pi * cycles * torch.arange(16) / 16).cos()
        filtered = torch.fft.irfft(torch.fft.rfft(signal) * weight, n=16)
        assert float(filtered.norm() / signal.norm()) == pytest.approx(frame["gain"][cycles])


def test_models_without_filters_have_empty_frames() -> None:
    model = build_model(model_config(layers=[{"mixer": {"kind": "attention", "heads": 2}}]), 0)
    assert sequence_filters(model) == []
    assert response_frame([]).empty
    assert channel_filter_frame(model).empty


def test_a_filter_without_channels_is_folded_right() -> None:
    one = Filters("m", "f", None, "learned", torch.arange(10, dtype=torch.float64)[None])
    _, expected = scipy.signal.freqz(np.arange(10), worN=2 * np.pi * np.linspace(0, 0.5, 3))
    np.testing.assert_allclose(one.response(3)[0], expected, atol=1e-12)
