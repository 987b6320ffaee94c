"""`SignalLLM` behind the interface of `transformers`."""

from __future__ import annotations

from collections import deque
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    GenerationMixin,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.cache_utils import Cache
from transformers.modeling_outputs import CausalLMOutputWithPast
from transformers.utils import can_return_tuple

from signal_model.config import ModelConfig, Recipe
from signal_model.layers.mixers import State
from signal_model.model import SignalLLM, build_model
from signal_model.support.errors import InputError
from signal_model.support.files import explain


class SignalLLMConfig(PreTrainedConfig):
    """A recipe as plain data: `recipe["model"]` is the `ModelConfig`, the rest is how it was trained.

    What the recipe leaves out has the library's defaults. Raises InputError for a recipe that is none.
    """

    model_type = "signal_llm"
    recipe: dict[str, Any] | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        try:
            self.recipe = Recipe.model_validate(self.recipe or {"model": {}}).to_dict()
        except ValidationError as error:
            raise explain(error, "recipe") from None
        super().__post_init__(**kwargs)

    def model_config(self) -> ModelConfig:
        """The frozen config that `SignalLLM` is built from."""
        assert self.recipe is not None
        return ModelConfig.model_validate(self.recipe["model"])

    @property
    def vocab_size(self) -> int:
        return self.model_config().vocab_size

    @property
    def hidden_size(self) -> int:
        return self.model_config().width

    @property
    def max_position_embeddings(self) -> int:
        """Tokens of a training window; a SignalLLM takes more, and may know nothing of them."""
        return self.model_config().context

    @property
    def num_hidden_layers(self) -> int:
        return len(self.model_config().layers)


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


class SignalLLMForCausalLM(PreTrainedModel, GenerationMixin):
    """`SignalLLM` behind the interface of `transformers`; `model` is the one inside.

    Without a cache all positions are computed at once, as in training. With one (`generate` uses it) those of a
    beginning are too, and later tokens are taken one at a time, as by `signal_model.evaluation.generation`. The head
    is the embedding, in `SignalLLM` itself: there is no second weight to tie. Gradient checkpointing is not supported.
    """

    config_class = SignalLLMConfig
    main_input_name = "input_ids"
    accepts_loss_kwargs = True
    _is_stateful = True  # so that speculative decoding, which takes tokens back, is refused

    def __init__(self, config: SignalLLMConfig) -> None:
        super().__init__(config)
        # Parts keep some of their numbers in float32; `to` treats them as it does for a model that is loaded.
        self.model = SignalLLM(config.model_config()).to(torch.get_default_dtype())
        self._fixed = [name for name, weight in self.model.named_parameters() if not weight.requires_grad]
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        past_key_values: SignalLLMCache | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        num_items_in_batch: Tensor | int | None = None,
        inputs_embeds: None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        position_ids: Tensor | None = None,
        cache_position: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        shift_labels: Tensor | None = None,
        **others: Any,
    ) -> CausalLMOutputWithPast:
        """Tokens (B, T) → logits (B, T, V), and with `labels` (B, T) the mean loss in nats.

        `attention_mask` (B, T) is 1 for tokens and 0 for padding before or after them, whose logits mean
        nothing. With a cache it covers what the cache holds too, (B, past + T), and is all 1. A label is
        what the position before it predicts; -100 does not count, nor what padding would predict. `shift_labels` are
        what each position itself predicts, and take the place of `labels`.

        Positions and types of tokens may be given and must be what they are: 0, 1, 2 … and all 0. Raises InputError
        for others, for any other mask, and for what a SignalLLM neither takes nor gives.
        """
        asked = {
            "inputs_embeds": inputs_embeds,
            "output_attentions": output_attentions,
            "output_hidden_states": output_hidden_states,
            **others,
        }
        for name, value in asked.items():
            if value is not None and value is not False and name != "tokenizer":  # which `generate` stops by
                raise InputError(f"{name}: is not supported by SignalLLM")
        if not input_ids.shape[1]:
            raise InputError("input_ids: must hold at least one token")
        cache = past_key_values
        if cache is None and use_cache:
            cache = SignalLLMCache(self.model.start(len(input_ids)))
        elif cache is not None and not isinstance(cache, SignalLLMCache):
            raise InputError(f"past_key_values: accepted is a SignalLLMCache, got a {type(cache).__name__}")
        past = 0 if cache is None else cache.length
        padding = self._padding(attention_mask, len(input_ids), input_ids.shape[1] + past)
        self._check_places(input_ids, past, padding, position_ids, cache_position, token_type_ids)
        if cache is not None:
            if padding is not None:
                raise InputError("attention_mask: a cache takes no padding; give use_cache=False")
            logits = self._one_by_one(input_ids, cache, logits_to_keep if isinstance(logits_to_keep, int) else 0)
        else:
            logits = self.model(input_ids) if padding is None else self._all_at_once(input_ids, padding)
        if isinstance(logits_to_keep, Tensor):
            logits = logits[:, logits_to_keep]
        elif logits_to_keep:
            logits = logits[:, -logits_to_keep:]
        loss = None
        if labels is not None or shift_labels is not None:
            if shift_labels is None and labels is not None:
                shift_labels = F.pad(labels, (0, 1), value=-100)[:, 1:].contiguous()
            if padding is not None:
                assert shift_labels is not None
                shift_labels = shift_labels.masked_fill(padding, -100)
            told = {"num_items_in_batch": num_items_in_batch, "shift_labels": shift_labels}
            loss = self.loss_function(logits, labels, logits.shape[-1], **told)
        return CausalLMOutputWithPast(loss=loss, logits=logits, past_key_values=cache)

    @staticmethod
    def _padding(mask: Tensor | None, batch: int, length: int) -> Tensor | None:
        """Where padding stands, (B, T), or None where there is none."""
        if mask is None:
            return None
        if mask.shape != (batch, length):
            raise InputError(f"attention_mask: must be of shape {(batch, length)}, got {tuple(mask.shape)}")
        padding = mask == 0
        return padding if padding.any() else None

    @staticmethod
    def _check_places(
        tokens: Tensor,
        past: int,
        padding: Tensor | None,
        position_ids: Tensor | None,
        cache_position: Tensor | None,
        token_type_ids: Tensor | None,
    ) -> None:
        """Raise InputError where a caller believes tokens to stand elsewhere than they do."""
        places = torch.arange(past, past + tokens.shape[1], device=tokens.device)
        counts = torch.ones_like(tokens, dtype=torch.bool) if padding is None else ~padding
        own = places.expand_as(tokens) if padding is None else (counts.cumsum(1) - 1)
        given = {
            "position_ids": (position_ids, own, counts),
            "cache_position": (cache_position, places, torch.ones_like(places, dtype=torch.bool)),
            "token_type_ids": (token_type_ids, torch.zeros_like(tokens), counts),
        }
        for name, (value, expected, matters) in given.items():
            if value is not None and bool(((value != expected) & matters).any()):
                raise InputError(
                    f"{name}: a SignalLLM takes tokens as they stand, {expected[:1].flatten()[:3].tolist()} …"
                )

    def _all_at_once(self, tokens: Tensor, padding: Tensor) -> Tensor:
        """Rows are turned until their tokens come first, where padding cannot reach them, and back."""
        length = tokens.shape[1]
        positions = torch.arange(length, device=tokens.device)
        start = (~padding).int().argmax(1, keepdim=True)
        end = start + (~padding).sum(1, keepdim=True)
        if not torch.equal(padding, (positions < start) | (positions >= end)):
            raise InputError("attention_mask: the tokens of a row must stand together, with padding before or after")
        logits = self.model(tokens.take_along_dim((positions + start) % length, 1))
        return torch.take_along_dim(logits, ((positions - start) % length)[..., None], 1)

    def _one_by_one(self, tokens: Tensor, cache: SignalLLMCache, keep: int) -> Tensor:
        """Take tokens into the cache; logits of the last `keep`, or of all for 0."""
        if not cache.length:  # all at once, by the parallel form
            hidden, cache.states = self.model.prefill(tokens)
            cache.length = tokens.shape[1]
            return self.model.embedding.logits(hidden[:, -keep:])
        logits: deque[Tensor] = deque(maxlen=keep or None)
        for token in tokens.unbind(1):
            scores, cache.states = self.model.step(token, cache.states)
            cache.length += 1
            logits.append(scores)
        return torch.stack(tuple(logits), dim=1)

    def prepare_inputs_for_generation(
        self,
        input_ids: Tensor,
        next_sequence_length: int | None = None,
        past_key_values: SignalLLMCache | None = None,
        attention_mask: Tensor | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """As in `transformers`, but rows of different lengths are computed without a cache: a step of the
        recurrent form is one position for all rows.

        Raises InputError for rows that end in padding, which have no last token to continue.
        """
        if attention_mask is not None and (attention_mask == 0).any():
            if (attention_mask[:, -1] == 0).any():
                raise InputError("attention_mask: some rows end in padding; to generate, pad on the left")
            if past_key_values is None:
                next_sequence_length = None
                kwargs["use_cache"] = False
        inputs: dict[str, Any] = super().prepare_inputs_for_generation(
            input_ids,
            next_sequence_length=next_sequence_length,
            past_key_values=past_key_values,
            attention_mask=attention_mask,
            **kwargs,
        )
        return inputs

    @classmethod
    def _supports_default_dynamic_cache(cls) -> bool:
        return False

    @classmethod
    def get_init_context(cls, *args: Any, **kwargs: Any) -> list[Any]:
        # Parts compute tables while they are built, which takes real numbers.
        meta = torch.device("meta")
        return [context for context in super().get_init_context(*args, **kwargs) if context != meta]

    def init_weights(self) -> None:
        """Nothing: `SignalLLM` has drawn its weights itself."""

    @torch.no_grad()
    def initialize_weights(self) -> None:
        """After loading: compute what a file of weights does not hold, tables that follow from the config; and
        keep the weights fixed that are, as transformers would train every one it loads."""
        for name in self._fixed:
            self.model.get_parameter(name).requires_grad_(False)
        named = [*self.model.named_parameters(), *self.model.named_buffers()]
        absent = {name: tensor for name, tensor in named if not getattr(tensor, "_is_hf_initialized", False)}
        if absent:
            built = build_model(self.model.config, 0)
            fresh = dict([*built.named_parameters(), *built.named_buffers()])
            for name, tensor in absent.items():
                tensor.copy_(fresh[name])

    def get_input_embeddings(self) -> nn.Module:
        return self.model.embedding

    def set_input_embeddings(self, value: nn.Module) -> None:
        raise InputError("set_input_embeddings: embedding and head of a SignalLLM are one part, and stay")

    def get_output_embeddings(self) -> None:
        """None: the head is the embedding."""

    def resize_token_embeddings(
        self, new_num_tokens: int | None = None, pad_to_multiple_of: int | None = None, mean_resizing: bool = True
    ) -> nn.Module:
        """The embedding, where nothing is to change. Raises InputError for any other size."""
        size = self.config.vocab_size
        if new_num_tokens not in (None, size) or (pad_to_multiple_of is not None and size % pad_to_multiple_of):
            raise InputError(f"resize_token_embeddings: a SignalLLM keeps the {size} tokens it was built with")
        return self.get_input_embeddings()


AutoConfig.register(SignalLLMConfig.model_type, SignalLLMConfig, exist_ok=True)
AutoModelForCausalLM.register(SignalLLMConfig, SignalLLMForCausalLM, exist_ok=True)
