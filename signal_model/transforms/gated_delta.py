"""The gated delta rule: a decaying state that is corrected at each position's key, chunk by chunk."""

from __future__ import annotations

import torch
from torch import Tensor

from signal_model.transforms.decaying_sums import decays_between, decays_to_end, in_chunks


def gated_delta_sums(
    query: Tensor, key: Tensor, value: Tensor, decay: Tensor, strength: Tensor
) -> tuple[Tensor, Tensor]:
    """y_t = S_tᵀ q_t of S_t = e^{-a_t} (I - b_t k_t k_tᵀ) S_{t-1} + b_t k_t v_tᵀ, S_{-1} = 0, and the last S.

    query and key (B, H, T, K), value (B, H, T, V), decay a ≥ 0 and strength b (B, H, T). Returns (B, H, T, V) and
    (B, H, K, V). All of one type, float32 or float64. Keys of norm 1 and 0 ≤ b ≤ 1 keep the state bounded.

    S_t = e^{-a_t} S_{t-1} + k_t u_tᵀ with u_t = b_t (v_t - e^{-a_t} S_{t-1}ᵀ k_t): what a key adds is what its answer
    lacks. With decays L summed up from the start of a chunk, the u of a chunk solve the triangular system

        (I + diag(b) tril(K Kᵀ ⊙ e^{-(L_t - L_s)}, -1)) U = diag(b) (V - diag(e^{-L}) K S)

    for the state S before it, whose part of the right-hand side is solved for before S is known (the WY and UT
    transforms; Yang, Kautz & Hatamizadeh 2024, section 3.3). No exponent is positive.
    """
    length = query.shape[2]
    query, key, value, decay, strength = in_chunks(query, key, value, decay, strength)  # (B, H, N, C, …)
    total, strength = decay.cumsum(3), strength[..., None]
    between, left = decays_between(total), (-total).exp()[..., None]
    overlaps = strength * (key @ key.mT) * between
    wanted = strength * torch.cat([value, left * key], -1)
    # Its diagonal is taken for ones, and what is above it for zeros.
    solved = torch.linalg.solve_triangular(overlaps, wanted, upper=False, unitriangular=True)
    added, known = solved.split([value.shape[-1], key.shape[-1]], -1)
    lasting, kept = (key * decays_to_end(total)).mT, (-total[..., -1]).exp()[..., None, None]
    state = torch.zeros_like(lasting[:, :, 0] @ value[:, :, 0])
    before, updates = [], []
    for n in range(query.shape[2]):
        before.append(state)
        updates.append(added[:, :, n] - known[:, :, n] @ state)
        state = kept[:, :, n] * state + lasting[:, :, n] @ updates[-1]
    within = ((query @ key.mT) * between) @ torch.stack(updates, 2)
    result = within + (left * query) @ torch.stack(before, 2)
    return result.flatten(2, 3)[:, :, :length], state
