"""What a model is: embedding, layers, and whether their settings fit together."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, SerializeAsAny, model_validator
from pydantic_core import PydanticCustomError

from signal_model.config.embeddings import EmbeddingConfig, StandardEmbeddingConfig
from signal_model.config.feedforward import FeedForwardConfig, MLPConfig
from signal_model.config.filter_bank import FilterBankConfig, NoFilterBankConfig
from signal_model.config.mixers import AttentionConfig, MixerConfig
from signal_model.config.positions import NoPositionsConfig, PositionsConfig
from signal_model.config.presets import PRESETS
from signal_model.support.errors import InputError, closest
from signal_model.support.files import dotted
from signal_model.support.settings import Config, Misfit, ModelSize, Part

AnyEmbedding = Annotated[SerializeAsAny[EmbeddingConfig], BeforeValidator(EmbeddingConfig.parse)]
AnyPositions = Annotated[SerializeAsAny[PositionsConfig], BeforeValidator(PositionsConfig.parse)]
AnyFilterBank = Annotated[SerializeAsAny[FilterBankConfig], BeforeValidator(FilterBankConfig.parse)]
AnyMixer = Annotated[SerializeAsAny[MixerConfig], BeforeValidator(MixerConfig.parse)]
AnyFeedForward = Annotated[SerializeAsAny[FeedForwardConfig], BeforeValidator(FeedForwardConfig.parse)]


class LayerConfig(Config):
    """One block: a mixer over positions, then a feed-forward over channels."""

    filter_bank: AnyFilterBank = NoFilterBankConfig()
    mixer: AnyMixer = AttentionConfig()
    feedforward: AnyFeedForward = MLPConfig()


class ModelConfig(Config):
    """A SignalLLM: embedding, layers, tied head."""

    vocab_size: int = Field(256, ge=2, le=2**24)
    context: int = Field(128, ge=2, le=2**24, description="Tokens the model is trained and evaluated on at once")
    width: int = Field(128, ge=2, le=2**16, description="Channels D of the residual stream")
    embedding: AnyEmbedding = StandardEmbeddingConfig()
    positions: AnyPositions = NoPositionsConfig()
    layers: tuple[LayerConfig, ...] = Field((LayerConfig(),) * 4, min_length=1, max_length=1024)

    @classmethod
    def preset(cls, name: str) -> ModelConfig:
        """A model by name, such as `signalllm-18m` or its twin `transformer-18m`.

        Raises ValueError naming the accepted ones.
        """
        if name not in PRESETS:
            raise InputError(f"preset {name!r}: no such preset{closest(name, PRESETS)}; accepted: {', '.join(PRESETS)}")
        return cls.model_validate(PRESETS[name])

    @property
    def is_transformer(self) -> bool:
        """Whether it is nothing but a transformer: a table of embeddings, attention and perceptrons.

        Examples:
            >>> ModelConfig.preset("transformer-18m").is_transformer, ModelConfig.preset("signalllm-18m").is_transformer
            (True, False)
        """
        kinds = {(layer.filter_bank.kind, layer.mixer.kind, layer.feedforward.kind) for layer in self.layers}
        return self.embedding.kind == "standard" and kinds == {("none", "attention", "mlp")}

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        parts: list[tuple[tuple[str | int, ...], Part]] = [
            (("embedding",), self.embedding),
            (("positions",), self.positions),
        ]
        for index, layer in enumerate(self.layers):
            parts.append((("layers", index, "filter_bank"), layer.filter_bank))
            parts.append((("layers", index, "mixer"), layer.mixer))
            parts.append((("layers", index, "feedforward"), layer.feedforward))
        size = ModelSize(self.width, self.context)
        for place, part in parts:
            try:
                part.check(size)
            except Misfit as misfit:
                is_default = misfit.setting not in part.model_fields_set
                default = f"the default of {part.kind} does not fit: " if is_default else ""
                raise PydanticCustomError(
                    "misfit",
                    "{where}: {message}",
                    {
                        "place": (*place, misfit.setting),
                        "where": dotted((*place, misfit.setting)),
                        "message": f"{default}{misfit}",
                    },
                ) from None
        return self
