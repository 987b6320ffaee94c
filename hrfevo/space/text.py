"""The corpus of a search space: read, and what its models can learn from."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hrfevo.space.genome import express
from hrfevo.space.search_space import SearchSpace
from hrfevo.space.trials import simplest

if TYPE_CHECKING:
    from signal_model.data.corpus import Corpus


def read_corpus(space: SearchSpace, read: Callable[[], Corpus], test: bool = False) -> Corpus:
    """What `read` reads, if models can learn from it, and its training and validation splits, with `test` its test
    split too, hold a window each.

    A context that is searched for is not judged: a genome whose window is longer fails by itself.
    Raises InputError for a corpus that cannot be read, is too short, or is not of the model's classes.
    """
    from signal_model.data.fit import check_fit, check_length

    corpus = read()
    model = express(space, simplest(space), seed=0).model
    check_fit(model, corpus)
    if "context" not in space.genes:
        check_length(model, corpus, ("train", "validation", *(["test"] if test else [])))
    return corpus
