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
from signal_model.interchange.places import padding_of, require
from signal_model.support.errors import InputError


class SignalLLMHead(nn.Module):
    """The embedding as the head that it also is, for programs that look for one, or multiply by its weight themselves.

    It has no weights of its own: it looks up those of `backbone` at each use, whatever stands in their place by then.
    """

    bias = None

    def __init__(self, backbone: SignalLLMModel) -> None:
        super().__init__()
        self._backbone = [backbone]  # in a list, which hides it from `modules`: it is no part of the head

    @property
    def weight(self) -> Tensor:
        """The vectors of all tokens, (V, D), computed from the weights of the embedding and differentiable."""
        (backbone,) = self._backbone
        tokens = torch.arange(backbone.config.vocab_size, device=backbone.norm.weight.device)
        vectors: Tensor = backbone.embedding(tokens)
        return vectors

    def forward(self, hidden: Tensor) -> Tensor:
        """(…, D) → logits (…, V)."""
        (backbone,) = self._backbone
        return backbone.embedding.logits(hidden)


class SignalLLMForCausalLM(SignalLLMPreTrainedModel, GenerationMixin):
    """`SignalLLM` behind the interface of `transformers`; `model` is all of it but the head.

    The head is the embedding: `lm_head` has no second weight to tie.
    """

    accepts_loss_kwargs = True

    def __init__(self, config: SignalLLMConfig) -> None:
        super().__init__(config)
        self.model = SignalLLMModel(config)
        self.lm_head = SignalLLMHead(self.model)
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
        logits_to_keep: int | Tensor = 0,
        num_items_in_batch: Tensor | int | None = None,
        **others: Any,
    ) -> CausalLMOutputWithPast:
        """Tokens (B, T) → logits (B, T, V), and with `labels` (B, T) the mean loss in nats.

        A label is what the position before it predicts; -100 does not count, nor what padding would predict.
        `shift_labels` are what each position itself predicts, and take the place of `labels`. All else, and what is
        refused, is as in `SignalLLMModel`; and a mean over several batches where padding stands before tokens.
        """
        # Not an argument by name, or `Trainer` would miss it among the labels and report no loss.
        shift_labels: Tensor | None = others.pop("shift_labels", None)
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
        logits = self.lm_head(hidden[:, kept])
        loss = None
        if labels is not None or shift_labels is not None:
            if shift_labels is None and labels is not None:
                shift_labels = F.pad(labels, (0, 1), value=-100)[:, 1:].contiguous()
            # With a cache the mask covers what that holds too, and has been found to be without padding.
            cached = output.past_key_values is not None
            padding = None if cached else padding_of(attention_mask, *hidden.shape[:2])
            if padding is not None:
                assert shift_labels is not None
                shift_labels, num_items_in_batch = _without_padding(shift_labels, padding, num_items_in_batch)
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

    def set_output_embeddings(self, new_embeddings: nn.Module) -> None:
        raise InputError("set_output_embeddings: embedding and head of a SignalLLM are one part, and stay")


def _without_padding(
    labels: Tensor, padding: Tensor, counted: Tensor | int | None
) -> tuple[Tensor, Tensor | int | None]:
    """Labels (B, T) without what padding would predict, and how many are to be counted.

    `Trainer` counts the first token of a row that is padded before it, which nothing predicts. That is set right
    where the count is of this batch; where it is of several, those of the others are not known here.
    """
    predicted = labels.masked_fill(padding, -100)
    if counted is None:
        return predicted, None
    given = (labels != -100).sum()
    lost = given - (predicted != -100).sum()
    of_this_batch = (torch.as_tensor(counted, device=given.device) == given).all()
    require(
        (lost == 0) | of_this_batch,
        "labels: rows are padded before their first token, and the mean is to be over several batches; "
        "pad after the last, tokenizer.padding_side = 'right'",
    )
    return predicted, counted - lost


AutoConfig.register(SignalLLMConfig.model_type, SignalLLMConfig, exist_ok=True)
AutoModel.register(SignalLLMConfig, SignalLLMModel, exist_ok=True)
AutoModelForCausalLM.register(SignalLLMConfig, SignalLLMForCausalLM, exist_ok=True)
