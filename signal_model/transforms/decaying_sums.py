"""Sums over a past that decays at a rate which each position chooses, chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

# Within a chunk pairs of positions are multiplied; between chunks a state is carried on.
CHUNK = 64


def decaying_sums(query: Tensor, key: Tensor, value: Tensor, decay: Tensor) -> tuple[Tensor, Tensor]:
    """y_t = S_tᵀ q_t of S_t = e^{-a_t} S_{t-1} + k_t v_tᵀ, S_{-1} = 0, and the last S (Dao & Gu 2024, section 6).

    query and key (B, H, T, K), value (B, H, T, V), decay a ≥ 0 (B, H, T). Returns (B, H, T, V) and (B, H, K, V). All of
    one type, float32 or float64.
    """
    length = query.shape[2]
    query, key, value, decay = in_chunks(query, key, value, decay)
    result, state = sums_of_chunks(query, key, value, decay)
    return result[:, :, :length], state


def sums_of_chunks(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    decay: Tensor,
    onward: Callable[[int, Tensor], Tensor] = lambda _, state: state,
) -> tuple[Tensor, Tensor]:
    """The same of what `in_chunks` has cut; `onward` changes the state that chunk n leaves to the next.

    With decays L summed up from the start of a chunk, Y = ((Q Kᵀ) ⊙ tril e^{-(L_t - L_s)}) V + e^{-L_t} Q S for the
    state S before it. No exponent is positive.
    """
    total = decay.cumsum(3)
    result = ((query @ key.mT) * decays_between(total)) @ value
    gathered = (key * decays_to_end(total)).mT @ value  # (B, H, N, K, V)
    kept = (-total[..., -1]).exp()[..., None, None]
    state = torch.zeros_like(gathered[:, :, 0])
    before = []
    for n in range(gathered.shape[2]):
        before.append(state)
        state = onward(n, kept[:, :, n] * state + gathered[:, :, n])
    result = result + ((-total).exp()[..., None] * query) @ torch.stack(before, 2)
    return result.flatten(2, 3), state


def in_chunks(*parts: Tensor) -> tuple[Tensor, ...]:
    """Sequences (B, H, T, …) cut into N chunks of C positions, (B, H, N, C, …), zeros after the last position.

    Lengths that are symbols, as in what is compiled or exported, cannot be counted in chunks: they are one.
    """
    length = parts[0].shape[2]
    if torch.compiler.is_compiling():
        return tuple(part.unflatten(2, (-1, length)) for part in parts)
    chunk = max(1, min(CHUNK, length))
    missing = max(1, -(-length // chunk)) * chunk - length
    # Keys, rates and angles of zero neither add, nor decay, nor turn.
    padded = (F.pad(part, (0, 0) * (part.ndim - 3) + (0, missing)) for part in parts)
    return tuple(part.unflatten(2, (-1, chunk)) for part in padded)


def decays_between(total: Tensor) -> Tensor:
    """tril e^{-(L_t - L_s)}, what is left at t of what s gave: (…, C) → (…, C, C) for sums L of decays."""
    length = total.shape[-1]
    later = torch.ones(length, length, dtype=torch.bool, device=total.device).triu(1)
    return (total[..., None, :] - total[..., None]).masked_fill(later, -torch.inf).exp()


def decays_to_end(total: Tensor) -> Tensor:
    """What is left at the end of a chunk of what each position gave: (…, C) → (…, C, 1)."""
    return (total - total[..., -1:]).exp()[..., None]
