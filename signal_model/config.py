"""What a model, its training and its text are: frozen, validated, YAML and JSON both ways.

Every setting is read by the part it belongs to. A part has a `kind`; settings of another kind are
unknown keys, and unknown keys are errors.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, FiniteFloat, SerializeAsAny, field_validator, model_validator
from pydantic_core import PydanticCustomError

from signal_model.errors import InputError, closest
from signal_model.files import dotted, read_document
from signal_model.presets import PRESETS
from signal_model.settings import Config, Misfit, Part

Spacing = Literal["linear", "log", "mel"]
Activation = Literal["gelu", "relu2", "swiglu"]
Interval = tuple[float, float]


@cache
def discrete_wavelets() -> tuple[str, ...]:
    """Names of every discrete wavelet PyWavelets knows."""
    import pywt

    return tuple(pywt.wavelist(kind="discrete"))


def _known_wavelet(name: str) -> str:
    if name not in discrete_wavelets():
        raise ValueError(
            f"{name!r} is not a discrete wavelet of PyWavelets{closest(name, discrete_wavelets())}; "
            "accepted: haar, db1-db38, sym2-sym20, coif1-coif17, bior1.1-bior6.8, rbio1.1-rbio6.8, dmey"
        )
    return name


def _ordered(pair: Interval) -> Interval:
    # Bounds that float32, in which models compute, tells from zero and from infinity.
    if not 1e-30 <= pair[0] < pair[1] <= 1e30:
        raise ValueError(f"{list(pair)} is not a range [low, high] with 0 < low < high")
    return pair


WaveletName = Annotated[str, Field(description="A discrete wavelet of PyWavelets"), BeforeValidator(_known_wavelet)]
Range = Annotated[Interval, Field(description="A pair [low, high] with 0 < low < high")]


# --- embeddings ----------------------------------------------------------------------------------


class EmbeddingConfig(Part):
    """How tokens become vectors; the output head is tied to it."""


class _SpectralSettings(EmbeddingConfig):
    bases: int = Field(32, ge=1, le=2**16, description="Harmonics B per token")
    frequencies: Range = Field((0.5, 32.0), description="Lowest and highest frequency, cycles across the channels")
    spacing: Spacing = Field("linear", description="How frequencies lie between the two")
    learnable_frequencies: bool = False

    _check_range = field_validator("frequencies")(_ordered)

    def check(self, model: ModelConfig) -> None:
        if self.frequencies[1] > model.width / 2:
            needed = f"{2 * self.frequencies[1]:g}"
            raise Misfit(
                "frequencies",
                f"{self.frequencies[1]:g} cycles need a width of at least {needed}, got {model.width}",
            )


class StandardEmbeddingConfig(EmbeddingConfig):
    """A free vector per token."""

    kind: Literal["standard"] = "standard"


class SpectralEmbeddingConfig(_SpectralSettings):
    """A sum of sinusoids over the channels, with amplitudes and phases per token."""

    kind: Literal["spectral"] = "spectral"


class BasisEmbeddingConfig(EmbeddingConfig):
    """Coefficients per token on a set of functions over the channels."""

    kind: Literal["basis"] = "basis"
    functions: Literal["dct", "fourier", "wavelet", "learned"] = "dct"
    bases: int = Field(32, ge=1, le=2**16, description="Number of functions, lowest frequency first")
    wavelet: WaveletName | None = Field(None, description="Only for `functions: wavelet`")

    @model_validator(mode="after")
    def _wavelet_where_needed(self) -> Self:
        if (self.functions == "wavelet") != (self.wavelet is not None):
            raise ValueError(
                f"`wavelet` must be given for `functions: wavelet` and only then, got functions {self.functions!r} "
                f"with wavelet {self.wavelet!r}"
            )
        return self

    def check(self, model: ModelConfig) -> None:
        if self.bases > model.width:
            raise Misfit("bases", f"at most the width of {model.width}, got {self.bases}")
        if self.functions == "wavelet" and model.width % 2:
            raise Misfit("functions", f"wavelet needs an even width, got {model.width}")


class HybridEmbeddingConfig(_SpectralSettings):
    """`(1 - m) * standard + m * spectral` with a learned m."""

    kind: Literal["hybrid"] = "hybrid"
    mixing: float = Field(0.5, gt=0, lt=1, description="Share m of the spectral part at the start")


# --- positions -----------------------------------------------------------------------------------


class PositionsConfig(Part):
    """What a token's place adds to its vector; rotary positions belong to attention."""


class NoPositionsConfig(PositionsConfig):
    """Nothing: mixers tell positions apart themselves."""

    kind: Literal["none"] = "none"


class SignalPositionsConfig(PositionsConfig):
    """A sum of sinusoids over the sequence, with frequencies and coefficients that are learned."""

    kind: Literal["signal"] = "signal"
    bases: int = Field(16, ge=1, le=2**16, description="Sinusoids shared by all channels")
    frequencies: Range = Field((0.0005, 0.25), description="Lowest and highest frequency, cycles per token")
    spacing: Spacing = "log"
    learnable_frequencies: bool = True

    _check_range = field_validator("frequencies")(_ordered)


# --- filter banks --------------------------------------------------------------------------------


class FilterBankConfig(Part):
    """What filters the residual stream before a block."""


class NoFilterBankConfig(FilterBankConfig):
    """Nothing."""

    kind: Literal["none"] = "none"


class LearnedFilterBankConfig(FilterBankConfig):
    """Learned causal filters at several scales, weighted per token, added to what enters the block."""

    kind: Literal["learned"] = "learned"
    filters: int = Field(16, ge=1, le=4096, description="Filters M of each scale")
    scales: int = Field(3, ge=1, le=16, description="Scale s looks at every 2^s-th token")
    taps: int = Field(8, ge=2, le=64, description="Taps of each filter")


# --- mixers --------------------------------------------------------------------------------------


class MixerConfig(Part):
    """How positions exchange information; causal, always."""


def _divides_width(heads: int, model: ModelConfig, even: bool = False) -> None:
    if model.width % heads or (even and (model.width // heads) % 2):
        sizes = " into even sizes" if even else ""
        raise Misfit("heads", f"must divide the width of {model.width}{sizes}, got {heads}")


class AttentionConfig(MixerConfig):
    """Causal softmax attention with normalised queries and keys."""

    kind: Literal["attention"] = "attention"
    heads: int = Field(4, ge=1, le=2**16)
    rotary: bool = Field(True, description="Rotary positions")
    window: int | None = Field(None, ge=1, le=2**24, description="Tokens seen, the present one included; none is all")
    short_convolution: int = Field(1, ge=1, le=16, description="Taps of the convolution on q, k and v; 1 is none")

    def check(self, model: ModelConfig) -> None:
        _divides_width(self.heads, model, even=self.rotary)


class FourierAttentionConfig(MixerConfig):
    """Causal linear convolution of queries, keys and values with one another, by Fourier transform."""

    kind: Literal["fourier_attention"] = "fourier_attention"
    heads: int = Field(4, ge=1, le=2**16, description="Groups of channels with a decay and a norm of their own")
    timescales: Range = Field((4.0, 256.0), description="Shortest and longest decay time of queries and keys, tokens")

    _check_range = field_validator("timescales")(_ordered)

    def check(self, model: ModelConfig) -> None:
        _divides_width(self.heads, model)


class HarmonicConfig(MixerConfig):
    """Gated long convolution whose kernels are sums of damped harmonics."""

    kind: Literal["harmonic"] = "harmonic"
    bases: int = Field(16, ge=1, le=2**16, description="Damped harmonics per head")
    heads: int = Field(1, ge=1, le=2**16, description="Channels of one head share one set of harmonics")
    frequencies: Range = Field((0.001, 0.5), description="Lowest and highest frequency, cycles per token")
    spacing: Spacing = "log"
    timescales: Range = Field((1.0, 128.0), description="Shortest and longest decay time, tokens")
    short_convolution: int = Field(4, ge=1, le=16, description="Taps of the convolution on q, k and v; 1 is none")

    _check_ranges = field_validator("frequencies", "timescales")(_ordered)

    @field_validator("frequencies")
    @classmethod
    def _below_nyquist(cls, pair: Interval) -> Interval:
        if pair[1] > 0.5:
            raise ValueError(f"at most 0.5 cycles per token, got {pair[1]:g}")
        return pair

    def check(self, model: ModelConfig) -> None:
        _divides_width(self.heads, model)


class WaveletConfig(MixerConfig):
    """Gated mixing of the scales of a causal, undecimated wavelet decomposition."""

    kind: Literal["wavelet"] = "wavelet"
    families: tuple[WaveletName, ...] = Field(("db2",), min_length=1, description="One, or several to select from")
    levels: int = Field(5, ge=1, le=20)
    heads: int = Field(4, ge=1, le=2**16, description="Groups of channels with gates of their own")
    taps: int = Field(3, ge=1, le=16, description="Taps of each scale's learned filter")

    @field_validator("families")
    @classmethod
    def _distinct(cls, families: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(families)) < len(families):
            raise ValueError(f"{list(families)} names a family twice")
        return families

    def check(self, model: ModelConfig) -> None:
        _divides_width(self.heads, model)
        if 2**self.levels > model.context:
            raise Misfit("levels", f"{self.levels} needs a context of at least {2**self.levels}, got {model.context}")


# --- feed-forward --------------------------------------------------------------------------------


class FeedForwardConfig(Part):
    """What happens within a position."""

    expansion: float = Field(4.0, gt=0, le=64, description="Hidden channels as a multiple of the width")
    activation: Activation = "relu2"


class MLPConfig(FeedForwardConfig):
    """Two matrices (three for swiglu) and an activation."""

    kind: Literal["mlp"] = "mlp"


class SpectralFeedForwardConfig(FeedForwardConfig):
    """`(1 - α) MLP(x) + α irfft(W ⊙ rfft(x))` along the channels, with a learned α."""

    kind: Literal["spectral"] = "spectral"
    mixing: float = Field(0.5, gt=0, lt=1, description="Share α of the spectral part at the start")


# --- the model -----------------------------------------------------------------------------------

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
            raise InputError(f"preset: {name!r} is none{closest(name, PRESETS)}; accepted: {', '.join(PRESETS)}")
        return cls.model_validate(PRESETS[name])

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
        for place, part in parts:
            try:
                part.check(self)
            except Misfit as misfit:
                raise PydanticCustomError(
                    "misfit",
                    "{where}: {message}",
                    {
                        "place": (*place, misfit.setting),
                        "where": dotted((*place, misfit.setting)),
                        "message": str(misfit),
                    },
                ) from None
        return self


# --- training and text ---------------------------------------------------------------------------


class OptimizerConfig(Part):
    """What turns gradients into steps."""


class AdamWConfig(OptimizerConfig):
    """AdamW for every parameter."""

    kind: Literal["adamw"] = "adamw"


class MuonConfig(OptimizerConfig):
    """Muon for the matrices inside blocks, AdamW for all other parameters."""

    kind: Literal["muon"] = "muon"
    learning_rate: FiniteFloat = Field(0.02, gt=0, description="Of the matrices")
    momentum: float = Field(0.95, ge=0, lt=1)


class ScheduleConfig(Part):
    """How the learning rate falls after the warm-up."""


class CosineConfig(ScheduleConfig):
    """Half a cosine over all the steps."""

    kind: Literal["cosine"] = "cosine"


class WarmupStableDecayConfig(ScheduleConfig):
    """Constant, then a straight line down."""

    kind: Literal["wsd"] = "wsd"
    decay: float = Field(0.2, gt=0, le=1, description="Share of the steps in which the rate falls")


AnyOptimizer = Annotated[SerializeAsAny[OptimizerConfig], BeforeValidator(OptimizerConfig.parse)]
AnySchedule = Annotated[SerializeAsAny[ScheduleConfig], BeforeValidator(ScheduleConfig.parse)]


class TrainingConfig(Config):
    """How a model is trained and on how much text it is judged."""

    steps: int = Field(1000, ge=1, le=2**40)
    batch_size: int = Field(16, ge=1, le=2**20, description="Windows of `context` tokens per step")
    accumulation: int = Field(1, ge=1, le=2**20, description="Parts of a batch that are computed one after another")
    optimizer: AnyOptimizer = AdamWConfig()
    learning_rate: FiniteFloat = Field(3e-3, gt=0)
    schedule: AnySchedule = CosineConfig()
    final_learning_rate: float = Field(0.1, ge=0, le=1, description="Last rate as a share of the highest")
    warmup: float = Field(0.05, ge=0, lt=1, description="Share of the steps in which the rate rises")
    weight_decay: FiniteFloat = Field(0.1, ge=0)
    betas: tuple[float, float] = (0.9, 0.95)
    gradient_clip: FiniteFloat = Field(1.0, gt=0, description="Largest norm of the gradient")
    spectral_loss_weight: FiniteFloat = Field(0.0, ge=0, description="Weight of the embedding's spectral roughness")
    precision: Literal["auto", "float32", "bfloat16"] = Field("auto", description="auto: bfloat16 on CUDA")
    seed: int = Field(0, ge=0, lt=2**63, description="Of the initial weights and of the order of the text")
    validation_tokens: int = Field(65536, ge=1, le=2**40, description="Tokens of the validation split to score on")

    @field_validator("betas")
    @classmethod
    def _betas_below_one(cls, betas: tuple[float, float]) -> tuple[float, float]:
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"each must be at least 0 and below 1, got {list(betas)}")
        return betas

    @model_validator(mode="after")
    def _batch_splits_evenly(self) -> Self:
        if self.batch_size % self.accumulation:
            raise ValueError(f"`accumulation` must divide the batch_size of {self.batch_size}, got {self.accumulation}")
        if isinstance(self.schedule, WarmupStableDecayConfig) and self.warmup + self.schedule.decay > 1:
            raise ValueError(
                f"`warmup` and `schedule.decay` must not exceed 1 together, got {self.warmup} and {self.schedule.decay}"
            )
        return self


class CorpusConfig(Config):
    """Where text comes from: the running Python, files, or a Hugging Face data set."""

    source: ClassVar[str]

    @classmethod
    def parse(cls, data: Any) -> Any:
        """`python`, `{path: …}` or `{dataset: …}`."""
        if data == "python":
            return PythonCorpusConfig()
        if isinstance(data, dict):
            for kind in (PythonCorpusConfig, FilesCorpusConfig, DatasetCorpusConfig):
                if kind.source in data:
                    return kind.model_validate(data)
        if isinstance(data, CorpusConfig):
            return data
        raise PydanticCustomError(
            "unknown_kind",
            "{value} is no corpus; accepted: python, a mapping with `path`, a mapping with `dataset`",
            {"value": repr(data)},
        )


class PythonCorpusConfig(CorpusConfig):
    """The documentation and the standard library's source of the running Python, split by file."""

    source = "python"
    python: Literal[True] = True


class FilesCorpusConfig(CorpusConfig):
    """Text files: a file, a folder, a glob, several of them, or one of these for each split."""

    source = "path"
    path: str | tuple[str, ...] | dict[Literal["train", "validation", "test"], str | tuple[str, ...]]
    split: Literal["file", "position"] = Field(
        "file", description="By whole files, or, where there is one file only, by position inside it (90/5/5)"
    )

    @field_validator("path")
    @classmethod
    def _names_something(cls, path: Any) -> Any:
        # An empty path would be the whole working folder.
        for given in path.values() if isinstance(path, dict) else [path]:
            if not given or "" in ([given] if isinstance(given, str) else given):
                raise ValueError(f"names no file, got {given!r}")
        return path

    def resolved(self, base: Path) -> FilesCorpusConfig:
        """The same with paths made absolute, so that it means the same from any folder."""

        def absolute(paths: str | tuple[str, ...]) -> str | tuple[str, ...]:
            if isinstance(paths, str):
                return str(base / Path(paths).expanduser())
            return tuple(str(base / Path(path).expanduser()) for path in paths)

        if isinstance(self.path, dict):
            return self.model_copy(update={"path": {split: absolute(p) for split, p in self.path.items()}})
        return self.model_copy(update={"path": absolute(self.path)})


class DatasetCorpusConfig(CorpusConfig):
    """A data set that `datasets.load_dataset` finds, local or on the hub."""

    source = "dataset"
    dataset: str
    config: str | None = None
    text: str = Field("text", description="The column that holds the text")


AnyCorpus = Annotated[SerializeAsAny[CorpusConfig], BeforeValidator(CorpusConfig.parse)]


class TokenizerConfig(Config):
    """Bytes, or byte-pair encoding trained on the training split."""

    kind: Literal["bytes", "bpe"] = "bytes"
    size: int = Field(256, ge=256, le=65536, description="Size of the vocabulary")

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, data: Any) -> Any:
        return {"kind": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def _size_fits(self) -> Self:
        if self.kind == "bytes" and self.size != 256:
            raise ValueError(f"bytes have a vocabulary of 256, got {self.size}")
        if self.kind == "bpe" and self.size < 258:
            raise ValueError(f"bpe needs a size of at least 258 (256 bytes, end of text, one merge), got {self.size}")
        return self


class Recipe(Config):
    """Everything one training needs; the file that a search exports and `signal-model train` reads."""

    model: ModelConfig
    training: TrainingConfig = TrainingConfig()
    corpus: AnyCorpus | None = None
    tokenizer: TokenizerConfig = TokenizerConfig()

    @classmethod
    def load(cls, path: Path | str) -> Recipe:
        """Read a recipe, or a bare model config, which is a recipe with the other settings at their defaults."""
        document = read_document(path)
        if "model" in document.data:
            return cls.from_document(document)
        return cls(model=ModelConfig.from_document(document))
