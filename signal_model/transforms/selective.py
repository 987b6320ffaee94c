"""Sums over the past that decay and turn at rates which each position chooses, chunk by chunk."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

# Within a chunk pairs of positions are multiplied; between chunks a state is carried on.
CHUNK = 64


def selective_sums(query: Tensor, key: Tensor, value: Tensor, decay: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    """y_t = S_tᵀ q_t of S_t = e^{-a_t} R(-θ_t) S_{t-1} + k_t v_tᵀ, S_{-1} = 0, and the last S.

    query and key (B, H, T, 2K), value (B, H, T, V), decay a ≥ 0 (B, H, T), angle θ in radians (B, H, T, K); R turns the
    pairs (i, i + K). Returns (B, H, T, V) and (B, H, 2K, V). All of one type, float32 or float64.

    With angles Θ and decays L summed up from the start of a chunk, q̃ = R(Θ) q and k̃ = R(Θ) k:
    Y = ((Q̃ K̃ᵀ) ⊙ tril e^{-(L_t - L_s)}) V + e^{-L_t} Q̃ S for the state S before it. No exponent is positive.
    """
    length = query.shape[2]
    # Lengths that are symbols, as in what is compiled or exported, cannot be counted in chunks: they are one.
    chunk = length if torch.compiler.is_compiling() else min(CHUNK, length)
    if missing := 0 if torch.compiler.is_compiling() else -length % chunk:
        # Zeros neither decay, nor turn, nor add.
        query, key, value, angle = (F.pad(part, (0, 0, 0, missing)) for part in (query, key, value, angle))
        decay = F.pad(decay, (0, missing))
    query, key, value, angle, decay = (
        part.unflatten(2, (-1, chunk)) for part in (query, key, value, angle, decay)
    )  # (B, H, N, C, …)
    total, turned = decay.cumsum(3), angle.cumsum(3)
    cosine, sine = turned.cos(), turned.sin()
    query, key = turn(query, cosine, sine, -1), turn(key, cosine, sine, -1)
    later = torch.ones(chunk, chunk, dtype=torch.bool, device=query.device).triu(1)
    weights = (total[..., None, :] - total[..., None]).masked_fill(later, -torch.inf).exp()
    result = ((query @ key.mT) * weights) @ value
    left = (total - total[..., -1:]).exp()[..., None]
    gathered = (key * left).mT @ value  # (B, H, N, 2K, V), in the frame of the start of each chunk
    kept = (-total[..., -1]).exp()[..., None, None]
    cosine, sine = cosine[..., -1, :, None], -sine[..., -1, :, None]
    state = torch.zeros_like(gathered[:, :, 0])
    before = []
    for n in range(gathered.shape[2]):
        before.append(state)
        state = turn(kept[:, :, n] * state + gathered[:, :, n], cosine[:, :, n], sine[:, :, n], -2)
    result = result + ((-total).exp()[..., None] * query) @ torch.stack(before, 2)
    return result.flatten(2, 3)[:, :, :length], state


def turn(x: Tensor, cosine: Tensor, sine: Tensor, dim: int) -> Tensor:
    """The pairs (i, i + K) along a dimension of length 2K turned by angles given by cosine and sine."""
    first, second = x.chunk(2, dim)
    return torch.cat([first * cosine - second * sine, first * sine + second * cosine], dim)
