"""Where the tokens of a row stand: padding around them, and what callers believe of it."""

from __future__ import annotations

import torch
from torch import Tensor

from signal_model.support.errors import InputError


def require(condition: Tensor, message: str) -> None:
    """Raise InputError unless a condition on values, a scalar, holds.

    In a graph that is compiled or exported, which knows no values, it is asked at each run: RuntimeError there.
    """
    if torch.compiler.is_compiling():
        torch._assert_async(condition, message)
    elif not condition:
        raise InputError(message)


def padding_of(mask: Tensor | None, batch: int, length: int) -> Tensor | None:
    """Where padding stands, (B, T), or None where there is none, if that can be known.

    Raises InputError for a mask of another shape.
    """
    if mask is None:
        return None
    if mask.shape != (batch, length):
        raise InputError(f"attention_mask: must be of shape {(batch, length)}, got {tuple(mask.shape)}")
    padding = mask == 0
    return padding if torch.compiler.is_compiling() or padding.any() else None


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
        if value is not None:
            order = "all 0" if name == "token_type_ids" else f"{past}, {past + 1}, {past + 2} …"
            wrong = (value != expected) & matters
            require(~wrong.any(), f"{name}: a SignalLLM takes tokens as they stand, {order}")


class Turned:
    """Rows turned until their tokens come first, where padding cannot reach them.

    `padding` (B, T) is true where padding stands. Raises InputError for padding between tokens.
    """

    def __init__(self, padding: Tensor) -> None:
        self._positions = torch.arange(padding.shape[1], device=padding.device)
        self._start = (~padding).int().argmax(1, keepdim=True)
        end = self._start + (~padding).sum(1, keepdim=True)
        around = (self._positions < self._start) | (self._positions >= end)
        require(
            (padding == around).all(),
            "attention_mask: the tokens of a row must stand together, with padding before or after",
        )

    def there(self, rows: Tensor) -> Tensor:
        """(B, T) or (B, T, D), as they stand → with their tokens first."""
        return self._taken(rows, self._positions + self._start)

    def back(self, rows: Tensor) -> Tensor:
        """(B, T) or (B, T, D), with their tokens first → as they stood."""
        return self._taken(rows, self._positions - self._start)

    def _taken(self, rows: Tensor, positions: Tensor) -> Tensor:
        index = positions % self._positions.shape[0]
        return rows.gather(1, index if rows.ndim == 2 else index[..., None].expand_as(rows))
