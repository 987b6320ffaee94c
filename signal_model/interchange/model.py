"""`SignalLLM` behind the interface of `transformers`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, GenerationMixin
from transformers.modeling_outputs import CausalLMOutputWithPast
from transformers.utils import can_return_tuple

from signal_model.interchange.backbone import SignalLLMModel, SignalLLMPreTrainedModel
from signal_model.interchange.cache import SignalLLMCache
from signal_model.interchange.config import SignalLLMConfig
from signal_model.interchange.places import padding_of
from signal_model.layers.embeddings import Embedding
from signal_model.support.errors import InputError


class SignalLLMHead(nn.Module):
    """An embedding as the head that it also is, for programs that multiply by its weight themselves."""

    bias = None

    def __init__(self, embedding: Embedding, vocab_size: int) -> None:
        super().__init__()
        self.embedding = embedding
        self.out_features = vocab_size

    @property
    def weight(self) -> Tensor:
        """The vectors of all tokens, (V, D), computed from the weights of the embedding and differentiable."""
        device = next(self.embedding.parameters()).device
        vectors: Tensor = self.embedding(torch.arange(self.out_features, device=device))
        return vectors

    def forward(self, hidden: Tensor) -> Tensor:
        """(…, D) → logits (…, V)."""
        return self.embedding.logits(hidden)


class SignalLLMForCausalLM(SignalLLMPreTrainedModel, GenerationMixin):
    """`SignalLLM` behind the interface of `transformers`; `model` is all of it but the head.

    The head is the embedding: there is no second weight to tie.
    """

    accepts_loss_kwargs = True

    def __init__(self, config: SignalLLMConfig) -> None:
        super().__init__(config)
        self.model = SignalLLMModel(config)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: SignalLLMCache | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        token_type_ids: Tensor | None = None,
        shift_labels: Tensor | None = None,
        logits_to_keep: int | Tensor = 0,
        num_items_in_batch: Tensor | int | None = None,
        **others: Any,
    ) -> CausalLMOutputWithPast:
        """Tokens (B, T) → logits (B, T, V), and with `labels` (B, T) the mean loss in nats.

        A label is what the position before it predicts; -100 does not count, nor what padding would predict.
        `shift_labels` are what each position itself predicts, and take the place of `labels`. All else, and what is
        refused, is as in `SignalLLMModel`.
        """
        output = self.model(
            input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            token_type_ids=token_type_ids,
            **others,
        )
        hidden = output.last_hidden_state
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep  # 0 keeps all
        logits = self.model.embedding.logits(hidden[:, kept])
        loss = None
        if labels is not None or shift_labels is not None:
            if shift_labels is None and labels is not None:
                shift_labels = F.pad(labels, (0, 1), value=-100)[:, 1:].contiguous()
            padding = padding_of(attention_mask, *hidden.shape[:2])
            if padding is not None:
                assert shift_labels is not None
                shift_labels = shift_labels.masked_fill(padding, -100)
            told = {"num_items_in_batch": num_items_in_batch, "shift_labels": shift_labels}
            loss = self.loss_function(logits, labels, logits.shape[-1], **told)
        return CausalLMOutputWithPast(
            loss=loss, logits=logits, past_key_values=output.past_key_values, hidden_states=output.hidden_states
        )

    def prepare_inputs_for_generation(
        self,
        input_ids: Tensor,
        next_sequence_length: int | None = None,
        past_key_values: SignalLLMCache | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        is_first_iteration: bool | None = False,
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
        if inputs_embeds is not None and not kwargs.get("use_cache") and attention_mask is not None:
            # Without a cache all is computed again, what was given as vectors too.
            more = attention_mask.shape[1] - inputs_embeds.shape[1]
            fresh = self.model.embedding(input_ids[:, input_ids.shape[1] - more :])
            inputs_embeds, is_first_iteration = torch.cat([inputs_embeds, fresh], 1), True
        inputs: dict[str, Any] = super().prepare_inputs_for_generation(
            input_ids,
            next_sequence_length=next_sequence_length,
            past_key_values=past_key_values,
            attention_mask=attention_mask,
            inputs_embeds=inputs_embeds,
            is_first_iteration=is_first_iteration,
            **kwargs,
        )
        return inputs

    @classmethod
    def _supports_default_dynamic_cache(cls) -> bool:
        return False

    def get_output_embeddings(self) -> SignalLLMHead:
        """The embedding as a head, made at each call of what stands in the place of the embedding by then."""
        return SignalLLMHead(self.model.embedding, self.config.vocab_size)

    def set_output_embeddings(self, new_embeddings: nn.Module) -> None:
        raise InputError("set_output_embeddings: embedding and head of a SignalLLM are one part, and stay")


AutoConfig.register(SignalLLMConfig.model_type, SignalLLMConfig, exist_ok=True)
AutoModel.register(SignalLLMConfig, SignalLLMModel, exist_ok=True)
AutoModelForCausalLM.register(SignalLLMConfig, SignalLLMForCausalLM, exist_ok=True)
