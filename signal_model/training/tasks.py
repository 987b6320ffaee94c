"""What a model can learn: to predict the next token, or to tell sounds apart. All that depends on it stands here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from signal_model.analysis.counting import flops_per_token, recurrent_state_size
from signal_model.config import ModelConfig, TrainingConfig
from signal_model.config.task import TASK_WORDS, TaskName, TaskWords, misplaced, task_of_classes
from signal_model.data.corpus import Corpus
from signal_model.data.fit import check_fit
from signal_model.evaluation.causality import disagreement_of_forms
from signal_model.evaluation.scores import Score, fixed_windows, score_labels, score_text
from signal_model.evaluation.yardsticks import most_frequent_label, yardsticks
from signal_model.support.errors import InputError
from signal_model.training.batches import Batch, Batches, Epochs, RecordingEpochs, Recordings, Sounds, Varied, Windows
from signal_model.transforms.spectra import spectral_roughness

Held = Literal["validation", "test"]
# Recordings that are scored at once.
SCORED = 32


class Task(ABC):
    """What a model learns of a corpus. A task keeps nothing: `task_of` says which one a model is for."""

    name: ClassVar[TaskName]

    @property
    def words(self) -> TaskWords:
        """The metrics that its loss and its score are."""
        return TASK_WORDS[self.name]

    @abstractmethod
    def unit(self, corpus: Corpus) -> str:
        """What losses are told per."""

    def check(self, model: ModelConfig, training: TrainingConfig, corpus: Corpus) -> None:
        """Raise InputError where the model does not fit the corpus, or the training the task."""
        check_fit(model, corpus)
        if found := misplaced(self.name, training):
            raise InputError(f"training.{': '.join(found)}")

    @abstractmethod
    def batches(self, model: ModelConfig, training: TrainingConfig, corpus: Corpus) -> Batches:
        """What each step reads of the training split. Raises InputError if that is too short."""

    @abstractmethod
    def loss(self, model: nn.Module, batch: Sequence[Tensor]) -> Tensor:
        """Mean nats of what is predicted, a scalar."""

    def penalty(self, model: Any, batch: Sequence[Tensor], training: TrainingConfig) -> Tensor | None:
        """What is minimised beside the loss."""
        return None

    @abstractmethod
    def counts(self, batch: Batch, corpus: Corpus) -> tuple[int, int]:
        """How much is predicted of a batch: tokens or labels, and bytes, samples or labels."""

    @abstractmethod
    def score(self, model: Any, corpus: Corpus, split: Held, training: TrainingConfig, device: torch.device) -> Score:
        """How well a model does on a split that it is not trained on."""

    @abstractmethod
    def in_words(self, figures: Mapping[str, Any], unit: str) -> str:
        """The `figures` of a score, in a line."""

    @abstractmethod
    def yardsticks(self, corpus: Corpus, model: ModelConfig, training: TrainingConfig) -> dict[str, float]:
        """Scores on the validation split that need no model, by name."""

    @abstractmethod
    def sizes(self, model: Any) -> dict[str, float]:
        """What a model costs, counted, by metric."""

    @abstractmethod
    def disagreement(self, model: Any, length: int) -> float:
        """By how much the two forms of a model differ, relative to its largest output; 0 of one that has one form."""


class LanguageModelling(Task):
    """To predict each token from those before it."""

    name = "language_modelling"

    def unit(self, corpus: Corpus) -> str:
        return corpus.tokenizer.unit

    def check(self, model: ModelConfig, training: TrainingConfig, corpus: Corpus) -> None:
        model.require_language_model("be trained to predict tokens")
        super().check(model, training, corpus)

    def batches(self, model: ModelConfig, training: TrainingConfig, corpus: Corpus) -> Batches:
        kind = Epochs if training.windows == "epochs" else Windows
        return kind(corpus.train, model.context, training.batch_size, training.seed)

    def loss(self, model: nn.Module, batch: Sequence[Tensor]) -> Tensor:
        (windows,) = batch
        nats: Tensor = model(windows[:, :-1], windows[:, 1:])
        return nats

    def penalty(self, model: Any, batch: Sequence[Tensor], training: TrainingConfig) -> Tensor | None:
        if not training.spectral_loss_weight:
            return None
        (windows,) = batch
        return training.spectral_loss_weight * spectral_roughness(model.embedding(windows[:, :-1]))

    def counts(self, batch: Batch, corpus: Corpus) -> tuple[int, int]:
        targets = batch[0][:, 1:]
        return targets.size, int(corpus.tokenizer.byte_lengths[targets].sum())

    def score(self, model: Any, corpus: Corpus, split: Held, training: TrainingConfig, device: torch.device) -> Score:
        windows = fixed_windows(getattr(corpus, split), model.config.context, training.validation_tokens)
        return score_text(model, windows, corpus.tokenizer.byte_lengths, device)

    def in_words(self, figures: Mapping[str, Any], unit: str) -> str:
        return f"{figures['bits_per_byte']:.6f} bits per {unit}, {figures['nats_per_token']:.4f} nats per token"

    def yardsticks(self, corpus: Corpus, model: ModelConfig, training: TrainingConfig) -> dict[str, float]:
        return yardsticks(corpus, model.context, training.validation_tokens)

    def sizes(self, model: Any) -> dict[str, float]:
        return {"flops_per_token": flops_per_token(model), "state_size": recurrent_state_size(model)}

    def disagreement(self, model: Any, length: int) -> float:
        return disagreement_of_forms(model, length)


class Classification(Task):
    """To tell of which class a recording is. Of those longer than the context a part is heard."""

    name = "classification"

    def unit(self, corpus: Corpus) -> str:
        return "label"

    def batches(self, model: ModelConfig, training: TrainingConfig, corpus: Corpus) -> Batches:
        kind = RecordingEpochs if training.windows == "epochs" else Recordings
        varied = Varied(training.speed_change, training.noise)
        return kind(Sounds(corpus, "train", model.context), training.batch_size, training.seed, varied)

    def loss(self, model: nn.Module, batch: Sequence[Tensor]) -> Tensor:
        samples, lengths, labels = batch
        return F.cross_entropy(model(samples, lengths).float(), labels)

    def counts(self, batch: Batch, corpus: Corpus) -> tuple[int, int]:
        return len(batch[0]), len(batch[0])

    def score(self, model: Any, corpus: Corpus, split: Held, training: TrainingConfig, device: torch.device) -> Score:
        """On every recording of the split."""
        sounds = Sounds(corpus, split, model.config.context)
        by_length = np.argsort(sounds.lengths, kind="stable")  # so that little is padded
        batches = (sounds.heard(by_length[start : start + SCORED]) for start in range(0, len(sounds), SCORED))
        return score_labels(model, batches, len(corpus.classes), device)

    def in_words(self, figures: Mapping[str, Any], unit: str) -> str:
        return f"{figures['error_rate']:.2%} wrong, {figures['bits_per_label']:.4f} bits per {unit}"

    def yardsticks(self, corpus: Corpus, model: ModelConfig, training: TrainingConfig) -> dict[str, float]:
        return most_frequent_label(corpus)

    def sizes(self, model: Any) -> dict[str, float]:
        return {"flops_per_token": flops_per_token(model)}

    def disagreement(self, model: Any, length: int) -> float:
        return 0.0


TASKS: dict[TaskName, Task] = {task.name: task for task in (LanguageModelling(), Classification())}


def task_of(model: ModelConfig) -> Task:
    """What a model is for: to tell apart, where it has classes."""
    return TASKS[task_of_classes(model.classes)]
