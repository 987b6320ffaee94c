"""A `SignalLLM` that scores whole texts: the backbone with a fresh head, as reward models and classifiers are."""

from __future__ import annotations

from transformers import AutoModelForSequenceClassification
from transformers.modeling_layers import GenericForSequenceClassification

from signal_model.interchange.backbone import SignalLLMPreTrainedModel
from signal_model.interchange.config import SignalLLMConfig


class SignalLLMForSequenceClassification(GenericForSequenceClassification, SignalLLMPreTrainedModel):
    """Tokens (B, T) → scores (B, `config.num_labels`), which a linear head reads at the last token that is no padding.

    That is the last one whose number is not `config.pad_token_id`, as for all models of `transformers`. The head is
    drawn anew where a folder has none, from torch's global generator.
    """


AutoModelForSequenceClassification.register(SignalLLMConfig, SignalLLMForSequenceClassification, exist_ok=True)
