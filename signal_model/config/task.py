"""What a model learns to do: the words of it. `signal_model.training.tasks` is how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from signal_model.config.training import TrainingConfig

# What names of details begin with: how often one class was taken for another, as JSON of the two.
CONFUSED = "confused:"
TaskName = Literal["language_modelling", "classification"]


@dataclass(frozen=True)
class TaskWords:
    """The metrics of a task by name: the loss that its curves show, and the score that models are confirmed by."""

    loss: str
    score: str
    settings: tuple[str, ...] = ()
    """Of training, those that other tasks have no use for; 0 is without."""


TASK_WORDS: dict[TaskName, TaskWords] = {
    "language_modelling": TaskWords("bits_per_byte", "bits_per_byte", ("spectral_loss_weight",)),
    "classification": TaskWords("bits_per_label", "error_rate", ("speed_change", "noise")),
}
SCORES, LOSSES = {words.score for words in TASK_WORDS.values()}, {words.loss for words in TASK_WORDS.values()}
TASK_NAMES: tuple[TaskName, ...] = get_args(TaskName)


def misplaced(task: TaskName, training: TrainingConfig) -> tuple[str, str] | None:
    """The first setting that asks for something of another task, and what to say of it."""
    for other in TASK_NAMES:
        for name in TASK_WORDS[other].settings if other != task else ():
            if value := getattr(training, name):
                return name, f"is of {other}, not of {task}; accepted: 0, got {value:g}"
    return None


def task_of_classes(classes: int | None) -> TaskName:
    """What a model with so many classes, or none, is for."""
    return "language_modelling" if classes is None else "classification"
