"""What mixers have in common that read values from a state of each head, keys × values, and gate what they read."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from signal_model.layers.convolution import ShortConvolution, latest
from signal_model.layers.mixers.base import Mixer, State
from signal_model.transforms.precision import wide


class GatedStateMixer(Mixer):
    """y = W_o (silu(gate) ⊙ rms(z)): z is what queries read from a state, S (keys × values), of each head.

    Queries, keys and values pass a short convolution. The norm is per head; W_o holds its gain. A subclass says how a
    state goes on: `read_all` for all positions at once, `read_next` for one.

    The state is S, keys times values over heads, and the past of the short convolution.
    """

    def __init__(self, width: int, heads: int, keys: int, values: int, taps: int) -> None:
        super().__init__()
        self.heads, self.sizes = heads, (keys, keys, values)
        self.project = nn.Linear(width, 2 * keys + 2 * values, bias=False)
        self.short = ShortConvolution(2 * keys + values, taps)
        self.output = nn.Linear(values, width, bias=False)

    def read_all(self, filtered: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """The filtered q, k, v as one, (B, T, …), and the input (B, T, D) → what is read, (B, T, H, V), and the last
        state (B, H, K, V). At least in float32, whatever autocast says."""
        raise NotImplementedError

    def read_next(self, filtered: Tensor, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """The same for one position, (B, …) and (B, D), and the state before it → (B, H, V) and the state."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        return self._mix(x)[0]

    def prefill(self, x: Tensor) -> tuple[Tensor, State]:
        output, state, projected = self._mix(x)
        return output, [latest(projected, self.short.past), state]

    def start(self, batch: int) -> State:
        keys, _, values = (size // self.heads for size in self.sizes)
        return [self.short.start(batch), wide(self.output.weight.new_zeros(batch, self.heads, keys, values))]

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        projected, gate = self._projected(x)
        filtered, past = self.short.step(projected, state[0])
        with torch.autocast(x.device.type, enabled=False):
            read, following = self.read_next(filtered, x, state[1])
        return self._finish(gate, read), [past, following]

    def split(self, filtered: Tensor) -> list[Tensor]:
        """Query, key and value of each head, (…, H, K), (…, H, K) and (…, H, V)."""
        return [wide(part).unflatten(-1, (self.heads, -1)) for part in filtered.split(self.sizes, dim=-1)]

    def _mix(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, D) → the output, the last state, and what the short convolution was given."""
        projected, gate = self._projected(x)
        filtered = self.short(projected)
        with torch.autocast(x.device.type, enabled=False):
            read, state = self.read_all(filtered, x)
        return self._finish(gate, read), state, projected

    def _projected(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(…, D) → query, key and value as one, and the gate, as wide as the values."""
        projected, gate = self.project(x).split([sum(self.sizes), self.sizes[2]], dim=-1)
        return projected, gate

    def _finish(self, gate: Tensor, read: Tensor) -> Tensor:
        """The gate and what was read, (…, H, V) → (…, D)."""
        normed = F.rms_norm(read, read.shape[-1:]).flatten(-2)
        result: Tensor = self.output(F.silu(gate) * normed.to(gate.dtype))
        return result


def by_head(*parts: Tensor) -> tuple[Tensor, ...]:
    """(B, T, H, …) → (B, H, T, …)."""
    return tuple(part.transpose(1, 2) for part in parts)
