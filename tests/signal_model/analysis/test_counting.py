"""Operations of single functions, counted by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from signal_model.analysis.counting import OperationCounter
from signal_model.transforms.atrous import causal_decomposition
from signal_model.transforms.fourier import causal_convolution


def counted(compute: Callable[[], Any]) -> dict[str, int]:
    """Operations by kind of what `compute` does."""
    with OperationCounter() as counter:
        compute()
    assert not counter.counts.uncounted
    found: dict[str, int] = {}
    for row, total in counter.counts.rows.items():
        found[row.kind] = found.get(row.kind, 0) + total.flops
    return {kind: flops for kind, flops in found.items() if flops}


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
