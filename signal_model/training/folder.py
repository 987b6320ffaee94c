"""A recipe trained in a folder: logs, unfinished trainings to go on from, the model at the end."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from signal_model.config import Recipe, TrainingConfig
from signal_model.data.corpus import Corpus
from signal_model.evaluation.scores import Score
from signal_model.model import build_model, count_parameters
from signal_model.support.errors import InputError
from signal_model.training.checkpoints import (
    FIGURES,
    UNFINISHED,
    WEIGHTS,
    load_training,
    save_checkpoint,
    save_training,
)
from signal_model.training.logs import JsonLines, Log, TensorBoard
from signal_model.training.tasks import task_of
from signal_model.training.trainer import CurvePoint, Replica, Trainer, Training, validate

LOG, EVENTS = "log.jsonl", "tensorboard"


def refuse_occupied(folder: Path, resume: bool, overwrite: bool) -> None:
    """Raise InputError if `folder` holds what would be lost, what is in the way, or nothing to resume."""
    for name in (WEIGHTS, UNFINISHED, FIGURES, LOG):
        if (folder / name).is_dir():
            raise InputError(f"{folder / name}: is a folder, where a file is to be written")
    if (folder / EVENTS).is_file():
        raise InputError(f"{folder / EVENTS}: is a file, where a folder is to be written")
    if resume:
        if not (folder / UNFINISHED).exists():
            raise InputError(f"{folder}: holds no unfinished training to resume (no {UNFINISHED} in it)")
    elif not overwrite and (folder / UNFINISHED).exists():
        raise InputError(f"{folder}: holds an unfinished training; add --resume to go on or --overwrite to begin again")
    elif not overwrite and (folder / WEIGHTS).exists():
        raise InputError(f"{folder}: holds a trained model; name another folder or add --overwrite")


def _clear(folder: Path) -> None:
    """Nothing of an earlier training stays beside the one that begins."""
    for name in (WEIGHTS, UNFINISHED, FIGURES, LOG):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / EVENTS, ignore_errors=True)


def train_in_folder(
    recipe: Recipe,
    corpus: Corpus,
    device: torch.device,
    folder: Path,
    *,
    resume: bool = False,
    tensorboard: bool = False,
    logs: Sequence[Log] = (),
    replica: Replica | None = None,
) -> dict[str, Any]:
    """Train, keep the state at every point of the curve, score, save; returns the figures that are saved.

    Of several replicas the first writes. Raises InputError for a folder or corpus that cannot be used, Diverged
    when the training does.
    """
    replica = replica or Replica()
    model = build_model(recipe.model, recipe.training.seed)
    trainer = Trainer(model, corpus, recipe.training, device, replica)
    if resume:
        load_training(folder, trainer, recipe, corpus.content_hash)
    writes = replica.rank == 0
    if writes and not resume:
        _clear(folder)
    every: list[Log] = [*logs]
    if writes:
        every.append(JsonLines(folder / LOG, recipe, trainer.step))
        if tensorboard:
            every.append(TensorBoard(folder / EVENTS, recipe, trainer.step))

    def on_point(point: CurvePoint) -> None:
        for log in every:
            log.point(point)
        if writes:
            save_training(folder, trainer, recipe, corpus.content_hash)

    def on_step(step: int) -> None:
        for log in every:
            log.step(step)

    try:
        training = trainer.run(on_point, on_step=on_step)
    finally:
        for log in every:
            log.close()
    if not writes:
        return {}
    score = validate(model, corpus, recipe.training, device)
    figures = figures_of(model, corpus, recipe.training, training, score)
    save_checkpoint(folder, model, recipe, corpus.tokenizer, figures)
    (folder / UNFINISHED).unlink(missing_ok=True)
    return figures


def figures_of(
    model: Any, corpus: Corpus, settings: TrainingConfig, training: Training, score: Score
) -> dict[str, Any]:
    """What is kept beside a model: its score on the validation split, its size, its training, its corpus, what to
    beat."""
    classes = {"classes": corpus.classes} if model.config.classes is not None else {}
    return {
        "validation": score.figures,
        "parameters": count_parameters(model),
        "seconds": training.seconds,
        "step_seconds": training.step_seconds,
        "tokens": training.tokens,
        "corpus": corpus.name,
        "corpus_hash": corpus.content_hash,
        **classes,
        "yardsticks": task_of(model.config).yardsticks(corpus, model.config, settings),
    }
