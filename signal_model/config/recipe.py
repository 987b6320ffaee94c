"""A model, its training and its text together."""

from __future__ import annotations

from pathlib import Path

from signal_model.config.corpus import AnyCorpus
from signal_model.config.model import ModelConfig
from signal_model.config.text import TokenizerConfig
from signal_model.config.training import TrainingConfig
from signal_model.support.files import read_document
from signal_model.support.settings import Config


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
