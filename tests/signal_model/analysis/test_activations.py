"""Energies of activations in wavelet bands, of known signals and of a model."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from signal_model.analysis.activations import EMBEDDED, activations, energy_frame, residual_stream, text_windows
from signal_model.data.tokenizers import ByteTokenizer
from signal_model.support.errors import InputError
from tests.tools.models import mixed


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
