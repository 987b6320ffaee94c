"""Whether a corpus is what a model is to learn from: tokens of its vocabulary, or recordings of its classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from signal_model.config import ModelConfig
from signal_model.config.corpus import SPLITS
from signal_model.data.corpus import Corpus
from signal_model.support.errors import InputError, counted, listed


def check_fit(model: ModelConfig, corpus: Corpus) -> None:
    """Raise InputError for a vocabulary or classes that are not the corpus's."""
    if model.classes is None:
        _check_vocabulary(model, corpus)
    else:
        _check_classes(model.classes, corpus)


def check_length(model: ModelConfig, corpus: Corpus, splits: Sequence[str]) -> None:
    """Raise InputError where one of these splits holds no window of a language model; a recording may be of any
    length."""
    for split in splits if model.classes is None else ():
        if (tokens := len(getattr(corpus, split))) <= model.context:
            raise InputError(
                f"corpus {corpus.name}: its {split} split of {counted(tokens, 'token')} is shorter than one window of "
                f"model.context + 1 = {model.context + 1}"
            )


def _check_vocabulary(model: ModelConfig, corpus: Corpus) -> None:
    if model.vocab_size != corpus.tokenizer.vocab_size:
        raise InputError(
            f"model.vocab_size: {model.vocab_size} does not match the tokenizer's {corpus.tokenizer.vocab_size}; "
            "give the model that size, or the tokenizer this one, as in --tokenizer '{kind: bpe, size: …}'"
        )


def _check_classes(classes: int, corpus: Corpus) -> None:
    if not corpus.classes:
        raise InputError(
            f"corpus {corpus.name}: has no labels to learn; a corpus of sound says where they are by `label`, or by "
            "{label} in `names`"
        )
    if (count := len(corpus.classes)) < 2:
        raise InputError(f"corpus {corpus.name}: all recordings are of one class, {corpus.classes[0]!r}")
    if classes != count:
        told = ", ".join(corpus.classes[:10]) + (", …" if count > 10 else "")
        raise InputError(f"model.classes: {classes} are not the {count} of corpus {corpus.name} ({told})")
    for split in SPLITS:
        there = np.bincount(corpus.labels[split], minlength=count)
        if missing := [name for name, number in zip(corpus.classes, there, strict=True) if not number]:
            raise InputError(
                f"corpus {corpus.name}: its {split} split has no recording of {listed(missing[:5])}; give splits, or "
                "groups by `held_out`, that have every class"
            )
