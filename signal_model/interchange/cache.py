"""What generation with a `SignalLLM` carries from token to token."""

from __future__ import annotations

from torch import Tensor
from transformers.cache_utils import Cache

from signal_model.layers.mixers import State
from signal_model.support.errors import InputError


class SignalLLMCache(Cache):
    """The recurrent state of every block, after `length` tokens."""

    is_croppable = False

    def __init__(self, states: list[State], length: int = 0) -> None:
        super().__init__(layers=[])
        self.states = states
        self.length = length

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return self.length

    def reorder_cache(self, beam_idx: Tensor) -> None:
        self.states = [[part.index_select(0, beam_idx.to(part.device)) for part in state] for state in self.states]

    batch_select_indices = reorder_cache

    def batch_repeat_interleave(self, repeats: int) -> None:
        self.states = [[part.repeat_interleave(repeats, 0) for part in state] for state in self.states]

    def reset(self) -> None:
        raise InputError("past_key_values: a recurrent state cannot be emptied; begin without one")

    def crop(self, tokens_to_remove: int) -> None:
        raise InputError("past_key_values: a recurrent state cannot go back; begin without one")
