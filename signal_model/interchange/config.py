"""The config of a `SignalLLM` as `transformers` has configs: a recipe, and the names that other programs ask for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from transformers import PreTrainedConfig

from signal_model.config import ModelConfig, Recipe
from signal_model.support.files import explain, write_atomically

# For programs that know of no signal_model but may run code of the folder (trust_remote_code): it imports what is
# installed, and holds none of its own.
MODULE = "modeling_signal_llm.py"
CLASSES = {
    "AutoConfig": "SignalLLMConfig",
    "AutoModelForCausalLM": "SignalLLMForCausalLM",
    "AutoModelForSequenceClassification": "SignalLLMForSequenceClassification",
    "AutoModel": "SignalLLMModel",
}
IMPORT = f"from signal_model.interchange import {', '.join(CLASSES.values())}  # noqa: F401\n"
AUTO_MAP = {auto: f"{Path(MODULE).stem}.{name}" for auto, name in CLASSES.items()}


class SignalLLMConfig(PreTrainedConfig):
    """A recipe as plain data: `recipe["model"]` is the `ModelConfig`, the rest is how it was trained.

    What the recipe leaves out has the library's defaults. Raises InputError for a recipe that is none, or not of a
    causal language model.
    """

    model_type = "signal_llm"
    recipe: dict[str, Any] | None = None
    bos_token_id: int | None = None
    eos_token_id: int | None = None
    pad_token_id: int | None = None
    use_cache: bool | None = None  # where a call does not say; None is no, which costs less and takes padding

    def __post_init__(self, **kwargs: Any) -> None:
        self._take(self.recipe or {"model": {}})
        super().__post_init__(**kwargs)

    @classmethod
    def register_for_auto_class(cls, auto_class: str | type = "AutoConfig") -> None:
        """Nothing: what is saved imports signal_model, and takes no copies of its files along."""

    def save_pretrained(self, save_directory: str | os.PathLike[str], push_to_hub: bool = False, **kwargs: Any) -> None:
        """As in transformers; and the module of one line, where config.json names it."""
        if getattr(self, "auto_map", None) == AUTO_MAP:
            Path(save_directory).mkdir(parents=True, exist_ok=True)
            write_atomically(Path(save_directory) / MODULE, IMPORT)
        super().save_pretrained(save_directory, push_to_hub, **kwargs)

    def model_config(self) -> ModelConfig:
        """The frozen config that `SignalLLM` is built from."""
        return ModelConfig.model_validate(self._model())

    @property
    def vocab_size(self) -> int:
        """Tokens that a model built from this has. May be set: others write it here as they count tokens anew."""
        return self.model_config().vocab_size

    @vocab_size.setter
    def vocab_size(self, value: int) -> None:
        assert self.recipe is not None
        self._take(self.recipe | {"model": self._model() | {"vocab_size": value}})

    @property
    def hidden_size(self) -> int:
        return self.model_config().width

    @property
    def max_position_embeddings(self) -> int:
        """Tokens of a training window; a SignalLLM takes more, and may know nothing of them."""
        return self.model_config().context

    @property
    def num_hidden_layers(self) -> int:
        return self.model_config().depth

    def _model(self) -> dict[str, Any]:
        assert self.recipe is not None
        model: dict[str, Any] = self.recipe["model"]
        return model

    def _take(self, recipe: dict[str, Any]) -> None:
        try:
            whole = Recipe.model_validate(recipe)
        except ValidationError as error:
            raise explain(error, "recipe") from None
        whole.model.require_language_model("be a causal language model of transformers")
        self.recipe = whole.to_dict()
