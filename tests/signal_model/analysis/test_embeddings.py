"""Spectra of embeddings: known sinusoids, sums of energy, and NumPy's singular values."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from signal_model.analysis.embeddings import (
    embedding_vectors,
    harmonic_frame,
    power_spectrum,
    singular_value_frame,
    spectral_part,
    spectrum_frame,
    token_spectrum_frame,
)
from signal_model.model import build_model
from tests.signal_model.evaluation.test_causality import model_config
from tests.tools.models import mixed


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
