"""The text of a search space: read, and long enough for its models."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hrfevo.space.search_space import SearchSpace
from signal_model.config import ModelConfig
from signal_model.support.errors import InputError, counted

if TYPE_CHECKING:
    from signal_model.data.corpus import Corpus


def read_corpus(space: SearchSpace, read: Callable[[], Corpus], test: bool = False) -> Corpus:
    """What `read` reads, if its training and validation splits, with `test` its test split too, hold a window each.

    A context that is searched for is not judged: a genome whose window is longer fails by itself.
    Raises InputError for text that cannot be read, or is too short.
    """
    corpus = read()
    context = space.model.get("context", ModelConfig.model_fields["context"].default)
    for split in ("train", "validation", *(["test"] if test else [])):
        if "context" not in space.genes and (tokens := len(getattr(corpus, split))) <= context:
            raise InputError(
                f"corpus {corpus.name}: its {split} split of {counted(tokens, 'token')} is shorter than one window of "
                f"model.context + 1 = {context + 1}"
            )
    return corpus
