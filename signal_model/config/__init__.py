"""What a model, its training and its corpus are: frozen, validated, YAML and JSON both ways.

Every setting is read by the part it belongs to. A part has a `kind`; settings of another kind are
unknown keys, and unknown keys are errors.
"""

from signal_model.config.corpus import AnyCorpus, CorpusConfig
from signal_model.config.embeddings import (
    BasisEmbeddingConfig,
    EmbeddingConfig,
    HybridEmbeddingConfig,
    SpectralEmbeddingConfig,
    SpectralSettings,
    StandardEmbeddingConfig,
)
from signal_model.config.feedforward import FeedForwardConfig, MLPConfig, SpectralFeedForwardConfig
from signal_model.config.filter_bank import FilterBankConfig, LearnedFilterBankConfig, NoFilterBankConfig
from signal_model.config.front_end import (
    FramesConfig,
    FrontEndConfig,
    SampleFilterBankConfig,
    SampleWaveletConfig,
    StridedConfig,
    TokensConfig,
)
from signal_model.config.mixers import (
    AttentionConfig,
    ConvolutionConfig,
    FourierAttentionConfig,
    GatedDeltaConfig,
    GatedLinearConfig,
    GatedStateConfig,
    HarmonicConfig,
    MixerConfig,
    SelectiveConfig,
    WaveletConfig,
)
from signal_model.config.model import (
    AnyEmbedding,
    AnyFeedForward,
    AnyFilterBank,
    AnyFrontEnd,
    AnyMixer,
    AnyPositions,
    LayerConfig,
    ModelConfig,
)
from signal_model.config.positions import NoPositionsConfig, PositionsConfig, SignalPositionsConfig
from signal_model.config.recipe import Recipe
from signal_model.config.sound import ChirpsCorpusConfig, RecordingsCorpusConfig, RecordingsDatasetConfig
from signal_model.config.text import DatasetCorpusConfig, FilesCorpusConfig, PythonCorpusConfig, TokenizerConfig
from signal_model.config.training import (
    AdamWConfig,
    AnyOptimizer,
    AnySchedule,
    CosineConfig,
    MuonConfig,
    OptimizerConfig,
    ScheduleConfig,
    TrainingConfig,
    WarmupStableDecayConfig,
)
from signal_model.config.types import Activation, Interval, Spacing, discrete_wavelets

__all__ = [
    "Activation",
    "AdamWConfig",
    "AnyCorpus",
    "AnyEmbedding",
    "AnyFeedForward",
    "AnyFilterBank",
    "AnyFrontEnd",
    "AnyMixer",
    "AnyOptimizer",
    "AnyPositions",
    "AnySchedule",
    "AttentionConfig",
    "BasisEmbeddingConfig",
    "ChirpsCorpusConfig",
    "ConvolutionConfig",
    "CorpusConfig",
    "CosineConfig",
    "DatasetCorpusConfig",
    "EmbeddingConfig",
    "FeedForwardConfig",
    "FilesCorpusConfig",
    "FilterBankConfig",
    "FourierAttentionConfig",
    "FramesConfig",
    "FrontEndConfig",
    "GatedDeltaConfig",
    "GatedLinearConfig",
    "GatedStateConfig",
    "HarmonicConfig",
    "HybridEmbeddingConfig",
    "Interval",
    "LayerConfig",
    "LearnedFilterBankConfig",
    "MLPConfig",
    "MixerConfig",
    "ModelConfig",
    "MuonConfig",
    "NoFilterBankConfig",
    "NoPositionsConfig",
    "OptimizerConfig",
    "PositionsConfig",
    "PythonCorpusConfig",
    "Recipe",
    "RecordingsCorpusConfig",
    "RecordingsDatasetConfig",
    "SampleFilterBankConfig",
    "SampleWaveletConfig",
    "ScheduleConfig",
    "SelectiveConfig",
    "SignalPositionsConfig",
    "Spacing",
    "SpectralEmbeddingConfig",
    "SpectralFeedForwardConfig",
    "SpectralSettings",
    "StandardEmbeddingConfig",
    "StridedConfig",
    "TokenizerConfig",
    "TokensConfig",
    "TrainingConfig",
    "WarmupStableDecayConfig",
    "WaveletConfig",
    "discrete_wavelets",
]
