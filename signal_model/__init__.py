"""Causal spectral language models, and classifiers of sound.

    from signal_model import ModelConfig, build_model

What a user can mend is raised as `InputError`, a ValueError.

What stands here is imported when it is first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from signal_model.config import ModelConfig, Recipe, TrainingConfig
    from signal_model.data.corpus import load_corpus
    from signal_model.evaluation.generation import generate
    from signal_model.model import SignalClassifier, SignalLLM, build_model
    from signal_model.support.errors import InputError
    from signal_model.training.checkpoints import load_checkpoint, save_checkpoint
    from signal_model.training.trainer import run_recipe, train

_PLACES = {
    "InputError": "support.errors",
    "ModelConfig": "config",
    "Recipe": "config",
    "TrainingConfig": "config",
    "SignalClassifier": "model",
    "SignalLLM": "model",
    "build_model": "model",
    "generate": "evaluation.generation",
    "load_checkpoint": "training.checkpoints",
    "load_corpus": "data.corpus",
    "run_recipe": "training.trainer",
    "save_checkpoint": "training.checkpoints",
    "train": "training.trainer",
}

__all__ = [
    "InputError",
    "ModelConfig",
    "Recipe",
    "SignalClassifier",
    "SignalLLM",
    "TrainingConfig",
    "build_model",
    "generate",
    "load_checkpoint",
    "load_corpus",
    "run_recipe",
    "save_checkpoint",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
