"""What a model learns to do: the words of it. `signal_model.training.tasks` is how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

# What names of details begin with: how often one class was taken for another, as JSON of the two.
CONFUSED = "confused:"
TaskName = Literal["language_modelling", "classification"]


@dataclass(frozen=True)
class TaskWords:
    """The metrics of a task by name: the loss that its curves show, and the score that models are confirmed by."""

    loss: str
    score: str


TASK_WORDS: dict[TaskName, TaskWords] = {
    "language_modelling": TaskWords("bits_per_byte", "bits_per_byte"),
    "classification": TaskWords("bits_per_label", "error_rate"),
}
SCORES, LOSSES = {words.score for words in TASK_WORDS.values()}, {words.loss for words in TASK_WORDS.values()}
TASK_NAMES: tuple[TaskName, ...] = get_args(TaskName)


def task_of_classes(classes: int | None) -> TaskName:
    """What a model with so many classes, or none, is for."""
    return "language_modelling" if classes is None else "classification"
