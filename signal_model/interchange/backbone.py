"""The backbone of a `SignalLLM` as a model of `transformers`: tokens to what the head reads."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import BaseModelOutputWithPast
from transformers.utils import can_return_tuple

from signal_model.interchange.cache import SignalLLMCache
from signal_model.interchange.config import SignalLLMConfig
from signal_model.interchange.places import Turned, check_places, padding_of, require
from signal_model.layers.frequencies import FREQUENCIES
from signal_model.model import Block, TokenBackbone
from signal_model.support.errors import InputError


class SignalLLMPreTrainedModel(PreTrainedModel):
    """What models with a SignalLLM in them share: weights that it draws itself, and an embedding that stays."""

    config: SignalLLMConfig
    config_class = SignalLLMConfig
    base_model_prefix = "model"
    main_input_name = "input_ids"
    supports_gradient_checkpointing = True
    _input_embed_layer = "embedding"
    _no_split_modules = ("SignalLLMModel",)
    _keep_in_fp32_modules_strict = FREQUENCIES
    _is_stateful = True  # so that speculative decoding, which takes tokens back, is refused

    def post_init(self) -> None:
        self._fixed = [name for name, weight in self.named_parameters() if not weight.requires_grad]
        super().post_init()

    @classmethod
    def register_for_auto_class(cls, auto_class: str | type = "AutoModel") -> None:
        """Nothing, as for its config."""

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> Self:
        """As in transformers, on one device. Raises InputError where a device map names several, or offloads parts:
        weights would be moved in time for a `forward` only, and parts of a SignalLLM have two forms more."""
        loaded: Self = super().from_pretrained(*args, **kwargs)
        model = loaded[0] if isinstance(loaded, tuple) else loaded  # with `output_loading_info`
        devices = sorted({str(device) for device in (getattr(model, "hf_device_map", None) or {}).values()})
        if len(devices) > 1 or "disk" in devices:
            raise InputError(f"device_map: a SignalLLM stands on one device, got {', '.join(devices)}")
        return loaded

    @classmethod
    def get_init_context(cls, *args: Any, **kwargs: Any) -> list[Any]:
        # Parts compute tables while they are built, which takes real numbers.
        meta = torch.device("meta")
        return [context for context in super().get_init_context(*args, **kwargs) if context != meta]

    def init_weights(self) -> None:
        """Nothing: `SignalLLM` has drawn its weights itself."""

    @torch.no_grad()
    def initialize_weights(self) -> None:
        """After loading: take what a file of weights does not hold from a fresh model, as tables that follow from the
        config and new heads; and keep the weights fixed that are, as transformers would train every one it loads."""
        for name in self._fixed:
            self.get_parameter(name).requires_grad_(False)
        named = [*self.named_parameters(), *self.named_buffers()]
        absent = {name: tensor for name, tensor in named if not getattr(tensor, "_is_hf_initialized", False)}
        if absent:
            with torch.random.fork_rng(devices=[]):
                built = type(self)(self.config)
            fresh = dict([*built.named_parameters(), *built.named_buffers()])
            for name, tensor in absent.items():
                tensor.copy_(fresh[name])

    def set_input_embeddings(self, value: nn.Module) -> None:
        raise InputError("set_input_embeddings: embedding and head of a SignalLLM are one part, and stay")

    def resize_token_embeddings(
        self, new_num_tokens: int | None = None, pad_to_multiple_of: int | None = None, mean_resizing: bool = True
    ) -> nn.Module:
        """The embedding, where nothing is to change. Raises InputError for any other size."""
        size = self.config.vocab_size
        if new_num_tokens not in (None, size) or (pad_to_multiple_of is not None and size % pad_to_multiple_of):
            raise InputError(f"resize_token_embeddings: a SignalLLM keeps the {size} tokens it was built with")
        embedding: nn.Module = self.get_input_embeddings()
        return embedding


class SignalLLMBlock(GradientCheckpointingLayer, Block):
    """A block that `activation_checkpointing_enable` finds."""


class SignalLLMModel(SignalLLMPreTrainedModel, TokenBackbone):
    """A `SignalLLM` without its head.

    Without a cache all positions are computed at once, as in training. With one (`generate` uses it) those of a
    beginning are too, and later tokens are taken one at a time, as by `signal_model.evaluation.generation`.
    """

    block_class = SignalLLMBlock

    def __init__(self, config: SignalLLMConfig) -> None:
        super().__init__(config)
        self.build(config.model_config())
        # Parts keep some of their numbers in float32; `to` treats them as it does for a model that is loaded.
        self.to(torch.get_default_dtype())
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: SignalLLMCache | None = None,
        inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        cache_position: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        **others: Any,
    ) -> BaseModelOutputWithPast:
        """Tokens (B, T), or as `inputs_embeds` (B, T, D) what the embedding has for them → (B, T, D).

        `attention_mask` (B, T) is 1 for tokens and 0 for padding before or after them, where outputs mean
        nothing. With a cache it covers what the cache holds too, (B, past + T), and is all 1. Hidden states are what
        enters each block, and last what the head reads.

        Positions and types of tokens may be given and must be what they are: 0, 1, 2 … and all 0. Raises InputError
        for others, for any other mask, and for what a SignalLLM neither takes nor gives.
        """
        if output_attentions is None:
            output_attentions = self.config.output_attentions
        if output_hidden_states is None:
            output_hidden_states = self.config.output_hidden_states
        if use_cache is None:
            use_cache = self.config.use_cache
        for name, value in {"output_attentions": output_attentions, **others}.items():
            if value is not None and value is not False and name != "tokenizer":  # which `generate` stops by
                raise InputError(f"{name}: is not supported by SignalLLM")
        if (input_ids is None) == (inputs_embeds is None):
            raise InputError("input_ids: either they or inputs_embeds must be given, and not both")
        tokens = inputs_embeds if input_ids is None else input_ids
        assert tokens is not None
        batch, length = tokens.shape[:2]
        if not length:
            raise InputError("input_ids: must hold at least one token")
        cache = past_key_values
        if cache is None and use_cache:
            cache = SignalLLMCache(self.start(batch))
        elif cache is not None and not isinstance(cache, SignalLLMCache):
            raise InputError(f"past_key_values: accepted is a SignalLLMCache, got a {type(cache).__name__}")
        past = 0 if cache is None else cache.length
        padding = padding_of(attention_mask, batch, length + past)
        if cache is not None and padding is not None:
            require(~padding.any(), "attention_mask: a cache takes no padding; give use_cache=False")
            padding = None
        if any(given is not None for given in (position_ids, cache_position, token_type_ids)):
            counts = tokens.new_ones(batch, length, dtype=torch.bool) if padding is None else ~padding
            check_places(counts, past, position_ids, cache_position, token_type_ids)

        trace: list[Tensor] | None = [] if output_hidden_states else None
        if cache is not None:
            hidden = self._into(cache, tokens, trace)
        elif padding is None:
            hidden = self.hidden(tokens, trace)
        else:
            turned = Turned(padding)
            hidden = turned.back(self.hidden(turned.there(tokens), trace))
            trace = None if trace is None else [turned.back(states) for states in trace]
        return BaseModelOutputWithPast(
            last_hidden_state=hidden,
            past_key_values=cache,
            hidden_states=None if trace is None else (*trace, hidden),
        )

    def _into(self, cache: SignalLLMCache, tokens: Tensor, trace: list[Tensor] | None) -> Tensor:
        """Take tokens into the cache → (B, T, D)."""
        if not cache.length:  # all at once, by the parallel form
            hidden, cache.states = self.prefill(tokens, trace)
            cache.length = tokens.shape[1]
            return hidden
        rows: list[Tensor] = []
        traces: list[list[Tensor]] = []
        for token in tokens.unbind(1):
            row: list[Tensor] | None = None if trace is None else []
            hidden, cache.states = self.advance(token, cache.states, row)
            cache.length += 1
            rows.append(hidden)
            traces.append(row or [])
        if trace is not None:
            trace.extend(torch.stack(states, 1) for states in zip(*traces, strict=True))
        return torch.stack(rows, 1)
