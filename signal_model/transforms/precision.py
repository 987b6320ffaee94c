"""In which precision is computed where inputs are of half precision."""

from __future__ import annotations

from torch import Tensor


def wide(tensor: Tensor) -> Tensor:
    """At least in float32: sums over a long past, small rates and transforms need it."""
    return tensor.float() if tensor.dtype.itemsize < 4 else tensor
