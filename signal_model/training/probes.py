"""Short synthetic tasks that tell what an architecture can do: recall, copy, compress, memorise.

After the mechanistic architecture design (MAD) of Poli et al. 2024 (arXiv 2403.17844, section 3), at sizes that
take a second on a CPU. A model of the given architecture, with a vocabulary of its own, is trained from
scratch on a task and scored by the share of answers it gets right on sequences that it has not seen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from signal_model.config import ModelConfig, TrainingConfig
from signal_model.model import SignalLLM, build_model
from signal_model.support.errors import InputError
from signal_model.training.optimizers import build_optimizers, learning_rate_factor, set_learning_rates

Probe = Literal["in_context_recall", "selective_copying", "compression", "memorization"]

VOCABULARY = 32
LENGTH = 64
BATCH = 32
TEST_SEQUENCES = 256
# Facts to memorise: more than fit the state, fewer than the steps show.
FACTS = 12
COPIED = 6
COMPRESSED = 12
# A position whose answer nobody asks for.
UNASKED = -100

Batch = tuple[np.ndarray, np.ndarray]
"""Tokens (B, T) and answers (B, T), `UNASKED` where there is none."""


def in_context_recall(count: int, length: int, generator: np.random.Generator) -> Batch:
    """Keys and values in turn, drawn anew for each sequence; asked is the value of every key seen before."""
    half = VOCABULARY // 2
    pairs = length // 2
    table = generator.integers(half, VOCABULARY, (count, half))
    keys = generator.integers(0, half, (count, pairs))
    values = np.take_along_axis(table, keys, axis=1)
    earlier = np.tril(np.ones((pairs, pairs), bool), -1)
    seen = ((keys[:, :, None] == keys[:, None, :]) & earlier).any(axis=2)
    tokens = np.stack([keys, values], axis=2).reshape(count, -1)
    answers = np.full_like(tokens, UNASKED)
    answers[:, 0::2] = np.where(seen, values, UNASKED)
    return tokens, answers


def selective_copying(count: int, length: int, generator: np.random.Generator) -> Batch:
    """A few tokens among blanks; asked are they alone, in order, at the end."""
    blank, ask = VOCABULARY - 1, VOCABULARY - 2
    content = generator.integers(0, ask, (count, COPIED))
    places = np.sort(generator.permuted(np.tile(np.arange(length - COPIED), (count, 1)), axis=1)[:, :COPIED], axis=1)
    tokens = np.full((count, length), blank)
    np.put_along_axis(tokens, places, content, axis=1)
    tokens[:, -COPIED:] = ask
    answers = np.full((count, length), UNASKED)
    answers[:, -COPIED:] = content
    return tokens, answers


def memorization(count: int, length: int, generator: np.random.Generator) -> Batch:
    """Questions with always the same answers, which the sequence does not hold."""
    ask = VOCABULARY - 1
    answer_of = np.random.default_rng(0).integers(FACTS, ask, FACTS)
    keys = generator.integers(0, FACTS, (count, length // 2))
    tokens = np.stack([keys, np.full_like(keys, ask)], axis=2).reshape(count, -1)
    answers = np.full_like(tokens, UNASKED)
    answers[:, 1::2] = answer_of[keys]
    return tokens, answers


def compression(count: int, length: int, generator: np.random.Generator) -> Batch:
    """Random tokens; asked are all of them, of the state at the last position alone."""
    tokens = generator.integers(0, VOCABULARY - 1, (count, COMPRESSED))
    ended = np.concatenate([tokens, np.full((count, 1), VOCABULARY - 1)], axis=1)
    return ended, tokens


TASKS: dict[Probe, Callable[[int, int, np.random.Generator], Batch]] = {
    "in_context_recall": in_context_recall,
    "selective_copying": selective_copying,
    "compression": compression,
    "memorization": memorization,
}
PROBES = tuple(TASKS)
# Sequences below hold no question: no key comes twice, or there is no room for what is to be copied.
SHORTEST: dict[Probe, int] = {"in_context_recall": 4, "selective_copying": 2 * COPIED}


class _Decoder(nn.Module):
    """What stood at each position, from one vector (B, D): (B, COMPRESSED, V)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.places = nn.Parameter(torch.randn(COMPRESSED, width) / width**0.5)
        self.layers = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, VOCABULARY))

    def forward(self, state: Tensor) -> Tensor:
        result: Tensor = self.layers(state[:, None] + self.places)
        return result


class _Compressor(nn.Module):
    """A model whose last position is read by a decoder."""

    def __init__(self, model: SignalLLM) -> None:
        super().__init__()
        self.model, self.decoder = model, _Decoder(model.config.width)

    def forward(self, tokens: Tensor) -> Tensor:
        result: Tensor = self.decoder(self.model.hidden(tokens)[:, -1])
        return result


def probe(task: Probe, model: ModelConfig, training: TrainingConfig, device: torch.device, steps: int = 200) -> float:
    """Share of right answers of an architecture after `steps` of training on a task; a guess has 1/32 to 1/16.

    The model keeps all but its vocabulary, the training its optimiser, rates and seed; sequences have `LENGTH` tokens,
    or the context where that is shorter, and those of `compression` all that it asks. Raises InputError for a context
    in which a task has no question, and for a model that is no causal language model: it would hear the answers.
    """
    model.require_language_model("be probed")
    if model.context < (shortest := SHORTEST.get(task, 0)):
        raise InputError(f"{task}: asks for a context of at least {shortest} tokens, got {model.context}")
    small = model.model_copy(update={"vocab_size": VOCABULARY})
    length = min(LENGTH, model.context) // 2 * 2
    settings = training.model_copy(update={"steps": steps, "batch_size": BATCH, "accumulation": 1})
    base = build_model(small, training.seed)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(training.seed)
        learner: nn.Module = _Compressor(base) if task == "compression" else base
    learner.to(device).train()
    optimizers = build_optimizers(base, settings)
    if isinstance(learner, _Compressor):
        decoder = torch.optim.AdamW(learner.decoder.parameters(), lr=settings.learning_rate, betas=settings.betas)
        decoder.param_groups[0]["highest_lr"] = settings.learning_rate
        optimizers = [*optimizers, decoder]
    generator = np.random.default_rng([training.seed, PROBES.index(task)])
    for step in range(steps):
        set_learning_rates(optimizers, learning_rate_factor(step, settings))
        tokens, answers = (torch.from_numpy(part).to(device) for part in TASKS[task](BATCH, length, generator))
        loss = F.cross_entropy(learner(tokens).flatten(0, 1).float(), answers.flatten(), ignore_index=UNASKED)
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(learner.parameters(), settings.gradient_clip)
        for optimizer in optimizers:
            optimizer.step()
    tokens, answers = (torch.from_numpy(part).to(device) for part in TASKS[task](TEST_SEQUENCES, length, generator))
    learner.eval()
    with torch.no_grad():
        asked = answers != UNASKED
        return float((learner(tokens).argmax(-1) == answers)[asked].float().mean())
