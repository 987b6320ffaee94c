"""A trained model scored again: on a split of its corpus or of another, or on files as a whole; in lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from signal_model.config import Recipe
from signal_model.config.corpus import OnDiskConfig
from signal_model.data.corpus import load_corpus, split_tokens, whole_corpus, whole_tokens
from signal_model.data.tokenizers import Vocabulary
from signal_model.evaluation.causality import causality_fault, causality_violation
from signal_model.evaluation.scores import (
    TextScore,
    confusion_table,
    fixed_windows,
    loss_by_position,
    score_text,
    whole_windows,
)
from signal_model.support.devices import compute_in
from signal_model.support.errors import InputError, listed
from signal_model.training.checkpoints import load_checkpoint, load_figures
from signal_model.training.tasks import Held, task_of
from signal_model.training.trainer import score_split


@dataclass(frozen=True)
class Question:
    """What a model is scored on. Without a split it is validation, but all of the files that were named; without a
    length or a number of tokens, windows are those of training."""

    split: Held | None = None
    files: str | None = None
    """What the command line calls the files to score on as a whole."""
    length: int | None = None
    by_position: bool = False


@dataclass(frozen=True)
class Subject:
    """A model in a folder that `train` wrote, and what it is scored on."""

    directory: Path
    model: Any
    recipe: Recipe
    tokenizer: Vocabulary
    device: torch.device


def opened(directory: Path, device: torch.device) -> Subject:
    """Read a model back. Raises InputError for one that does not hear what it says it does."""
    model, recipe, tokenizer = load_checkpoint(directory, device)
    violation = causality_violation(model, recipe.model.context)
    if wrong := causality_fault(model, violation, device):
        raise InputError(f"{directory}: {wrong}; its loss means nothing")
    return Subject(directory, model, recipe, tokenizer, device)


def answers(subject: Subject, question: Question) -> Iterator[str]:
    """How well the model does, in lines. Raises InputError for what it cannot be scored on."""
    if subject.recipe.corpus is None:
        raise InputError(f"{subject.directory}: names no corpus; add --corpus")
    yield from _of_labels(subject, question) if subject.recipe.model.classes else _of_tokens(subject, question)


def _of_tokens(subject: Subject, question: Question) -> Iterator[str]:
    model, recipe, tokenizer, device = subject.model, subject.recipe, subject.tokenizer, subject.device
    context = question.length or recipe.model.context
    assert recipe.corpus is not None
    if question.files is not None and isinstance(recipe.corpus, OnDiskConfig):
        what, windows = f"all of {question.files}", whole_windows(whole_tokens(recipe.corpus, tokenizer), context)
    else:
        name, found = split_tokens(recipe.corpus, question.split or "validation", tokenizer)
        what = f"{question.split or 'validation'} of {name}"
        windows = [fixed_windows(found, context, recipe.training.validation_tokens)]
    with compute_in(device, recipe.training.precision):
        score = sum((score_text(model, some, tokenizer.byte_lengths, device) for some in windows), start=TextScore())
        losses = loss_by_position(model, windows[0], recipe.model.vocab_size, device) if question.by_position else None
    yield (
        f"{what}: {score.bits_per_byte:.6f} bits per {tokenizer.unit}, "
        f"{score.nats_per_token:.4f} nats per token, perplexity {score.perplexity:.2f}, "
        f"accuracy {score.accuracy:.1%} over {score.tokens:,} tokens"
    )
    if losses is not None:
        yield from _by_position(losses)


def _by_position(losses: np.ndarray) -> Iterator[str]:
    yield "position         nats per token"
    starts, place = [], 0
    while place < len(losses):  # four to an octave: what a copy from far away is worth shows where it begins
        starts.append(place)
        place += max(1, place // 4)
    for start, end in zip(starts, [*starts[1:], len(losses)], strict=True):
        yield f"{f'{start}–{end - 1}' if end - start > 1 else start!s:<15}  {losses[start:end].mean():.4f}"


def _of_labels(subject: Subject, question: Question) -> Iterator[str]:
    model, recipe, device = subject.model, subject.recipe, subject.device
    if question.by_position or question.length:
        option = "--by-position" if question.by_position else "--length"
        raise InputError(f"{option}: is of models of tokens, and {subject.directory} is a classifier")
    classes = tuple(map(str, load_figures(subject.directory)["classes"]))
    split: Held = question.split or "validation"
    assert recipe.corpus is not None
    if question.files is not None and isinstance(recipe.corpus, OnDiskConfig):
        what, split = f"all of {question.files}", "test"
        corpus = whole_corpus(recipe.corpus, subject.tokenizer, classes)
    else:
        corpus = load_corpus(recipe.corpus, recipe.tokenizer)
        what = f"{split} of {corpus.name}"
        _same(corpus.classes, classes, subject.directory)
    score = score_split(model, corpus, split, recipe.training, device)
    figures = score.figures
    told = task_of(recipe.model).in_words(figures, "label")
    yield f"{what}: {told} over {int(np.sum(figures['confusion'])):,} recordings"
    yield from confusion_table(figures["confusion"], classes)


def _same(found: Sequence[str], classes: Sequence[str], directory: Path) -> None:
    if tuple(found) != tuple(classes):
        raise InputError(f"corpus: is of {listed([*found])}, and {directory} tells apart {listed([*classes])}")
