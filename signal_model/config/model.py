"""What a model is: embedding, layers, and whether their settings fit together."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, SerializeAsAny, field_validator, model_validator
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


# Channels and layers that a model may have.
WIDEST, DEEPEST = 2**16, 1024


class LayerConfig(Config):
    """One block: a mixer over positions, then a feed-forward over channels; or several of these in a row."""

    filter_bank: AnyFilterBank = NoFilterBankConfig()
    mixer: AnyMixer = AttentionConfig()
    feedforward: AnyFeedForward = MLPConfig()
    # Not written where they are the default, so that models from before they were settings read as they did.
    repeat: int = Field(1, ge=1, le=DEEPEST, description="Layers of this kind in a row", exclude_if=lambda it: it == 1)
    share: bool = Field(
        False, description="Whether those in a row have one set of weights (as in ALBERT)", exclude_if=lambda it: not it
    )


class ModelConfig(Config):
    """A SignalLLM: embedding, layers, tied head."""

    vocab_size: int = Field(256, ge=2, le=2**24)
    context: int = Field(128, ge=2, le=2**24, description="Tokens the model is trained and evaluated on at once")
    width: int = Field(128, ge=2, le=WIDEST, description="Channels D of the residual stream")
    embedding: AnyEmbedding = StandardEmbeddingConfig()
    positions: AnyPositions = NoPositionsConfig()
    layers: tuple[LayerConfig, ...] = Field((LayerConfig(),) * 4, min_length=1, max_length=DEEPEST)

    @classmethod
    def preset(cls, name: str) -> ModelConfig:
        """A model by name, such as `signalllm-18m` or its twin `transformer-18m`.

        Raises ValueError naming the accepted ones.
        """
        if name not in PRESETS:
            raise InputError(f"preset {name!r}: no such preset{closest(name, PRESETS)}; accepted: {', '.join(PRESETS)}")
        return cls.model_validate(PRESETS[name])

    @property
    def depth(self) -> int:
        """Layers that a token passes."""
        return sum(layer.repeat for layer in self.layers)

    @property
    def blocks(self) -> list[tuple[LayerConfig, int]]:
        """What has weights of its own, from first to last, and how often in a row a token passes it.

        Examples:
            >>> layers = "[{repeat: 2, mixer: {kind: harmonic}}, {repeat: 3, share: true}]"
            >>> model = ModelConfig.from_yaml(f"layers: {layers}")
            >>> [(layer.mixer.kind, passes) for layer, passes in model.blocks], model.depth
            ([('harmonic', 1), ('harmonic', 1), ('attention', 3)], 5)
        """
        found: list[tuple[LayerConfig, int]] = []
        for layer in self.layers:
            found += [(layer, layer.repeat)] if layer.share else [(layer, 1)] * layer.repeat
        return found

    @property
    def is_transformer(self) -> bool:
        """Whether it is nothing but a transformer: a table of embeddings, attention and perceptrons.

        Examples:
            >>> ModelConfig.preset("transformer-18m").is_transformer, ModelConfig.preset("signalllm-18m").is_transformer
            (True, False)
        """
        kinds = {(layer.filter_bank.kind, layer.mixer.kind, layer.feedforward.kind) for layer in self.layers}
        return self.embedding.kind == "standard" and kinds == {("none", "attention", "mlp")}

    @field_validator("layers")
    @classmethod
    def _not_too_deep(cls, layers: tuple[LayerConfig, ...]) -> tuple[LayerConfig, ...]:
        if (depth := sum(layer.repeat for layer in layers)) > DEEPEST:
            raise ValueError(f"at most {DEEPEST:,} layers, got {depth:,}, those that are repeated included")
        return layers

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
