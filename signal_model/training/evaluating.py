"""Trained models scored again: on a split of their corpus or of another, or on files as a whole; in lines of text."""

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
from signal_model.evaluation.samples import ClusteredScore, Sample, paired_difference, sample_of, score_sample
from signal_model.evaluation.scores import confusion_table, loss_by_position
from signal_model.support.devices import compute_in
from signal_model.support.errors import InputError, listed
from signal_model.training.checkpoints import load_checkpoint, load_figures
from signal_model.training.tasks import Held, task_of
from signal_model.training.trainer import score_split


@dataclass(frozen=True)
class Question:
    """What models are scored on. Without a split it is validation, but all of the files that were named; without a
    number of tokens or a length these are those of training, and without a stride windows predict as many tokens as
    the shortest has. Of classifiers only a split or files can be asked."""

    split: Held | None = None
    files: str | None = None
    """What the command line calls the files to score on as a whole."""
    tokens: int | None = None
    length: int | None = None
    stride: int | None = None
    by_position: bool = False


@dataclass(frozen=True)
class Subject:
    """A model in a folder that `train` wrote, and what it is scored on."""

    directory: Path
    model: Any
    recipe: Recipe
    tokenizer: Vocabulary
    device: torch.device
    corpus_hash: str | None
    """`content_hash` of what it was trained on, where it is scored on a split of that; else None."""


def opened(directory: Path, device: torch.device) -> Subject:
    """Read a model back. Raises InputError for one that does not hear what it says it does."""
    model, recipe, tokenizer = load_checkpoint(directory, device)
    violation = causality_violation(model, recipe.model.context)
    if wrong := causality_fault(model, violation, device):
        raise InputError(f"{directory}: {wrong}; its loss means nothing")
    return Subject(directory, model, recipe, tokenizer, device, load_figures(directory).get("corpus_hash"))


def answers(subjects: Sequence[Subject], question: Question) -> Iterator[str]:
    """How well models do, in lines, and how the others differ from the first.

    Raises InputError for what they cannot be scored on, and for models that are not asked the same.
    """
    first = subjects[0]
    if first.recipe.corpus is None:
        raise InputError(f"{first.directory}: names no corpus; add --corpus")
    for other in subjects[1:]:
        if other.recipe.corpus != first.recipe.corpus:
            raise InputError(f"{other.directory}: is of another corpus than {first.directory}; add --corpus")
    classifier = next((one for one in subjects if one.recipe.model.classes), None)
    if classifier is None:
        yield from _of_tokens(subjects, question)
    elif len(subjects) == 1:
        yield from _of_labels(first, question)
    else:
        raise InputError(f"{classifier.directory}: is a classifier; models of tokens are compared, not these")


def _of_tokens(subjects: Sequence[Subject], question: Question) -> Iterator[str]:
    is_whole = question.files is not None and isinstance(subjects[0].recipe.corpus, OnDiskConfig)
    if not is_whole and len({one.tokenizer.to_json() for one in subjects}) > 1:
        raise InputError(
            "models of different tokenizers are asked the same only of files as a whole: --corpus FILE, without "
            "--split and --tokens"
        )
    stride = question.stride or min(question.length or one.recipe.model.context for one in subjects)
    limit = None if is_whole else question.tokens or subjects[0].recipe.training.validation_tokens
    scores = []
    texts: dict[str, tuple[str, str | None, np.ndarray]] = {}
    for subject in subjects:
        words = subject.tokenizer.to_json()
        if words not in texts:
            texts[words] = _text(subject, question)
        what, content_hash, text = texts[words]
        _require_unchanged(subject, content_hash)
        context = question.length or subject.recipe.model.context
        sample = sample_of(text, context, stride, limit, subject.tokenizer.end_of_text)
        score, losses = _scored(subject, sample, question.by_position)
        if not score.total.bytes:
            raise InputError(f"tokens: the {score.total.tokens:,} asked for end texts and stand for none; ask for more")
        scores.append(score)
        total, count = score.total, len(score.clusters)
        name = f"{subject.directory}, {what}" if len(subjects) > 1 else what
        error = f"standard error {score.standard_error:.4f} ({count:,} {sample.clustered_by}s), " if count > 1 else ""
        yield (
            f"{name}: {total.bits_per_byte:.6f} bits per {subject.tokenizer.unit}, {error}"
            f"{total.nats_per_token:.4f} nats per token, perplexity {total.perplexity:.2f}, "
            f"accuracy {total.accuracy:.1%} over {total.tokens:,} tokens"
        )
        if losses is not None:
            yield from _by_position(losses)
    for subject, score in zip(subjects[1:], scores[1:], strict=True):
        if not np.array_equal(score.bytes, scores[0].bytes):
            raise InputError("one document is paired by windows, and these tokenizers cut it differently")
        found = paired_difference(score, scores[0])
        low, high = found.interval
        how_sure = f"95 % interval {low:+.4f} to {high:+.4f}, paired over {found.clusters:,} {sample.clustered_by}s"
        yield (
            f"{subject.directory} − {subjects[0].directory}: {found.difference:+.4f} bits per {subject.tokenizer.unit} "
            f"({how_sure if found.clusters > 1 else 'of one window, which says nothing of others'})"
        )


def _text(subject: Subject, question: Question) -> tuple[str, str | None, np.ndarray]:
    """What a model is asked, in words, of which corpus if it is a split of one, and in its tokens."""
    recipe, tokenizer = subject.recipe, subject.tokenizer
    assert recipe.corpus is not None
    if question.files is not None and isinstance(recipe.corpus, OnDiskConfig):
        return f"all of {question.files}", None, whole_tokens(recipe.corpus, tokenizer)
    name, content_hash, text = split_tokens(recipe.corpus, question.split or "validation", tokenizer, recipe.tokenizer)
    return f"{question.split or 'validation'} of {name}", content_hash, text


def _require_unchanged(subject: Subject, content_hash: str | None) -> None:
    """Documents are dealt out anew where some have changed, perhaps from training to a split that is to be unknown."""
    if subject.corpus_hash not in (None, content_hash):
        raise InputError(
            f"{subject.directory}: its corpus is not what it was when the model was trained, which may have read what "
            "is now held out; say by --corpus what to score it on"
        )


def _scored(subject: Subject, sample: Sample, by_position: bool) -> tuple[ClusteredScore, np.ndarray | None]:
    model, device = subject.model, subject.device
    with compute_in(device, subject.recipe.training.precision):
        score = score_sample(model, sample, subject.tokenizer.byte_lengths, device)
        longest = sample.windows[-1].tokens
        losses = loss_by_position(model, longest, subject.recipe.model.vocab_size, device) if by_position else None
    return score, losses


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
    for name in ("tokens", "length", "stride", "by_position"):
        if getattr(question, name):
            option = f"--{name.replace('_', '-')}"
            raise InputError(f"{option}: is of models of tokens, and {subject.directory} is a classifier")
    classes = tuple(map(str, load_figures(subject.directory)["classes"]))
    split: Held = question.split or "validation"
    assert recipe.corpus is not None
    if question.files is not None and isinstance(recipe.corpus, OnDiskConfig):
        what, split = f"all of {question.files}", "test"
        corpus = whole_corpus(recipe.corpus, subject.tokenizer, classes)
    else:
        corpus = load_corpus(recipe.corpus, recipe.tokenizer)
        _require_unchanged(subject, corpus.content_hash)
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
