"""A model, its task, its training and its corpus together."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from signal_model.config.corpus import AnyCorpus, corpus_option
from signal_model.config.model import ModelConfig
from signal_model.config.task import TaskName, misplaced, task_of_classes
from signal_model.config.text import TokenizerConfig
from signal_model.config.training import TrainingConfig
from signal_model.support.files import explain, parse_value, read_document
from signal_model.support.settings import Config, updated


class Recipe(Config):
    """Everything one training needs; the file that a search exports and `signal-model train` reads."""

    # Not written where it is the default, so that recipes read as they did before there were several.
    task: TaskName = Field(
        "language_modelling",
        description="language_modelling: the next token; classification: of which class a recording is",
        exclude_if=lambda it: it == "language_modelling",
    )
    model: ModelConfig
    training: TrainingConfig = TrainingConfig()
    corpus: AnyCorpus | None = None
    tokenizer: TokenizerConfig = TokenizerConfig()

    @model_validator(mode="after")
    def _model_is_for_the_task(self) -> Self:
        model = self.model
        if self.task != task_of_classes(model.classes):
            needed = "needs their number, as 10" if model.classes is None else "is for models that have classes"
            place, message = "classes", f"task: classification {needed}"
        elif self.task == "language_modelling" and not model.causal:
            place, message = "causal", f"task: {self.task} needs true: false would hear the token that is asked for"
        else:
            return self
        raise PydanticCustomError("misfit", "{message}", {"place": ("model", place), "message": message})

    @model_validator(mode="after")
    def _training_is_for_the_task(self) -> Self:
        if found := misplaced(self.task, self.training):
            place, message = found
            raise PydanticCustomError("misfit", "{message}", {"place": ("training", place), "message": message})
        return self

    @classmethod
    def load(cls, path: Path | str) -> Recipe:
        """Read a recipe, or a bare model config, which is a recipe with the other settings at their defaults.

        Raises InputError for what is neither.
        """
        document = read_document(path)
        if "model" in document.data:
            return cls.from_document(document)
        model = ModelConfig.from_document(document)
        try:
            return cls(model=model, task=task_of_classes(model.classes))
        except ValidationError as error:
            raise explain(error, str(path)) from None

    @classmethod
    def named(cls, name: str) -> Recipe:
        """What a file holds or, where there is no such file, a preset's name stands for.

        Raises InputError for what is neither.
        """
        is_name = not Path(name).is_file() and not Path(name).suffix and os.sep not in name
        return cls(model=ModelConfig.preset(name)) if is_name else cls.load(name)

    def with_options(self, corpus: str | None = None, tokenizer: str | None = None, **training: int | None) -> Recipe:
        """The recipe with what a command line gave in place of what it says; None leaves what there is.

        A corpus then means the same from any folder and in any process. Raises InputError for what does not fit.
        """
        changes: dict[str, Any] = {}
        if corpus is not None:
            changes["corpus"] = corpus_option(corpus)
        if tokenizer is not None:
            changes["tokenizer"] = parse_value(tokenizer)
        if given := {key: value for key, value in training.items() if value is not None}:
            changes["training"] = self.training.to_dict() | given
        changed = updated(self, changes, "command line") if changes else self
        if changed.corpus is not None:
            changed = changed.model_copy(update={"corpus": changed.corpus.resolved(Path.cwd())})
        return changed
