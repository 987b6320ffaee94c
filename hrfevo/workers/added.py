"""Objectives of plugins: what their functions are given, and what of their answers counts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch

from hrfevo.space.metrics import ADDED, METRICS
from hrfevo.space.search_space import SearchSpace
from signal_model.config import Recipe
from signal_model.data.corpus import Corpus
from signal_model.model import SignalLLM
from signal_model.support.errors import one_line


@dataclass(frozen=True)
class Candidate:
    """A genome's model, before or after its training, on its device; whoever measures it leaves it as it was."""

    model: SignalLLM
    recipe: Recipe
    corpus: Corpus
    """Its test split is empty: nothing that a search is led by reads it."""
    device: torch.device


def measured(space: SearchSpace, candidate: Candidate, *, trained: bool) -> Mapping[str, float]:
    """What the functions of plugins say of a candidate that is `trained` or not yet, where the space asks for it.

    Random numbers that they draw follow from the recipe's seed, and change no others. Raises ValueError for an answer
    that is no finite number.
    """
    hidden = replace(candidate, corpus=replace(candidate.corpus, test=candidate.corpus.test[:0]))
    found = {}
    for name in space.added:
        if METRICS[name].trained != trained:
            continue
        devices = [candidate.device] if candidate.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(candidate.recipe.training.seed)
            answer = ADDED[name](hidden)
        try:
            found[name] = float(answer)
        except (TypeError, ValueError):
            found[name] = math.nan
        if not math.isfinite(found[name]):
            raise ValueError(f"objective {name}: expected a finite number, got {one_line(repr(answer))[:80]}")
    return found
