"""Objectives of plugins: what their functions are given, and what of their answers counts."""

from __future__ import annotations

import math
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from hrfevo.space.metrics import ADDED, METRICS
from hrfevo.space.search_space import SearchSpace
from signal_model.config import Recipe
from signal_model.data.corpus import Corpus
from signal_model.model import SignalLLM
from signal_model.support.devices import ran_out_of_memory
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

    Random numbers that they draw follow from the recipe's seed, and change no others; nor does PyTorch's default type
    or whether it keeps gradients. Raises ValueError, naming the objective, for an answer that is no finite number, for
    a model that they have changed, and for what they raise themselves, with its file and line.
    """
    corpus = candidate.corpus
    labels = {split: those for split, those in corpus.labels.items() if split != "test"}
    hidden = replace(candidate, corpus=replace(corpus, test=corpus.test[:0], labels=labels))
    found = {}
    for name in space.added:
        if METRICS[name].trained != trained:
            continue
        before = _fingerprint(candidate.model)
        with _as_it_was(candidate.device):
            torch.manual_seed(candidate.recipe.training.seed)
            try:
                answer = ADDED[name](hidden)
            except SystemExit as error:
                raise ValueError(f"objective {name}: called sys.exit({error.code!r})") from error
            except Exception as error:  # whatever the code of somebody does
                if isinstance(error, ImportError) or ran_out_of_memory(error):  # of this machine, not of the function
                    raise
                told = f"{type(error).__name__}: {one_line(error)}"
                raise ValueError(f"objective {name}: {told}{_where(error)}") from error
        if _fingerprint(candidate.model) != before:
            raise ValueError(f"objective {name}: has changed the weights of the model")
        try:
            found[name] = math.nan if isinstance(answer, str | bytes) else float(answer)
        except (TypeError, ValueError):
            found[name] = math.nan
        if not math.isfinite(found[name]):
            raise ValueError(f"objective {name}: expected a finite number, got {one_line(repr(answer))[:80]}")
    return found


def _where(error: Exception) -> str:
    """` (rank.py:14)`: the last line of the function's own file that an error passed through."""
    _, *frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == frames[0].filename]
    return f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""


@contextmanager
def _as_it_was(device: torch.device) -> Iterator[None]:
    """What is global in PyTorch is afterwards as it was."""
    dtype = torch.get_default_dtype()
    devices = [device] if device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices=devices), torch.set_grad_enabled(torch.is_grad_enabled()):
            yield
    finally:
        torch.set_default_dtype(dtype)


@torch.no_grad()
def _fingerprint(model: SignalLLM) -> list[float]:
    return [float(weights.abs().sum()) for weights in model.parameters()]
