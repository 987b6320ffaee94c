"""What a layer computes from its parameters alone, once for all the tokens that are generated with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized


class WithConstants(nn.Module):
    """Base of layers with tensors that follow from their parameters: rates, kernels, tables."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: tuple[list[tuple[Tensor, int, int]], tuple[Tensor, ...]] | None = None

    def constants(self) -> tuple[Tensor, ...]:
        """The tensors, computed anew, and differentiable."""
        raise NotImplementedError

    def sources(self) -> Iterable[Tensor | None]:
        """The parameters that they follow from."""
        return self._parameters.values()

    def current_constants(self) -> tuple[Tensor, ...]:
        """The tensors; in evaluation, those of the last time where nothing is differentiated and no parameter was
        changed since.

        In training they are always computed, and a change of mode forgets them: fused optimisers change parameters
        and PyTorch does not count it. Nor does it count changes of `parameter.data` in place, which are not seen.
        """
        if torch.compiler.is_compiling() or torch.is_grad_enabled() or self.training:
            return self.constants()
        sources = [source for source in self.sources() if source is not None]
        # Stand-ins of parameters, as `torch.func` has them, have no identity to know them by; what parametrizations
        # compute of others has none either; autocast changes values.
        known = not is_parametrized(self) and all(
            type(source) is nn.Parameter and not source.is_inference() for source in sources
        )
        if not known or torch.is_autocast_enabled(sources[0].device.type):
            return self.constants()
        now = [(source, source._version, source.data_ptr()) for source in sources]
        if self._kept is None or not _same(self._kept[0], now):
            self._kept = now, self.constants()
        return self._kept[1]

    def train(self, mode: bool = True) -> Self:
        """Training or evaluation: what was computed before may be of other parameters."""
        self._kept = None
        result: Self = super().train(mode)
        return result

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Another device or type: nothing computed before holds."""
        self._kept = None
        result: Self = super()._apply(fn, recurse)
        return result

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_kept": None}


def _same(before: list[tuple[Tensor, int, int]], now: list[tuple[Tensor, int, int]]) -> bool:
    return len(before) == len(now) and all(
        old is new and rest == more for (old, *rest), (new, *more) in zip(before, now, strict=True)
    )
