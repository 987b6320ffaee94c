"""One training loop, for a three-second evaluation and for a three-day training alike."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from signal_model.config import ModelConfig, Recipe, TrainingConfig
from signal_model.corpus import Corpus
from signal_model.devices import compute_in, wait_for
from signal_model.errors import InputError
from signal_model.evaluation import LN2, TextScore, fixed_windows, score_text
from signal_model.model import SignalLLM, build_model

CURVE_POINTS = 20


class Diverged(ArithmeticError):
    """The loss stopped being a number."""


@dataclass(frozen=True)
class CurvePoint:
    """Mean training loss over the steps since the point before; `seconds` since the start."""

    step: int
    seconds: float
    nats_per_token: float
    bits_per_byte: float


@dataclass(frozen=True)
class Training:
    """What one training left behind besides the weights."""

    curve: tuple[CurvePoint, ...]
    seconds: float
    step_seconds: float
    tokens: int


def random_windows(tokens: np.ndarray, context: int, batch_size: int, seed: int) -> Iterator[np.ndarray]:
    """Endless batches (batch_size, context + 1) of windows that start anywhere; the seed fixes all of them."""
    if len(tokens) <= context:
        raise InputError(
            f"corpus: the training split of {len(tokens)} tokens is shorter than "
            f"one window of context + 1 = {context + 1}"
        )
    generator = np.random.default_rng(np.random.SeedSequence(seed))
    offsets = np.arange(context + 1)
    while True:
        starts = generator.integers(0, len(tokens) - context, batch_size)
        yield np.asarray(tokens[starts[:, None] + offsets], dtype=np.int64)


def learning_rate_factor(step: int, config: TrainingConfig) -> float:
    """Linear warm-up to 1, then half a cosine down to `final_learning_rate`; `step` counts from 0."""
    warmup = round(config.warmup * config.steps)
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, config.steps - 1 - warmup)
    return config.final_learning_rate + (1 - config.final_learning_rate) * (1 + math.cos(math.pi * progress)) / 2


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Weight decay for matrices; none for vectors, scalars and filters' rates."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]


def train(
    model: SignalLLM,
    corpus: Corpus,
    config: TrainingConfig,
    device: torch.device,
    on_point: Callable[[CurvePoint], None] | None = None,
) -> Training:
    """Train `model` in place on `corpus.train`; `on_point` hears of each point of the learning curve.

    AdamW (Loshchilov & Hutter 2019), warm-up and cosine, clipped gradients. `step_seconds` is the
    median over the curve's intervals, the device waited for at each. Raises Diverged when the loss
    of an interval is not finite.
    """
    check_vocabulary(model.config, corpus)
    model.to(device).train()
    context = model.config.context
    batches = random_windows(corpus.train, context, config.batch_size, config.seed)
    optimizer = torch.optim.AdamW(
        parameter_groups(model, config.weight_decay), lr=config.learning_rate, betas=config.betas, fused=True
    )
    interval = max(1, config.steps // CURVE_POINTS)
    curve: list[CurvePoint] = []
    paces: list[float] = []
    loss_sum = torch.zeros((), device=device)
    tokens_seen = bytes_seen = steps_seen = 0
    started = mark = time.perf_counter()
    for step in range(config.steps):
        batch = next(batches)
        windows = torch.from_numpy(batch).to(device)
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * learning_rate_factor(step, config)
        with compute_in(device, config.precision):
            logits = model(windows[:, :-1])
        loss = F.cross_entropy(logits.flatten(0, 1).float(), windows[:, 1:].flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), config.gradient_clip)
        optimizer.step()
        loss_sum += loss.detach()
        steps_seen += 1
        tokens_seen += windows[:, 1:].numel()
        bytes_seen += int(corpus.tokenizer.byte_lengths[batch[:, 1:]].sum())
        if (step + 1) % interval == 0 or step + 1 == config.steps:
            nats = loss_sum.item() / steps_seen  # waits for the device
            if not math.isfinite(nats):
                raise Diverged(f"the loss is {nats} at step {step + 1}")
            now = time.perf_counter()
            paces.append((now - mark) / steps_seen)
            bits = nats * tokens_seen / LN2 / max(1, bytes_seen)
            curve.append(CurvePoint(step + 1, now - started, nats, bits))
            if on_point:
                on_point(curve[-1])
            loss_sum = torch.zeros((), device=device)
            tokens_seen = bytes_seen = steps_seen = 0
            mark = time.perf_counter()
    wait_for(device)
    seconds = time.perf_counter() - started
    return Training(tuple(curve), seconds, statistics.median(paces), config.steps * config.batch_size * context)


def validate(model: SignalLLM, corpus: Corpus, config: TrainingConfig, device: torch.device) -> TextScore:
    """Score on the validation split's fixed windows, in the precision of training.

    Raises Diverged when the score is not finite.
    """
    windows = fixed_windows(corpus.validation, model.config.context, config.validation_tokens)
    with compute_in(device, config.precision):
        score = score_text(model, windows, corpus.tokenizer.byte_lengths, device)
    if not math.isfinite(score.nats):
        raise Diverged(f"the validation loss is {score.nats}")
    return score


def run_recipe(
    recipe: Recipe, corpus: Corpus, device: torch.device, on_point: Callable[[CurvePoint], None] | None = None
) -> tuple[SignalLLM, Training, TextScore]:
    """Build from the seed, train, score: what a search does with a genome and a user with its export."""
    model = build_model(recipe.model, recipe.training.seed)
    training = train(model, corpus, recipe.training, device, on_point)
    return model, training, validate(model, corpus, recipe.training, device)


def check_vocabulary(model: ModelConfig, corpus: Corpus) -> None:
    """Raise InputError if the model's vocabulary is not the tokenizer's."""
    if model.vocab_size != corpus.tokenizer.vocab_size:
        raise InputError(
            f"model.vocab_size: {model.vocab_size} does not match the tokenizer's {corpus.tokenizer.vocab_size}"
        )
