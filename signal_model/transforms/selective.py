"""Sums over the past that decay and turn at rates which each position chooses, chunk by chunk."""

from __future__ import annotations

import torch
from torch import Tensor

from signal_model.transforms.decaying_sums import in_chunks, sums_of_chunks


def selective_sums(query: Tensor, key: Tensor, value: Tensor, decay: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    """y_t = S_tᵀ q_t of S_t = e^{-a_t} R(-θ_t) S_{t-1} + k_t v_tᵀ, S_{-1} = 0, and the last S.

    query and key (B, H, T, 2K), value (B, H, T, V), decay a ≥ 0 (B, H, T), angle θ in radians (B, H, T, K); R turns the
    pairs (i, i + K). Returns (B, H, T, V) and (B, H, 2K, V). All of one type, float32 or float64.

    With angles Θ summed up from the start of a chunk, q̃ = R(Θ) q and k̃ = R(Θ) k have the sums that only decay; the
    state that a chunk leaves is turned back from the frame of its start.
    """
    length = query.shape[2]
    query, key, value, decay, angle = in_chunks(query, key, value, decay, angle)
    turned = angle.cumsum(3)
    cosine, sine = turned.cos(), turned.sin()

    def onward(n: int, state: Tensor) -> Tensor:
        return turn(state, cosine[:, :, n, -1, :, None], -sine[:, :, n, -1, :, None], -2)

    query, key = turn(query, cosine, sine, -1), turn(key, cosine, sine, -1)
    result, state = sums_of_chunks(query, key, value, decay, onward)
    return result[:, :, :length], state


def turn(x: Tensor, cosine: Tensor, sine: Tensor, dim: int) -> Tensor:
    """The pairs (i, i + K) along a dimension of length 2K turned by angles given by cosine and sine."""
    first, second = x.chunk(2, dim)
    return torch.cat([first * cosine - second * sine, first * sine + second * cosine], dim)
