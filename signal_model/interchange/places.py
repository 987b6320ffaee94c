"""Where the tokens of a row stand: padding around them, and what callers believe of it."""

from __future__ import annotations

import torch
from torch import Tensor

from signal_model.support.errors import InputError


def padding_of(mask: Tensor | None, batch: int, length: int) -> Tensor | None:
    """Where padding stands, (B, T), or None where there is none. Raises InputError for a mask of another shape."""
    if mask is None:
        return None
    if mask.shape != (batch, length):
        raise InputError(f"attention_mask: must be of shape {(batch, length)}, got {tuple(mask.shape)}")
    padding = mask == 0
    return padding if padding.any() else None


def check_places(
    counts: Tensor, past: int, position_ids: Tensor | None, cache_position: Tensor | None, token_type_ids: Tensor | None
) -> None:
    """Raise InputError where a caller believes tokens to stand elsewhere than they do.

    `counts` (B, T) is true for tokens and false for padding, `past` how many tokens a cache holds.
    """
    places = torch.arange(past, past + counts.shape[1], device=counts.device)
    own = counts.cumsum(1) - 1 + past
    given = {
        "position_ids": (position_ids, own, counts),
        "cache_position": (cache_position, places, torch.ones_like(places, dtype=torch.bool)),
        "token_type_ids": (token_type_ids, torch.zeros_like(own), counts),
    }
    for name, (value, expected, matters) in given.items():
        if value is not None and bool(((value != expected) & matters).any()):
            raise InputError(f"{name}: a SignalLLM takes tokens as they stand, {expected[:1].flatten()[:3].tolist()} …")


class Turned:
    """Rows turned until their tokens come first, where padding cannot reach them.

    `padding` (B, T) is true where padding stands. Raises InputError for padding between tokens.
    """

    def __init__(self, padding: Tensor) -> None:
        self._positions = torch.arange(padding.shape[1], device=padding.device)
        self._start = (~padding).int().argmax(1, keepdim=True)
        end = self._start + (~padding).sum(1, keepdim=True)
        if not torch.equal(padding, (self._positions < self._start) | (self._positions >= end)):
            raise InputError("attention_mask: the tokens of a row must stand together, with padding before or after")

    def there(self, rows: Tensor) -> Tensor:
        """(B, T) or (B, T, D), as they stand → with their tokens first."""
        return self._taken(rows, self._positions + self._start)

    def back(self, rows: Tensor) -> Tensor:
        """(B, T) or (B, T, D), with their tokens first → as they stood."""
        return self._taken(rows, self._positions - self._start)

    def _taken(self, rows: Tensor, positions: Tensor) -> Tensor:
        index = positions % len(self._positions)
        return rows.take_along_dim(index if rows.ndim == 2 else index[..., None], 1)
