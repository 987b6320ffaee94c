"""What a model is: embedding, layers, and whether their settings fit together."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, SerializeAsAny, field_validator, model_validator
from pydantic_core import PydanticCustomError

from signal_model.config.embeddings import EmbeddingConfig, StandardEmbeddingConfig
from signal_model.config.feedforward import FeedForwardConfig, MLPConfig
from signal_model.config.filter_bank import FilterBankConfig, NoFilterBankConfig
from signal_model.config.front_end import FramesConfig, FrontEndConfig, TokensConfig
from signal_model.config.mixers import AttentionConfig, MixerConfig
from signal_model.config.positions import NoPositionsConfig, PositionsConfig
from signal_model.config.presets import PRESETS
from signal_model.support.errors import InputError, closest
from signal_model.support.files import dotted
from signal_model.support.settings import Config, Misfit, ModelSize, Part

AnyFrontEnd = Annotated[SerializeAsAny[FrontEndConfig], BeforeValidator(FrontEndConfig.parse)]
AnyEmbedding = Annotated[SerializeAsAny[EmbeddingConfig], BeforeValidator(EmbeddingConfig.parse)]
AnyPositions = Annotated[SerializeAsAny[PositionsConfig], BeforeValidator(PositionsConfig.parse)]
AnyFilterBank = Annotated[SerializeAsAny[FilterBankConfig], BeforeValidator(FilterBankConfig.parse)]
AnyMixer = Annotated[SerializeAsAny[MixerConfig], BeforeValidator(MixerConfig.parse)]
AnyFeedForward = Annotated[SerializeAsAny[FeedForwardConfig], BeforeValidator(FeedForwardConfig.parse)]


# Channels, layers and classes that a model may have.
WIDEST, DEEPEST, MOST_CLASSES = 2**16, 1024, 2**16


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
    """A SignalLLM: embedding, layers, tied head. With `classes` a SignalClassifier: front end, layers, mean, head."""

    vocab_size: int = Field(256, ge=2, le=2**24, description="Tokens there are; a classifier has none")
    context: int = Field(
        128, ge=2, le=2**24, description="Tokens, or samples of sound, the model is trained and evaluated on at once"
    )
    width: int = Field(128, ge=2, le=WIDEST, description="Channels D of the residual stream")
    # Not written where they are the default, so that models from before they were settings read as they did.
    causal: bool = Field(
        True,
        description="Whether a position hears from the past alone; if not, from both sides, and nothing is generated",
        exclude_if=lambda it: it,
    )
    classes: int | None = Field(
        None,
        ge=2,
        le=MOST_CLASSES,
        description="Classes that samples of sound are told apart into; none is a language model",
        exclude_if=lambda it: it is None,
    )
    front_end: AnyFrontEnd = Field(
        TokensConfig(), description="What a classifier hears by", exclude_if=lambda it: it == TokensConfig()
    )
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

    def require_language_model(self, what: str) -> None:
        """Raise InputError, saying that it cannot `what`, for a model that does not say what comes next.

        Examples:
            >>> ModelConfig(causal=False).require_language_model("generate")
            Traceback (most recent call last):
                ...
            signal_model.support.errors.InputError: ...a model that hears what comes later cannot generate
        """
        if self.classes is not None:
            raise InputError(f"model.classes: {self.classes}: a classifier cannot {what}")
        if not self.causal:
            raise InputError(f"model.causal: false: a model that hears what comes later cannot {what}")

    @property
    def stride(self) -> int:
        """What the model is given from one position of its layers to the next: a token, or the samples of a frame."""
        return self.front_end.stride if isinstance(self.front_end, FramesConfig) else 1

    @property
    def sequence_length(self) -> int:
        """Positions that layers have before them at once: the tokens of the context, or its frames.

        Examples:
            >>> ModelConfig(context=8000, classes=10, front_end={"kind": "strided", "stride": 80}).sequence_length
            100
        """
        return -(-self.context // self.stride)

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
    def _hears_what_it_is_for(self) -> Self:
        kind, hears_tokens = self.front_end.kind, isinstance(self.front_end, TokensConfig)
        if self.classes is None and not hears_tokens:
            raise _misfit(("front_end", "kind"), f"{kind} is for classifiers; give the model classes, or leave it out")
        if self.classes is not None and hears_tokens:
            accepted = ", ".join(name for name in FrontEndConfig.kinds() if name != kind)
            raise _misfit(("front_end", "kind"), f"a classifier hears samples of sound; accepted: {accepted}")
        if self.classes is not None and self.embedding != StandardEmbeddingConfig():
            raise _misfit(("embedding",), "a classifier has its front end in its place; leave it out")
        return self

    @model_validator(mode="after")
    def _parts_hear_both_sides_if_asked(self) -> Self:
        for index, layer in enumerate(() if self.causal else self.layers):
            for name, part in (("filter_bank", layer.filter_bank), ("mixer", layer.mixer)):
                if not part.two_sided:
                    family = FilterBankConfig if name == "filter_bank" else MixerConfig
                    accepted = ", ".join(kind for kind, one in family.kinds().items() if one.two_sided)
                    message = f"{part.kind} has no two-sided form, which causal: false asks for; accepted: {accepted}"
                    raise _misfit(("layers", index, name, "kind"), message)
        return self

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        size = ModelSize(self.width, self.sequence_length, self.causal)
        parts: list[tuple[tuple[str | int, ...], Part, ModelSize]] = [
            (("front_end",), self.front_end, size._replace(context=self.context)),
            (("embedding",), self.embedding, size),
            (("positions",), self.positions, size),
        ]
        for index, layer in enumerate(self.layers):
            parts.append((("layers", index, "filter_bank"), layer.filter_bank, size))
            parts.append((("layers", index, "mixer"), layer.mixer, size))
            parts.append((("layers", index, "feedforward"), layer.feedforward, size))
        for place, part, sized in parts:
            try:
                part.check(sized)
            except Misfit as misfit:
                is_default = misfit.setting not in part.model_fields_set
                default = f"the default of {part.kind} does not fit: " if is_default else ""
                raise _misfit((*place, misfit.setting), f"{default}{misfit}") from None
        return self


def _misfit(place: tuple[str | int, ...], message: str) -> PydanticCustomError:
    return PydanticCustomError(
        "misfit", "{where}: {message}", {"place": place, "where": dotted(place), "message": message}
    )
