"""Gated mixing of the scales of a wavelet decomposition."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from signal_model.config import ModelConfig, WaveletConfig
from signal_model.layers.convolution import ShortConvolution, latest
from signal_model.layers.mixers.base import Mixer, State
from signal_model.layers.registry import implements
from signal_model.transforms.atrous import decomposition, lowpass, reach, step_decomposition, zero_phase


@implements(WaveletConfig)
class WaveletMixer(Mixer):
    """y = W_o (silu(q) ⊙ Σ_j s_j ⊙ (c_j * d_j)) over the bands d_1 … d_J, a_J of a value v.

    q, v and the gates s_j = 2 σ(…), one per head and scale, are linear in the input at the same
    position; c_j is a learned filter with the dilation of its scale. With several families the
    bands are a weighted sum over families, by a softmax that is linear in the input too. Where the model is not
    causal, decomposition and filters are centred.

    The state is the past that each level's filters look back on; it does not grow.
    """

    def __init__(self, config: WaveletConfig, model: ModelConfig) -> None:
        super().__init__()
        self.families, self.levels, self.heads = config.families, config.levels, config.heads
        self.causal = model.causal
        self.taps = [lowpass(family) if model.causal else zero_phase(lowpass(family)) for family in config.families]
        bands = config.levels + 1
        self.project = nn.Linear(model.width, 2 * model.width, bias=False)
        self.gates = nn.Linear(model.width, bands * config.heads)
        self.selection = nn.Linear(model.width, len(config.families)) if len(config.families) > 1 else None
        self.filters = nn.ModuleList(
            ShortConvolution(model.width, config.taps, 2 ** min(j, config.levels - 1), model.causal)
            for j in range(bands)
        )
        self.output = nn.Linear(model.width, model.width, bias=False)

    def forward(self, x: Tensor, present: Tensor | None = None) -> Tensor:
        return self._decompose(x, present)[0]

    def prefill(self, x: Tensor) -> tuple[Tensor, State]:
        output, value, per_family, bands = self._decompose(x)
        state = []
        for family, own in zip(self.families, per_family, strict=True):
            approximation = value
            for level in range(1, self.levels + 1):
                state.append(latest(approximation, reach(family, level)))
                approximation = approximation - own[level - 1]
        return output, [*state, *(latest(b, f.past) for f, b in zip(self._filters(), bands, strict=True))]

    def start(self, batch: int) -> State:
        width = self.output.in_features
        pasts = [
            self.output.weight.new_zeros(batch, reach(family, level), width)
            for family in self.families
            for level in range(1, self.levels + 1)
        ]
        return [*pasts, *(filter_.start(batch) for filter_ in self._filters())]

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        query, value = self.project(x).chunk(2, dim=-1)
        per_family, after = [], []
        for index, taps in enumerate(self.taps):
            past = state[index * self.levels : (index + 1) * self.levels]
            bands, past = step_decomposition(value, past, taps)
            per_family.append(bands)
            after += past
        filtered = []
        for filter_, band, past_band in zip(
            self._filters(), self._select(x, per_family), state[len(after) :], strict=True
        ):
            output, past_band = filter_.step(band, past_band)
            filtered.append(output)
            after.append(past_band)
        return self._combine(x, query, filtered), after

    def _decompose(
        self, x: Tensor, present: Tensor | None = None
    ) -> tuple[Tensor, Tensor, list[list[Tensor]], list[Tensor]]:
        """(B, T, D) → the output, the value, its bands in each family, and those selected."""
        query, value = self.project(x).chunk(2, dim=-1)
        per_family = [decomposition(value, taps, self.levels, self.causal, present) for taps in self.taps]
        bands = self._select(x, per_family)
        filtered = (filter_(band) for filter_, band in zip(self.filters, bands, strict=True))
        return self._combine(x, query, filtered), value, per_family, bands

    def _filters(self) -> list[ShortConvolution]:
        return [module for module in self.filters if isinstance(module, ShortConvolution)]

    def _select(self, x: Tensor, per_family: list[list[Tensor]]) -> list[Tensor]:
        """Bands of all families → weighted bands, each (..., D)."""
        if self.selection is None:
            return per_family[0]
        weights = self.selection(x).softmax(-1).unbind(-1)
        return [
            torch.stack([w[..., None] * band for w, band in zip(weights, bands, strict=True)]).sum(0)
            for bands in zip(*per_family, strict=True)
        ]

    def _combine(self, x: Tensor, query: Tensor, filtered: Iterable[Tensor]) -> Tensor:
        """Gate every band (..., D), sum, gate by the query, project."""
        gates = 2 * torch.sigmoid(self.gates(x)).unflatten(-1, (self.levels + 1, self.heads, 1))
        mixed = torch.zeros((), dtype=query.dtype, device=query.device)
        for gate, band in zip(gates.unbind(-3), filtered, strict=True):
            mixed = mixed + gate * band.unflatten(-1, (self.heads, -1))
        result: Tensor = self.output(F.silu(query) * mixed.flatten(-2))
        return result
