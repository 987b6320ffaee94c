"""A bank of learned filters over the residual stream."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from signal_model.config import FilterBankConfig, LearnedFilterBankConfig, ModelConfig, NoFilterBankConfig
from signal_model.layers.convolution import latest
from signal_model.layers.mixers.base import Mixer, State
from signal_model.layers.registry import build, implements

# Positions that one matrix product serves. Larger blocks multiply more zeros, smaller ones repeat more of the past.
BLOCK = 64


@implements(LearnedFilterBankConfig)
class FilterBank(Mixer):
    """y(t) = Σ_s Σ_m w_sm(t) Σ_k f_sm(k) x(t + 2^s (a - k)): filters shared by all channels, weights per token.

    a is 0 in a causal model, else (K - 1) // 2.

    After Verma & Pilanci (2024, arXiv 2406.10254), who learn M = 144 filters over the activations of a
    language model and let each token weight them; w is linear in x(t). What a token does with the
    bank is a filter of its own, Σ_sm w_sm(t) f_sm: those of a block of positions are the rows of a
    banded matrix, so that all channels are filtered by one matrix product, O(T · (BLOCK + reach)).

    S·M·(K + D) parameters. The state is the past that the filters reach, whatever the length.
    """

    def __init__(self, config: LearnedFilterBankConfig, model: ModelConfig) -> None:
        super().__init__()
        scales, filters, taps = config.scales, config.filters, config.taps
        # y then enters the residual stream at about a tenth of its size.
        self.filters = nn.Parameter(torch.randn(scales, filters, taps) * 0.1 / math.sqrt(scales * filters * taps))
        self.weights = nn.Linear(model.width, scales * filters, bias=False)
        self.width = model.width
        self._taps_ahead = 0 if model.causal else (taps - 1) // 2

    @property
    def reach(self) -> int:
        """From the first to the last token that the longest filter looks at."""
        scales, _, taps = self.filters.shape
        return (taps - 1) << (scales - 1)

    @property
    def ahead(self) -> int:
        """How many of these tokens are ahead."""
        return self._taps_ahead << (self.filters.shape[0] - 1)

    def responses(self) -> Tensor:
        """Impulse responses of all filters, zeros between the taps of the coarser scales, (S·M, reach + 1); the present
        is at `ahead`."""
        rows = []
        for scale, filters in enumerate(self.filters):
            spread = F.pad(filters[:, :, None], (0, (1 << scale) - 1)).flatten(1)
            before = self.ahead - (self._taps_ahead << scale)
            rows.append(F.pad(spread, (before, self.reach + 1 - before - spread.shape[1])))
        return torch.cat(rows)

    def forward(self, x: Tensor, present: Tensor | None = None) -> Tensor:
        length, reach = x.shape[1], self.reach
        if torch.compiler.is_compiling():
            return self._tap_by_tap(x)
        block = max(1, min(BLOCK, length))
        missing = max(1, -(-length // block)) * block - length
        weights = self.weights(F.pad(x, (0, 0, 0, missing)))
        lags = weights @ self.responses().flip(1)  # (B, T, reach + 1), the oldest first
        # Row t of a block starts at column t: rows read back as one shorter than they were written shift by one each.
        rows = F.pad(lags.unflatten(1, (-1, block)), (0, block)).flatten(2)[..., : block * (reach + block)]
        banded = rows.unflatten(-1, (block, reach + block))
        around = F.pad(x, (0, 0, reach - self.ahead, missing + self.ahead))
        filtered: Tensor = banded @ around.unfold(1, reach + block, block).transpose(2, 3)
        return filtered.flatten(1, 2)[:, :length]

    def _tap_by_tap(self, x: Tensor) -> Tensor:
        """The sum as it stands: what is compiled serves every length, and a compiler joins the terms itself."""
        scales, _, taps = self.filters.shape
        lags = self.weights(x) @ self.responses()
        padded = F.pad(x, (0, 0, self.reach - self.ahead, self.ahead))
        filtered = torch.zeros_like(x)
        offsets = {(tap - self._taps_ahead) << scale for scale in range(scales) for tap in range(taps)}
        for place in sorted(self.ahead + offset for offset in offsets):
            filtered = filtered + lags[..., place, None] * padded.narrow(1, self.reach - place, x.shape[1])
        return filtered

    def prefill(self, x: Tensor) -> tuple[Tensor, State]:
        return self(x), [latest(x, self.reach)]

    def constants(self) -> tuple[Tensor, ...]:
        """Impulse responses, the oldest tap first, (S·M, reach + 1)."""
        return (self.responses().flip(1),)

    def start(self, batch: int) -> State:
        return [self.filters.new_zeros(batch, self.reach, self.width)]

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        window = torch.cat([state[0], x[:, None]], dim=1)
        lags = self.weights(x) @ self.current_constants()[0]
        return (lags[:, None] @ window)[:, 0], [window[:, 1:]]


def build_filter_bank(config: FilterBankConfig, model: ModelConfig) -> Mixer | None:
    """The filter bank that `config` describes; it mixes positions as mixers do."""
    if isinstance(config, NoFilterBankConfig):
        return None
    module = build(config, model)
    assert isinstance(module, Mixer)
    return module
