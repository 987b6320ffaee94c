"""The discrete wavelet transform against PyWavelets and ptwt: coefficients, reconstruction, derivatives."""

from __future__ import annotations

import warnings
from itertools import product

import numpy as np
import ptwt
import pytest
import pywt
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from signal_model.transforms.dwt.dwt import dwt, idwt, wavedec, waverec
from signal_model.transforms.dwt.extension import MODES

NAMES = pywt.wavelist(kind="discrete")
# A biorthogonal bank of one's own: PyWavelets pads its filters to one even length.
CUSTOM = pywt.Wavelet("custom", filter_bank=([0.5, 1.0, 0.5], [-0.25, 0.5, -0.25], [0.3, 0.7, 0.1], [0.2, -0.4, 0.9]))

HAAR = [name for name in NAMES if pywt.Wavelet(name).dec_len == 2]

wavelets = st.sampled_from([*NAMES, CUSTOM])
modes = st.sampled_from(MODES)
levels = st.none() | st.integers(0, 4)
shapes = st.lists(st.integers(0, 3), max_size=3)


@pytest.fixture(autouse=True)
def no_warnings() -> None:
    """PyWavelets warns where every coefficient depends on the boundary mode."""
    warnings.simplefilter("ignore", UserWarning)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def agree(ours: Tensor, theirs: np.ndarray, tolerance: float, scale: float) -> None:
    assert ours.shape == theirs.shape
    if theirs.size:
        assert np.abs(ours.double().numpy() - theirs).max() <= tolerance * scale


def check(
    length: int, wavelet: str | pywt.Wavelet, mode: str, level: int | None, shape: tuple[int, ...] = (2,)
) -> None:
    """Both directions, in float64 and float32, against PyWavelets in float64."""
    if mode in ("reflect", "antireflect") and length <= (2 ** ((level or 1) - 1) if wavelet in HAAR else 1):
        return  # PyWavelets refuses a single sample there, and so is it here: see test_refusals
    signal = random(*shape, length).float().double()  # the same numbers in both dtypes
    theirs = pywt.wavedec(signal.numpy(), wavelet, mode, level)
    signal_back = pywt.waverec(theirs, wavelet, mode)
    scale = max([1.0, *(float(np.abs(band).max()) for band in [*theirs, signal_back] if band.size)])
    for dtype, tolerance in ((torch.float64, 1e-10), (torch.float32, 1e-5)):
        ours = wavedec(signal.to(dtype), wavelet, mode, level)
        assert len(ours) == len(theirs)
        for band, expected in zip(ours, theirs, strict=True):
            assert band.dtype == dtype
            agree(band, expected, tolerance, scale)
        agree(waverec([torch.tensor(band).to(dtype) for band in theirs], wavelet, mode), signal_back, tolerance, scale)


@pytest.mark.parametrize("wavelet", NAMES)
def test_every_family_and_mode(wavelet: str) -> None:
    for mode, length in product(MODES, (9, 149)):
        check(length, wavelet, mode, level=2)


@given(st.integers(1, 300), wavelets, modes, levels, shapes)
@settings(max_examples=300)
def test_any_length_and_shape(
    length: int, wavelet: str | pywt.Wavelet, mode: str, level: int | None, shape: list[int]
) -> None:
    check(length, wavelet, mode, level, tuple(shape))


@given(st.integers(8, 200), st.sampled_from(NAMES), modes, st.integers(1, 3))
@settings(max_examples=60)
def test_reconstruction_is_exact(length: int, wavelet: str, mode: str, level: int) -> None:
    """Whatever the mode; families with rounded taps as exactly as PyWavelets."""
    signal = random(3, length)
    bands = wavedec(signal, wavelet, mode, level)
    error = np.abs(
        pywt.waverec(pywt.wavedec(signal.numpy(), wavelet, mode, level), wavelet, mode)[:, :length] - signal.numpy()
    )
    scale = max(float(band.abs().max()) for band in bands)
    assert (waverec(bands, wavelet, mode)[:, :length] - signal).abs().max() <= error.max() + 1e-11 * scale


@pytest.mark.parametrize("mode", ["zero", "constant", "symmetric", "reflect", "periodic"])
@pytest.mark.parametrize("wavelet", ["haar", "db4", "bior2.4", "coif3"])
def test_ptwt_agrees(wavelet: str, mode: str) -> None:
    signal = random(4, 133)
    theirs = ptwt.wavedec(signal, wavelet, mode=mode, level=3)
    ours = wavedec(signal, wavelet, mode, 3)
    torch.testing.assert_close(ours, list(theirs), rtol=0, atol=1e-10)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("wavelet", "length"), [("db3", 9), ("bior3.5", 132), ("haar", 5), ("sym10", 141)])
def test_derivatives(wavelet: str, length: int, mode: str) -> None:
    """First and second order of both directions; the second of a linear map is zero, that of its square is not."""
    signal = random(1, length).requires_grad_()
    bands = [band.detach().requires_grad_() for band in wavedec(signal, wavelet, mode, 2)]
    fast = {"fast_mode": True}
    torch.autograd.gradcheck(lambda x: tuple(wavedec(x, wavelet, mode, 2)), signal, **fast)
    torch.autograd.gradcheck(lambda *c: waverec(c, wavelet, mode), bands, **fast)
    torch.autograd.gradgradcheck(lambda x: sum(b.square().sum() for b in wavedec(x, wavelet, mode, 2)), signal, **fast)
    torch.autograd.gradgradcheck(lambda *c: waverec(c, wavelet, mode).square().sum(), bands, **fast)


def test_large_batches_are_worked_on_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    signal = random(10, 150).float().requires_grad_()

    def both() -> list[Tensor]:
        bands = wavedec(signal, "db2", "antireflect", 2)
        back = waverec(bands, "db2", "antireflect")
        return [*bands, back, *torch.autograd.grad(back.square().sum(), signal)]

    whole = both()
    monkeypatch.setattr("signal_model.transforms.dwt.filter_bank.CACHED_SAMPLES", 450)
    torch.testing.assert_close(both(), whole, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("length", [40, 160])
def test_what_is_not_finite_stays_in_its_signal(length: int, mode: str, dtype: torch.dtype) -> None:
    signal = random(5, length).to(dtype)
    clean = wavedec(signal, "db4", mode, 2)
    signal[2] = torch.inf
    signal[2, ::2] = torch.nan
    spoilt = wavedec(signal, "db4", mode, 2)
    keep = [0, 1, 3, 4]
    for before, after in zip(
        [*clean, waverec(clean, "db4", mode)], [*spoilt, waverec(spoilt, "db4", mode)], strict=True
    ):
        torch.testing.assert_close(after[keep], before[keep])
        assert not after[2].isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype: torch.dtype) -> None:
    signal = random(2, 90).to(dtype)
    ours, exact = wavedec(signal, "db4", "symmetric", 2), wavedec(signal.float(), "db4", "symmetric", 2)
    assert all(torch.equal(band, wide.to(dtype)) for band, wide in zip(ours, exact, strict=True))
    assert waverec(ours, "db4").dtype == dtype


def test_autocast_leaves_precision_alone() -> None:
    signal = random(4, 200).float()
    expected = wavedec(signal, "db4", "symmetric", 2)
    with torch.autocast("cpu", torch.bfloat16):
        ours = wavedec(signal, "db4", "symmetric", 2)
    assert all(torch.equal(band, wide) for band, wide in zip(ours, expected, strict=True))


def test_inference_first_training_later() -> None:
    """Matrices kept from inference serve training."""
    signal = random(2, 217).float()
    with torch.inference_mode():
        inferred = wavedec(signal, "sym9", "periodic")
    signal.requires_grad_()
    ours = wavedec(signal, "sym9", "periodic")
    assert all(torch.equal(a, b) for a, b in zip(ours, inferred, strict=True))
    sum(band.sum() for band in ours).backward()
    assert signal.grad is not None


def test_results_are_changed_in_place_rightly_or_not_at_all() -> None:
    signal = random(3, 100)
    approximation, detail = dwt(signal, "db2")
    before = approximation.clone()
    detail.zero_()
    assert torch.equal(approximation, before)
    agree(idwt(approximation, detail, "db2"), pywt.idwt(before.numpy(), None, "db2"), 1e-12, 10)
    with pytest.raises(RuntimeError, match="modified inplace"):
        dwt(signal.requires_grad_(), "db2")[1].zero_()


def test_one_level_and_strides() -> None:
    signal = random(5, 61, 3).transpose(1, 2)
    ours = dwt(signal, "bior1.3", "reflect")
    theirs = pywt.dwt(signal.numpy(), "bior1.3", "reflect")
    for band, expected in zip(ours, theirs, strict=True):
        agree(band, expected, 1e-12, 10)
    agree(idwt(*ours, "bior1.3", "reflect"), pywt.idwt(*theirs, "bior1.3", "reflect"), 1e-12, 10)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: wavedec(x, "db99"), r"wavelet: 'db99' is not in .* \(did you mean 'db9'\?\)"),
        (lambda x: wavedec(x, "mexh"), "wavelet: 'mexh' is not in"),
        (lambda x: wavedec(x, None), "wavelet: a name or a pywt.Wavelet is needed, not NoneType"),
        (lambda x: wavedec(x, "db4", "symetric"), r"mode: 'symetric' is not one of zero, .*did you mean 'symmetric'"),
        (lambda x: wavedec(x, "db4", level=-1), "level: -1 is not a whole number of at least 0"),
        (lambda x: wavedec(x, "db4", level=True), "level: True is not"),
        (lambda x: wavedec(x[:, :0], "db4"), r"signal: shape \(2, 0\) has no samples"),
        (lambda x: wavedec(x[0, 0], "db4"), r"signal: shape \(\) has no samples"),
        (lambda x: wavedec(x.int(), "db4"), "signal: dtype torch.int32 is not one of torch.float16"),
        (lambda x: wavedec(x.cfloat(), "db4"), "signal: dtype torch.complex64 is not one of"),
        (lambda x: wavedec(x.numpy(), "db4"), "signal: a tensor is needed, not ndarray"),
        (lambda x: wavedec(x[:, :1], "db4", "reflect", 1), "mode 'reflect' needs at least 2 samples; level 1"),
        (lambda x: waverec([], "db4"), "coefficients: a list"),
        (lambda x: waverec([x, None], "db4"), r"coefficients\[1\]: a tensor is needed, not NoneType"),
        (lambda x: waverec([x, x[:, 2:]], "db4"), r"coefficients\[1\]: size 38 does not follow .* size 40"),
        (lambda x: waverec([x, x[:1]], "db4"), r"coefficients\[1\]: shape \(1, 40\), .* do not go with"),
        (lambda x: waverec([x, x.float()], "db4"), r"coefficients\[1\]: .*torch.float32, cpu do not go with"),
        (lambda x: waverec([x[:, :3], x[:, :3]], "db4"), r"coefficients\[1\]: size 3 is too small for 8 taps"),
    ],
)
def test_refusals(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        call(random(2, 40))  # type: ignore[operator]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("mode", ["symmetric", "smooth", "periodization"])
def test_function_transforms(mode: str) -> None:
    """torch.func sees the linear map that it is, forwards, backwards and over any axis."""
    signals = random(4, 3, 150)

    def bands(signal: Tensor) -> Tensor:
        return torch.cat(wavedec(signal, "db3", mode, level=np.int64(2)), -1)  # type: ignore[arg-type]

    def there_and_back(signal: Tensor) -> Tensor:
        return waverec(wavedec(signal, "db3", mode), "db3", mode)  # type: ignore[arg-type]

    expected, one = bands(signals), signals[0, 0]
    torch.testing.assert_close(torch.vmap(bands)(signals), expected)
    torch.testing.assert_close(torch.vmap(torch.vmap(bands), in_dims=1, out_dims=1)(signals), expected)
    torch.testing.assert_close(torch.vmap(there_and_back, in_dims=1, out_dims=1)(signals), signals)
    for jacobian in (torch.func.jacrev(bands)(one), torch.func.jacfwd(bands)(one)):
        torch.testing.assert_close(jacobian @ one, bands(one))
    torch.testing.assert_close(torch.func.jacrev(there_and_back)(one), torch.eye(150, dtype=torch.float64))
    # Bands of which only one is mapped over.
    approximation, detail = dwt(signals, "db3", mode)  # type: ignore[arg-type]
    mapped = torch.vmap(lambda band: idwt(band, detail[0], "db3", mode))(approximation)  # type: ignore[arg-type]
    torch.testing.assert_close(mapped[2], idwt(approximation[2], detail[0], "db3", mode))  # type: ignore[arg-type]

    def energy(signal: Tensor) -> Tensor:
        return (bands(signal) ** 2).sum()

    recorded = signals.clone().requires_grad_()
    energy(recorded).backward()
    gradients = torch.vmap(torch.vmap(torch.func.grad(energy)))(signals)
    torch.testing.assert_close(gradients, recorded.grad)
