"""Long convolution with kernels that are sums of damped harmonics, chunk by chunk.

Of all the past, a damped harmonic needs one complex number: its sum up to here. So only what happens
within a chunk is convolved, by Fourier transform; what earlier chunks contribute is carried over in
these numbers, by small matrix products (as between the chunks of state-space models: Dao & Gu 2024,
section 6). Transforms then stay short enough for the cache, and time grows almost linearly.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from signal_model.transforms.fourier import causal_convolution, two_sided_convolution
from signal_model.transforms.harmonics import damped_harmonics
from signal_model.transforms.precision import wide

# Where to cut. Transforms slow down slowly with the length of a chunk and gain nothing below this one; a sequence
# of up to two of these is not worth cutting.
CHUNK = 256
# Every chunk hears from every earlier one, which is quadratic in their number: longer sequences have longer chunks.
MOST_CHUNKS = 64
# Carrying costs two products with 2B rows for each number of the signal; with more harmonics than this, one transform
# over the whole length is cheaper.
MOST_CARRIED = 128


def harmonic_convolution(signal: Tensor, decay: Tensor, frequency: Tensor, coefficients: Tensor) -> Tensor:
    """y_c(t) = Σ_{s ≤ t} h_c(t - s) x_c(s), h_c(t) = Σ_i e^{-λ_i t} (α_ci cos ω_i t + β_ci sin ω_i t).

    `signal` (B, T, D); `decay` λ per token and `frequency` ω in radians per token, (H, B); `coefficients`
    (H, D / H, 2B), α, then β. Returns (B, T, D). The harmonics of a head are shared by its channels.
    Half precisions are computed in float32, under autocast too.

    Examples:
        >>> impulse = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1)
        >>> half, still = torch.tensor([[0.6931]]), torch.tensor([[0.0]])  # halves at each token, and does not turn
        >>> harmonic_convolution(impulse, half, still, torch.tensor([[[1.0, 0.0]]])).flatten()
        tensor([1.0000, 0.5000, 0.2500])
    """
    dtype = signal.dtype
    with torch.autocast(signal.device.type, enabled=False):
        x = wide(signal)
        batch, length, width = x.shape
        chunks = chunk_count(length, decay.shape[1])
        size = -(-length // chunks)
        basis = damped_harmonics(decay, frequency, size + 1).to(x.dtype)  # (H, 2B, size + 1)
        coefficients = coefficients.to(x.dtype)
        if missing := chunks * size - length:
            x = F.pad(x, (0, 0, 0, missing))
        x = x.reshape(batch * chunks, size, width)
        kernel = torch.matmul(coefficients, basis[..., :size]).flatten(0, 1)
        result = causal_convolution(x, kernel)
        if chunks > 1:
            x = x.view(batch, chunks, size, width)
            result += _from_earlier_chunks(x, decay, frequency, coefficients, basis).reshape(result.shape)
        return result.reshape(batch, chunks * size, width)[:, :length].to(dtype)


def two_sided_harmonic_convolution(signal: Tensor, decay: Tensor, frequency: Tensor, coefficients: Tensor) -> Tensor:
    """y_c(t) = Σ_s h_c(t - s) x_c(s), with one sum of the harmonics at lags t - s ≥ 0 and another at lags below 0.

    As `harmonic_convolution`, with the `coefficients` (H, D / H, 4B) of `two_sided_kernel`, by one transform over the
    whole length.
    """
    dtype = signal.dtype
    with torch.autocast(signal.device.type, enabled=False):
        x = wide(signal)
        kernel = two_sided_kernel(decay, frequency, coefficients, x.shape[1])
        return two_sided_convolution(x, kernel, ahead=x.shape[1] - 1).to(dtype)


def two_sided_kernel(decay: Tensor, frequency: Tensor, coefficients: Tensor, length: int) -> Tensor:
    """h at lags 1 - length … length - 1: Σ_i e^{-λ_i |t|} (α_ci cos ω_i |t| + β_ci sin ω_i |t|), (D, 2 · length - 1).

    `coefficients` (H, D / H, 4B): α and β of lags from 0 on, then α and β of lags below 0.
    """
    basis = damped_harmonics(decay, frequency, length)
    after, before = torch.matmul(torch.stack(coefficients.to(basis.dtype).chunk(2, -1)), basis).flatten(1, 2)
    return torch.cat([before[:, 1:].flip(-1), after], dim=-1)


def harmonic_sums(signal: Tensor, decay: Tensor, frequency: Tensor) -> Tensor:
    """What generation carries on from: Σ_s e^{(-λ + iω)(T - 1 - s)} x(s), (B, T, D) → (B, H, 2B, D / H).

    Real parts come first. At least in float32. Angles of a long beginning, ω(T - 1 - s), are taken in double precision
    where devices have it.
    """
    full = torch.promote_types(signal.dtype, torch.float32)
    exact = full if signal.device.type == "mps" else torch.float64
    basis = damped_harmonics(decay.to(exact), frequency.to(exact), signal.shape[1]).to(full)
    per_head = signal.to(full).unflatten(2, (len(decay), -1)).transpose(1, 2)
    return torch.matmul(basis.flip(-1), per_head)


def chunk_count(length: int, harmonics: int) -> int:
    """Into how many chunks `harmonic_convolution` cuts a sequence: the rule above.

    Into one where lengths are symbols: what is compiled or exported is then the same for all of them.
    """
    if torch.compiler.is_compiling() or length <= 2 * CHUNK or harmonics > MOST_CARRIED:
        return 1
    return min(MOST_CHUNKS, -(-length // CHUNK))


def _from_earlier_chunks(x: Tensor, decay: Tensor, frequency: Tensor, coefficients: Tensor, basis: Tensor) -> Tensor:
    """What the chunks before its own contribute to each output: (B, N, C, D) → (B, N, C, D).

    With z = e^{-λ + iω}, the state at the first position of chunk n is S_n = Σ_{m < n} z^{C (n - 1 - m)} L_m of
    L_m = Σ_s z^{C - s} x(mC + s), and the output at r is Re[(α - iβ) z^r S_n] summed over harmonics.
    """
    chunks, size = x.shape[1:3]
    heads, harmonics = decay.shape
    x = x.unflatten(-1, (heads, -1)).transpose(2, 3)  # (B, N, H, C, D / H)
    within = torch.matmul(basis[..., 1:].flip(-1), x)  # L, (B, N, H, 2B, D / H)
    # As real numbers: multiplication by z is a matrix of 2 × 2. Rows of each harmonic: chunk and part.
    rows = within.unflatten(3, (2, harmonics)).permute(2, 4, 1, 3, 0, 5)  # (H, B, N, 2, batch, D / H)
    carry = _carry(decay * size, frequency * size, chunks).to(x.dtype)
    states = torch.bmm(carry, rows.reshape(heads * harmonics, 2 * chunks, -1)).view(rows.shape)
    real, imaginary = states.permute(4, 2, 0, 3, 1, 5).unbind(3)  # each (batch, N, H, B, D / H)
    cosine, sine = coefficients.mT.unflatten(1, (2, harmonics)).unbind(1)  # α and β, (H, B, D / H)
    turned = torch.cat([cosine * real + sine * imaginary, sine * real - cosine * imaginary], dim=3)
    return torch.matmul(basis[..., :size].mT, turned).transpose(2, 3)


def _carry(decay: Tensor, frequency: Tensor, chunks: int) -> Tensor:
    """The matrices from all L to all S, one for each harmonic: two (H, B) → (H · B, 2N, 2N)."""
    powers = damped_harmonics(decay, frequency, chunks - 1).unflatten(1, (2, -1))
    # Toeplitz matrices: entry (n, m) is z^{n - 1 - m} where m < n, else 0.
    real, imaginary = F.pad(powers, (chunks, 0)).unfold(-1, chunks, 1).flip(-1).unbind(1)  # (H, B, N, N)
    turning = torch.stack([torch.stack([real, -imaginary], -1), torch.stack([imaginary, real], -1)], -3)
    return turning.reshape(-1, 2 * chunks, 2 * chunks)
